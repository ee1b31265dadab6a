import numpy as np
import pytest
import tensorflow as tf

from keras_dim.data.conversion import convert


def test_every_grey_survives_the_way_over_colour():
    grey = tf.reshape(tf.cast(tf.range(256), tf.uint8), (1, 16, 16, 1))
    colour = convert(grey, (16, 16, 3), resize=False)
    again = convert(colour, (16, 16, 1), resize=False)
    np.testing.assert_array_equal(again, grey)


def test_grey_is_the_luminance_of_colour():
    green = tf.constant([[[[0, 255, 0]]]], tf.uint8)
    # ITU-R BT.601: green weighs 0.587.
    expected = 0.587 * 255
    assert (
        abs(int(convert(green, (1, 1, 1), False)[0, 0, 0, 0]) - expected) <= 1
    )


def test_halving_averages_neighbours():
    # Columns 0 and 200: antialiasing must mix them, plain bilinear
    # sampling of every other column would too, nearest would not.
    image = tf.constant(np.tile([0, 200], (8, 4))[..., None], tf.uint8)
    small = convert(image, (4, 4, 1), resize=True)
    assert np.all(np.abs(small.numpy()[:, 1:-1].astype(int) - 100) <= 1)


def test_another_size_without_resize_is_an_error():
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
        convert(tf.zeros((4, 4, 1), tf.uint8), (5, 4, 1), resize=False)
