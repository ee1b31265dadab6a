"""Pillow and NumPy give the pixels that TensorFlow gives."""

import io

import numpy as np
import pytest
from image_variants import smooth
from PIL import Image
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data import tensorflow_images
from keras_dim.data.numpy_images import convert
from keras_dim.data.numpy_images import decode


def difference(one, other):
    one, other = np.asarray(one), np.asarray(other)
    assert one.dtype == other.dtype == np.uint8
    assert one.shape == other.shape
    return np.abs(one.astype(int) - other).max()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("kind", ["png", "bmp", "webp"])
def test_lossless_formats_give_exactly_the_pixels(kind, channels):
    image = pixels(0, (5, 7, 3))
    opaque = np.concatenate([image, np.full_like(image[..., :1], 255)], axis=-1)
    np.testing.assert_array_equal(
        decode(encode(image, kind), channels), opaque[..., :channels]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0, 20, 100])
def test_cut_off_files_are_refused(kind, length):
    data = encode(pixels(0, (64, 64, 3)), kind)
    with pytest.raises(ValueError, match="cannot be decoded"):
        decode(data[:length])


def test_other_formats_are_refused():
    # Pillow can read more formats, even programs in PostScript.
    for kind in ("tga", "pcx", "eps"):
        buffer = io.BytesIO()
        Image.fromarray(pixels(0)).save(buffer, kind)
        with pytest.raises(ValueError, match="cannot be decoded"):
            decode(buffer.getvalue())


@pytest.mark.parametrize("size", [(7, 5), (12, 30), (48, 40), (24, 18)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_channels_change_as_in_tensorflow(size, channels):
    image = smooth(24, 18)
    shape = (*size, channels)
    expected = tensorflow_images.convert(image, shape)
    # Pillow rounds after the rows and after the columns.
    assert difference(convert(image, shape), expected) <= 1


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_any_number_of_channels_is_resized(channels):
    image = np.repeat(smooth(24, 18), 5, axis=-1)[..., :channels]
    shape = (10, 11, channels)
    expected = tensorflow_images.convert(image, shape)
    assert difference(convert(image, shape), expected) <= 1


def test_colour_becomes_grey_as_in_tensorflow():
    image = pixels(0, (64, 64, 3))
    expected = tensorflow_images.convert(image, (64, 64, 1))
    # The same formula; another order of sums may change the rounding of .5.
    grey = convert(image, (64, 64, 1))
    assert difference(grey, expected) <= 1
    assert np.mean(grey != np.asarray(expected)) < 1e-3


def test_every_grey_level_survives_conversion_to_colour_and_back():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    colour = convert(grey, (16, 16, 3))
    np.testing.assert_array_equal(convert(colour, (16, 16, 1)), grey)
