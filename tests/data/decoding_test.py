"""TensorFlow and Pillow must see the same picture in every kind of file."""

import image_variants
import numpy as np
import pytest
import tensorflow as tf
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data import numpy_images
from keras_dim.data.decoding import decoded_images
from keras_dim.data.image_header import read_header

VARIANTS = image_variants.variants()


def decoded_in_pipeline(files, image_shape, **options):
    """Images by index, and the indices of those that were left out."""
    records = tf.data.Dataset.from_tensor_slices({"encoded": files})
    records = records.enumerate().map(lambda i, one: {"index": i, **one})
    failed = []
    images = decoded_images(
        records,
        lambda one: one["encoded"],
        image_shape,
        on_error=failed.append,
        **options,
    )
    found = {int(one["index"]): one["image"].numpy() for one in images}
    return found, failed


@pytest.fixture(scope="module")
def decoded():
    """Each variant by Pillow, and by the pipeline of TensorFlow."""
    by_shape = {}
    for name, data in VARIANTS.items():
        expected = numpy_images.decode(data)
        by_shape.setdefault(expected.shape, {})[name] = (data, expected)
    found = {}
    for shape, variants in by_shape.items():
        files = [data for data, _ in variants.values()]
        images, failed = decoded_in_pipeline(files, shape, resize=False)
        assert failed == []
        for index, (name, (_, expected)) in enumerate(variants.items()):
            found[name] = (images[index], expected)
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_both_decoders_give_the_same_pixels(name, decoded):
    # To the bit, lossy formats too: both use the exact transform of JPEG.
    found, expected = decoded[name]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_header_gives_the_size_of_the_picture(name, decoded):
    import io

    header = read_header(io.BytesIO(VARIANTS[name]))
    assert header.size(orient=True) == decoded[name][1].shape[:2]


def test_orientation_can_be_left_alone():
    files = [VARIANTS[f"jpeg_orientation_{number}"] for number in range(1, 9)]
    images, failed = decoded_in_pipeline(
        files, (33, 50, 3), resize=False, orient=False
    )
    assert failed == []
    for number, data in enumerate(files):
        np.testing.assert_array_equal(images[number], images[0])
        np.testing.assert_array_equal(
            images[0], numpy_images.decode(data, orient=False)
        )


def test_images_that_do_not_decode_are_reported_and_left_out():
    whole = [encode(pixels(number)) for number in range(40)]
    data = [d[:60] if n in (0, 17, 39) else d for n, d in enumerate(whole)]
    images, failed = decoded_in_pipeline(data, (8, 8, 3), resize=False)
    assert failed == [0, 17, 39]
    assert list(images) == [n for n in range(40) if n not in failed]
    for number, image in images.items():
        np.testing.assert_array_equal(image, pixels(number))


def test_an_image_of_another_size_is_left_out_unless_sizes_may_change():
    data = [encode(pixels(0)), encode(pixels(1, (9, 8, 3)))]
    assert decoded_in_pipeline(data, (8, 8, 3), resize=False)[1] == [1]
    assert decoded_in_pipeline(data, (8, 8, 3), resize=True)[1] == []
