import math

import numpy as np
import pytest
import tensorflow as tf

from keras_dim.layers import LocationSampler


def numbered(num_images, height, width):
    """Maps in which the value of each location is its number."""
    maps = np.arange(num_images * height * width, dtype="float32")
    return maps.reshape(num_images, height, width, 1)


def test_locations_are_equally_likely_and_never_repeated():
    num_images, num_locations, num_samples = 3000, 12, 5
    sampler = LocationSampler(num_samples, seed=0)
    drawn = np.array(sampler(numbered(num_images, 3, 4), training=True))
    assert drawn.shape == (num_images, num_samples, 1, 1)
    drawn = drawn.reshape(num_images, num_samples).astype(int)
    assert (drawn // num_locations == np.arange(num_images)[:, None]).all()
    assert all(len(set(row)) == num_samples for row in drawn)
    counts = np.bincount(drawn.ravel() % num_locations)
    share = num_samples / num_locations
    deviation = math.sqrt(num_images * share * (1 - share))
    assert np.abs(counts - num_images * share).max() < 5 * deviation


def test_every_call_draws_anew():
    sampler, maps = LocationSampler(1, seed=0), numbered(2000, 3, 3)
    one, other = (np.array(sampler(maps, training=True)) for _ in range(2))
    # Of nine locations, one in nine is drawn again.
    assert (one != other).mean() > 0.8


def test_channels_of_a_location_stay_together():
    maps = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    drawn = LocationSampler(2, seed=0)(maps.astype("float32"), training=True)
    for image, locations in zip(maps, np.array(drawn)[:, :, 0], strict=True):
        for location in locations:
            distances = np.abs(image.reshape(6, 4) - location).max(1)
            assert distances.min() < 1e-6


def test_gradients_reach_drawn_locations_only():
    maps = tf.constant(numbered(4, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        drawn = LocationSampler(2, seed=0)(maps, training=True)
    slopes = tape.gradient(drawn, maps)
    np.testing.assert_array_equal(slopes, np.isin(maps, drawn))


@pytest.mark.parametrize("num_samples", [None, 5])
def test_all_locations_stay_in_inference(num_samples):
    maps = numbered(4, 2, 3)
    sampler = LocationSampler(num_samples)
    np.testing.assert_array_equal(sampler(maps, training=False), maps)


def test_all_locations_stay_in_training_where_none_are_drawn():
    maps = numbered(4, 2, 3)
    sampler = LocationSampler(None)
    np.testing.assert_array_equal(sampler(maps, training=True), maps)


@pytest.mark.parametrize("size, middle", [(2, 2), (3, 4), (5, 12)])
def test_the_middle_location_is_taken_in_inference(size, middle):
    maps = numbered(4, size, size)
    taken = LocationSampler(1, "middle")(maps, training=False)
    expected = maps.reshape(4, -1)[:, middle]
    np.testing.assert_array_equal(np.array(taken)[:, 0, 0, 0], expected)


def test_config_builds_the_same_layer():
    sampler = LocationSampler(3, "middle", seed=2)
    copy = LocationSampler.from_config(sampler.get_config())
    assert copy.get_config() == sampler.get_config()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0,), "`num_samples` must be.* 1 or more.*: 0"),
        ((1, "first"), "'first'.*'all', 'middle'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocationSampler(*arguments)


def test_more_samples_than_locations_are_refused():
    with pytest.raises(ValueError, match="from 1 to 16. Received: 17"):
        LocationSampler(17).build((None, 4, 4, 3))
