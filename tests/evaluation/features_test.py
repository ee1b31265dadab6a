"""Features are extracted by name, in order, from images in any form."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_encoder import SHAPES
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim.batches import ValueRange
from keras_dim.evaluation import extract
from keras_dim.evaluation import feature_model
from keras_dim.evaluation import raw_pixels
from keras_dim.evaluation import raw_pixels_encoder
from keras_dim.evaluation import stream

# Batches against a single forward pass: float32 sums have another order.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture
def encoder():
    return tiny_encoder()


@pytest.fixture
def images():
    return pixels(np.random.default_rng(0), 11)


def expected(encoder, images, name):
    values = encoder(images.astype("float32"), training=False)[name]
    return np.asarray(values).reshape(len(images), -1)


def test_all_features_equal_one_forward_pass(encoder, images):
    found = extract(encoder, images, tuple(SHAPES), batch_size=4)
    assert list(found) == list(SHAPES)
    for name, shape in SHAPES.items():
        assert found[name].shape == (11, np.prod(shape))
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(
            found[name], expected(encoder, images, name), **TOLERANCE
        )


def test_the_default_feature_is_global(encoder, images):
    assert list(extract(encoder, images)) == ["global"]


def test_one_name_may_be_a_plain_string(encoder, images):
    assert list(extract(encoder, images, "fc")) == ["fc"]


@pytest.mark.parametrize("batch_size", [1, 4, 11, 256])
def test_the_batch_size_changes_nothing(encoder, images, batch_size):
    found = extract(encoder, images, "fc", batch_size)
    np.testing.assert_allclose(
        found["fc"], expected(encoder, images, "fc"), **TOLERANCE
    )


def test_labels_come_with_a_pair_of_arrays(encoder, images):
    found = extract(encoder, (images, list(range(11))), batch_size=4)
    assert found["label"].tolist() == list(range(11))


def test_a_dict_of_arrays_gives_labels_and_indices(encoder, images):
    columns = {
        "image": images,
        "label": np.arange(11),
        "index": np.arange(11) + 100,
    }
    found = extract(encoder, columns, batch_size=4)
    assert found["label"].tolist() == list(range(11))
    assert found["index"].tolist() == list(range(100, 111))


@pytest.mark.parametrize("kind", ["images", "pairs", "dicts"])
@pytest.mark.parametrize("batch", [3, 11])
def test_data_sets_give_what_arrays_give(encoder, images, kind, batch):
    labels = np.arange(11)
    columns = {
        "images": images,
        "pairs": (images, labels),
        "dicts": {"image": images, "label": labels, "index": labels + 100},
    }
    dataset = tf.data.Dataset.from_tensor_slices(columns[kind]).batch(batch)
    found = extract(encoder, dataset, ("fc", "global"), batch_size=5)
    whole = extract(encoder, images, ("fc", "global"))
    for name in ("fc", "global"):
        np.testing.assert_allclose(found[name], whole[name], **TOLERANCE)
    if kind != "images":
        assert found["label"].tolist() == labels.tolist()
    if kind == "dicts":
        assert found["index"].tolist() == (labels + 100).tolist()


def test_a_generator_of_batches_is_a_data_set(encoder, images):
    parts = (images[start : start + 3] for start in range(0, 11, 3))
    found = extract(encoder, parts, "fc")
    np.testing.assert_allclose(
        found["fc"], expected(encoder, images, "fc"), **TOLERANCE
    )


def test_a_model_with_one_tensor_gives_output(images):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    found = extract(model, images, "output")
    np.testing.assert_allclose(
        found["output"], images.mean(axis=(1, 2)), rtol=1e-5
    )


class Subclassed(keras.Model):
    def call(self, images):
        images = keras.ops.cast(images, "float32")
        return {"mean": keras.ops.mean(images, axis=(1, 2)), "image": images}


def test_a_model_that_is_not_functional_works_too(images):
    found = extract(Subclassed(), images, "mean", batch_size=4)
    np.testing.assert_allclose(
        found["mean"], images.mean(axis=(1, 2)), rtol=1e-5
    )


@pytest.mark.parametrize("make", [tiny_encoder, Subclassed])
def test_an_unknown_feature_is_refused_with_the_names(images, make):
    with pytest.raises(ValueError, match="no feature 'glob'.*Its features"):
        extract(make(), images, ("glob",))


def test_an_unknown_feature_is_refused_before_the_first_image(encoder):
    with pytest.raises(ValueError, match="'conv', 'fc', 'global', 'local'"):
        stream(encoder, None, "nothing")


def test_batches_of_any_size_are_traced_once(encoder, images):
    model = feature_model(encoder, ("fc",))
    batches = [images, images[:3], images[:7], images]
    extract(model, batches, "fc")
    extract(model, images[:11], "fc")
    assert model.predict_function.experimental_get_tracing_count() == 1


def test_only_layers_of_the_features_are_computed(encoder):
    model = feature_model(encoder, "local")
    assert list(model.output) == ["local"]
    # The rescaling and the first convolution, 3 x 3 x 3 x 3 + 3 weights.
    assert model.count_params() == 84


def test_the_feature_model_shares_the_encoder_s_weights(encoder, images):
    model = feature_model(encoder, "fc")
    before = extract(model, images, "fc")["fc"]
    encoder.set_weights([weight + 1 for weight in encoder.get_weights()])
    after = extract(model, images, "fc")["fc"]
    assert not np.allclose(before, after)
    np.testing.assert_allclose(
        after, expected(encoder, images, "fc"), **TOLERANCE
    )


def test_the_encoder_runs_in_inference_mode(encoder, images):
    before = encoder.get_weights()
    alone = extract(encoder, images[:1], "conv")["conv"]
    together = extract(encoder, images, "conv")["conv"]
    # In training mode batch normalisation would mix the images.
    np.testing.assert_allclose(alone[0], together[0], **TOLERANCE)
    for old, new in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_features_are_float32_under_mixed_precision(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    found = extract(tiny_encoder(), images, "fc")
    assert found["fc"].dtype == np.float32


def test_two_replicas_give_every_row_once(two_replicas, images):
    with two_replicas.scope():
        encoder = tiny_encoder()
        found = extract(encoder, images, "fc", batch_size=4)
    np.testing.assert_allclose(
        found["fc"], expected(encoder, images, "fc"), **TOLERANCE
    )


def test_a_stream_yields_batch_by_batch(encoder, images):
    taken = []

    def batches():
        for start in range(0, 9, 3):
            taken.append(start)
            yield images[start : start + 3]

    first = next(stream(encoder, batches(), "fc"))
    assert first["fc"].shape == (3, 6)
    assert taken == [0]


def test_images_of_another_size_are_refused(encoder):
    images = np.zeros((2, 9, 8, 3), "uint8")
    with pytest.raises(ValueError, match=r"\(None, 8, 8, 3\).*\(2, 9, 8, 3\)"):
        extract(encoder, images)


def test_a_data_set_that_is_not_batched_is_refused(encoder, images):
    dataset = tf.data.Dataset.from_tensor_slices(images)
    with pytest.raises(ValueError, match="batch a data set"):
        extract(encoder, dataset)


def test_a_data_set_without_an_end_is_refused(encoder, images):
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(2).repeat()
    with pytest.raises(ValueError, match="repeats for ever"):
        extract(encoder, dataset)


def test_no_images_are_refused(encoder):
    with pytest.raises(ValueError, match="no images"):
        extract(encoder, np.zeros((0, 8, 8, 3), "uint8"))


def test_too_few_labels_are_refused(encoder, images):
    with pytest.raises(ValueError, match="one 'label' for every image"):
        extract(encoder, (images, np.arange(10)))


def test_a_dict_without_images_is_refused(encoder):
    with pytest.raises(ValueError, match="'image'"):
        extract(encoder, {"pixels": np.zeros((2, 8, 8, 3))})


def test_a_path_is_not_images(encoder):
    with pytest.raises(ValueError, match="expects images: an array"):
        extract(encoder, "photos")


def test_a_batch_size_of_zero_is_refused(encoder, images):
    with pytest.raises(ValueError, match="`batch_size`"):
        extract(encoder, images, batch_size=0)


def test_a_model_with_two_inputs_is_refused():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    a, b = (keras.layers.Identity()(x) for x in inputs)
    model = keras.Model(inputs, {"a": a, "b": b})
    with pytest.raises(ValueError, match="one input"):
        feature_model(model, "a")


def test_a_feature_with_another_number_of_rows_is_refused(images):
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(inputs)
    twice = keras.ops.concatenate([flat, flat], axis=0)
    model = keras.Model(inputs, {"twice": twice})
    with pytest.raises(ValueError, match=r"one row per image.*\(22, 192\)"):
        extract(model, images, "twice")


def test_a_feature_with_the_name_of_a_column_is_refused(images):
    inputs = keras.Input((8, 8, 3))
    outputs = {"label": keras.layers.Flatten()(inputs)}
    with pytest.raises(ValueError, match="Received: 'label'. Rename"):
        extract(keras.Model(inputs, outputs), images, "label")


def test_raw_pixels_are_flattened_and_scaled():
    images = np.array([[[[0], [51]], [[102], [255]]]], "uint8")
    found = extract(raw_pixels_encoder((2, 2, 1)), images)["raw_pixels"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 0.2, 0.4, 1]], rtol=1e-6)


def test_raw_pixels_of_stored_values_are_scaled_by_their_range():
    images = np.array([[[[100], [300]], [[500], [1100]]]], "uint16")
    values = ValueRange((100.0,), (1100.0,), "uint16")
    encoder = raw_pixels_encoder((2, 2, 1), values)
    found = extract(encoder, images)["raw_pixels"]
    # Shares of the range of 1,000.
    np.testing.assert_allclose(found, [[0, 0.2, 0.4, 1]], rtol=1e-5, atol=1e-6)


def test_raw_pixels_of_arrays_are_those_of_the_encoder():
    images = np.arange(20, dtype=np.uint8).reshape(5, 2, 2, 1)
    found = extract(raw_pixels_encoder((2, 2, 1)), images)["raw_pixels"]
    np.testing.assert_allclose(raw_pixels(images), found, rtol=1e-6)
    with pytest.raises(ValueError, match="raw_pixels expects raw pixels"):
        raw_pixels(images / 255)
