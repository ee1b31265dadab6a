"""Images and arguments are checked before a method trains on them."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim.data import reading


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    return tiny.make("deep_infomax_local")


def as_data_set(images, kind):
    if kind == "arrays":
        return images
    dataset = tf.data.Dataset.from_tensor_slices({"image": images})
    return dataset.batch(4)


DOORS = {
    "fit": lambda model, x: model.fit(x, batch_size=None, verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, verbose=0),
    "predict": lambda model, x: model.predict(x, verbose=0),
}


@pytest.mark.parametrize("kind", ["arrays", "data set"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x / 255,
        lambda x: x / 127.5 - 1,
        lambda x: x.astype("uint16") * 257,
        lambda x: x > 100,
    ],
)
def test_pixels_of_another_range_are_refused(model, images, kind, door, wrong):
    before = model.get_weights()

    with pytest.raises(ValueError, match=r"\[0, 255\]") as caught:
        DOORS[door](model, as_data_set(wrong(images[:8]), kind))

    assert "\n" not in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", ["arrays", "data set"])
@pytest.mark.parametrize("door", ["fit", "evaluate"])
def test_a_rest_of_one_image_is_refused(model, images, kind, door):
    arguments = {"batch_size": 4} if kind == "arrays" else {}

    with pytest.raises(ValueError, match="no negatives"):
        getattr(model, door)(as_data_set(images, kind), verbose=0, **arguments)


def test_one_image_is_refused(model, images):
    with pytest.raises(ValueError, match="no negatives"):
        model.fit(images[:1], verbose=0)
    assert model.predict(images[:1], verbose=0).shape == (1, 6)


@pytest.mark.parametrize(
    "arguments",
    [{"class_weight": {0: 2.0}}, {"sample_weight": np.ones(8)}],
)
def test_weights_of_fit_are_refused(model, images, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        model.fit(images[:8], np.arange(8), verbose=0, **arguments)
    dataset = tf.data.Dataset.from_tensor_slices(
        (images, np.arange(9), np.ones(9))
    )
    with pytest.raises(ValueError, match="sample weights"):
        model.fit(dataset.batch(3), verbose=0)


@pytest.mark.parametrize("name", ["loss", "metrics", "weighted_metrics"])
def test_losses_and_metrics_of_compile_are_refused(images, name):
    model = tiny.make("deep_infomax_local")

    with pytest.raises(ValueError, match="no meaning"):
        model.compile(keras.optimizers.Adam(), **{name: ["mse"]})
        model.fit(images[:8], verbose=0)


@pytest.fixture
def folder(tmp_path):
    for number in range(20):
        pixels = np.full((8, 8, 3), 12 * number, np.uint8)
        keras.utils.save_img(tmp_path / f"{number:02}.png", pixels, scale=False)
    return tmp_path


def test_features_in_a_shuffled_order_are_warned_about(model, folder):
    shuffled = keras_dim.data.load(folder, batch_size=5)

    with pytest.warns(UserWarning, match="shuffle=False"):
        model.predict(shuffled, verbose=0)


def test_features_in_order_are_those_of_the_arrays(model, folder):
    source = keras_dim.data.open_source(folder)
    images = next(reading.Epoch(source, 20).batches())["image"]
    in_order = keras_dim.data.load(source, batch_size=8, shuffle=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict(in_order, verbose=0)

    np.testing.assert_allclose(
        found, model.predict(images, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_two_replicas_refuse_the_same(two_replicas, images):
    with two_replicas.scope():
        model = tiny.make("deep_infomax_local")

    with pytest.raises(ValueError, match=r"\[0, 255\]") as caught:
        DOORS["fit"](model, as_data_set(images[:8] / 255, "data set"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no negatives"):
        DOORS["fit"](model, as_data_set(images, "data set"))
