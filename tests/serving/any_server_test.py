"""The client's results from TensorFlow Serving and the conformance server."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_images
from tiny_encoder import SHAPES
from tiny_encoder import pixels

from keras_dim import serving

# The same float32 arithmetic in another graph; REST's decimals are exact.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture
def client(any_host):
    with serving.Client(any_host, "tiny") as client:
        yield client


@pytest.fixture
def images():
    return pixels(np.random.default_rng(0), 5)


def assert_equal_features(found, expected):
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], **CLOSE)


@pytest.mark.parametrize("signature", ["serving_default", "native"])
def test_features_are_those_of_the_encoder(client, encoder, images, signature):
    found = client.embed(images, signature=signature)

    assert {name: found[name].shape[1:] for name in found} == SHAPES
    assert {values.dtype for values in found.values()} == {np.dtype("float32")}
    assert_equal_features(found, encoder.predict(images, verbose=0))


def test_batches_come_in_order_and_equal_one_call(any_host, images):
    whole, split = (
        serving.Client(any_host, "tiny", batch_size=size).embed(images)
        for size in (5, 2)
    )

    assert_equal_features(split, whole)
    # Else another order would give equal features.
    assert np.ptp(whole["global"], axis=0).min() > 1e-2


def test_a_generator_of_batches_equals_their_array(client, images):
    parts = ({"image": part} for part in (images[:1], images[1:1], images[1:]))

    assert_equal_features(client.embed(parts), client.embed(images))


def test_a_data_set_of_pairs_equals_its_images(client, images):
    pairs = tf.data.Dataset.from_tensor_slices((images, np.arange(5))).batch(2)

    assert_equal_features(client.embed(pairs), client.embed(images))


def test_one_feature_comes_as_an_array(client, images):
    found = client.embed(images, "conv")

    np.testing.assert_array_equal(found, client.embed(images)["conv"])


def test_images_of_any_size_are_resized_by_the_server(client, encoder):
    images = tiny_images.pixels(0, (3, 12, 20, 3))
    # As data sets are: to whole numbers.
    resized = tf.round(tf.image.resize(images, (8, 8), antialias=True))

    found = client.embed(images)

    assert_equal_features(found, encoder.predict(resized, verbose=0))


def test_files_give_the_features_of_their_pixels(any_host, images):
    # Lossless, and of several file sizes.
    files = [
        tiny_images.encode(image, kind)
        for image, kind in zip(
            images, ("png", "bmp", "png", "bmp", "png"), strict=True
        )
    ]
    client = serving.Client(any_host, "tiny", batch_size=2)

    assert_equal_features(client.embed_encoded(files), client.embed(images))


def test_the_status_lists_the_versions(any_host):
    assert serving.Client(any_host, "tiny").status() == {1: "AVAILABLE"}
    both = {1: "AVAILABLE", 2: "AVAILABLE"}
    assert serving.Client(any_host, "mean").status() == both
    assert serving.Client(any_host, "mean", version=1).status() == both


def test_the_metadata_have_inputs_and_outputs(client):
    found = client.metadata()

    assert {
        name: found[name].inputs
        for name in ("serving_default", "native", "encoded_images")
    } == {
        "serving_default": {
            "images": serving.TensorSpec("uint8", (None, None, None, 3))
        },
        "native": {"images": serving.TensorSpec("uint8", (None, 8, 8, 3))},
        "encoded_images": {
            "encoded_images": serving.TensorSpec("string", (None,))
        },
    }
    assert found["native"].outputs == {
        name: serving.TensorSpec("float32", (None, *shape))
        for name, shape in SHAPES.items()
    }


@pytest.mark.parametrize(
    ("which", "factor"),
    [
        ({}, 2),
        ({"version": 1}, 1),
        ({"version": 2}, 2),
        ({"version": "stable"}, 1),
    ],
)
def test_a_version_is_chosen_by_number_or_label(any_host, which, factor):
    client = serving.Client(any_host, "mean", **which)
    images = np.full((2, 1, 1, 1), 3, "uint8")

    np.testing.assert_array_equal(
        client.embed(images)["features"][:, 0], [3 * factor] * 2
    )


def test_nan_is_returned(any_host):
    black = np.zeros((1, 2, 2, 1), "uint8")

    found = serving.Client(any_host, "mean").embed(black, "features")

    np.testing.assert_array_equal(found, [[0, np.nan]])


def test_features_may_be_larger_than_the_limit_of_grpc_itself(any_server):
    # 4.4 MB of floats.
    images = tiny_images.pixels(0, (1, 1100, 1000, 1))

    found = serving.Client(any_server.grpc, "pixels").embed(images, "pixels")

    np.testing.assert_array_equal(found, images)


def test_a_missing_model_is_named(any_host):
    client = serving.Client(any_host, "tinny")

    with pytest.raises(
        serving.ModelNotFoundError,
        match="'tinny' .*Versions of this model there: none",
    ):
        client.embed(np.zeros((1, 8, 8, 3), "uint8"))
    with pytest.raises(serving.ModelNotFoundError, match="'tinny'"):
        client.status()


def test_a_missing_version_is_named_with_the_existing_ones(any_host):
    client = serving.Client(any_host, "tiny", version=7)

    with pytest.raises(
        serving.ModelNotFoundError,
        match=r"'tiny' in version 7 .*Versions .* there: {1: 'AVAIL",
    ):
        client.metadata()


def test_a_missing_label_is_refused(any_host):
    client = serving.Client(any_host, "mean", version="canary")

    with pytest.raises(
        serving.RequestRefusedError, match="in version 'canary'"
    ):
        client.metadata()


def test_bytes_that_are_no_image_are_refused(client):
    with pytest.raises(
        serving.RequestRefusedError, match=r"encoded_images, string \(None,\)"
    ) as caught:
        client.embed_encoded([b"no image"])
    assert caught.value.code == "INVALID_ARGUMENT"


def test_the_error_of_a_wrong_shape_names_the_right_one(client, images):
    with pytest.raises(ValueError, match=r"\(None, 8, 8, 3\).*\(5, 6, 8, 3\)"):
        client.embed(images[:, :6], signature="native")
    with pytest.raises(ValueError, match=r"\(None, None, None, 3\).*4\)"):
        client.embed(np.zeros((2, 8, 8, 4), "uint8"))


def test_the_error_of_a_missing_feature_names_all_features(client, images):
    with pytest.raises(
        ValueError, match="'colour'. Expected one of .*'conv', 'fc', 'global'"
    ):
        client.embed(images, "colour")


def test_the_error_of_a_missing_signature_names_all_signatures(any_host):
    client = serving.Client(any_host, "mean")

    with pytest.raises(
        ValueError,
        match="no signature 'encoded_images' .* has {'serving_default'",
    ):
        client.embed_encoded([b"x"])


def test_a_signature_of_files_takes_no_pixels(client, images):
    with pytest.raises(ValueError, match="that takes {'images': 'uint8'}"):
        client.embed(images, signature="encoded_images")
