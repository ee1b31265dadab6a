"""Models with default arguments train as well as those of the recipes."""

import keras
import pytest

import keras_dim
from keras_dim.data import reading


@pytest.fixture(scope="module")
def digits():
    source = keras_dim.data.open_source("digits", image_size=28)
    return next(reading.Epoch(source, 256).batches())["image"]


def information(digits, **arguments):
    """The local information before training, and after two epochs."""
    keras.utils.set_random_seed(0)
    model = keras_dim.DeepInfoMax(
        keras_dim.encoders.dim_convnet(28, 1, (8, 16), 32, 16),
        critic=keras_dim.layers.DotProductCritic(units=256, **arguments),
        num_local_samples=16,
        seed=0,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    before = model.evaluate(digits, batch_size=64, verbose=0, return_dict=True)
    history = model.fit(digits, batch_size=64, epochs=2, verbose=0).history
    name = "local_information"
    return before[name], history[name][-1]


def test_scores_start_near_one_and_the_bound_near_zero(digits):
    # Random vectors of 256 units have products of about 16, whose root of the
    # width they are divided by; the authors' code divides by 1.
    start, end = information(digits)
    start_of_authors, end_of_authors = information(digits, temperature=1.0)

    assert abs(start) < 2.0
    assert start_of_authors < -5.0
    assert end > end_of_authors


def test_the_recipes_leave_the_temperature_to_its_default():
    recipe = keras_dim.recipes.get("deep_infomax_digits")

    assert "temperature" not in recipe.method["critic"]
