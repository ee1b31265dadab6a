"""TensorFlow and Pillow must see the same picture in every kind of file."""

import io
import pathlib

import image_variants
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from PIL import ImageOps
from tiny_images import pixels

import keras_dim.data
from keras_dim.data import numpy_images
from keras_dim.data import tensorflow_images
from keras_dim.data.decoding import decoded_images
from keras_dim.data.image_header import read_header

VARIANTS = image_variants.variants()


@pytest.fixture(scope="module")
def decode_in_graph():
    return tf.function(
        tensorflow_images.decode_image,
        input_signature=[tf.TensorSpec([], tf.string)],
    )


@pytest.mark.parametrize(
    "name", [name for name in VARIANTS if name.startswith(("jpeg_", "png_"))]
)
def test_both_decoders_give_the_same_pixels(name, decode_in_graph):
    # To the bit, lossy formats too: both use the exact transform of JPEG.
    # WebP, BMP and orientations, as exports decode them, are tested with
    # `decode_request`; Pillow decodes the rest on every backend.
    found = decode_in_graph(VARIANTS[name])
    expected = numpy_images.decode(VARIANTS[name], orient=False)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_header_gives_the_size_of_the_picture(name):
    header = read_header(io.BytesIO(VARIANTS[name]))
    image = numpy_images.decode(VARIANTS[name])
    assert header.size(orient=True) == image.shape[:2]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_folder_gives_every_variant_the_same_on_all_backends(
    backend, tmp_path, monkeypatch
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    for name, data in VARIANTS.items():
        (tmp_path / f"{name}.{name.split('_')[0]}").write_bytes(data)
    source = keras_dim.data.open_source(tmp_path, image_size=16)
    dataset = keras_dim.data.load(source, split=None, batch_size=16)
    images = {
        int(index): np.asarray(image)
        for batch in dataset
        for index, image in zip(batch["index"], batch["image"], strict=True)
    }
    assert source.skipped == []
    assert len(images) == len(VARIANTS)
    for index, path in enumerate(source.paths):
        name = pathlib.Path(path).stem
        expected = numpy_images.convert(
            numpy_images.decode(VARIANTS[name]), (16, 16, 3), resize=True
        )
        np.testing.assert_array_equal(images[index], expected, err_msg=name)


def test_orientations_turn_the_picture_as_pillow_does():
    for number in range(1, 9):
        data = VARIANTS[f"jpeg_orientation_{number}"]
        with Image.open(io.BytesIO(data)) as image:
            stored = np.asarray(image)
            expected = np.asarray(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(numpy_images.decode(data), expected)
        found = numpy_images.decode(data, orient=False)
        np.testing.assert_array_equal(found, stored)


def test_images_that_do_not_decode_are_reported_and_left_out():
    records = tf.data.Dataset.from_tensor_slices(
        {"index": np.arange(40), "value": np.arange(40)}
    )
    failed = []
    images = decoded_images(
        records,
        "value",
        lambda number: None if number in (0, 17, 39) else pixels(number),
        (8, 8, 3),
        failed.append,
    )
    found = list(images.as_numpy_iterator())
    assert failed == [0, 17, 39]
    kept = [number for number in range(40) if number not in failed]
    assert [int(one["index"]) for one in found] == kept
    for one in found:
        assert set(one) == {"image", "index"}
        np.testing.assert_array_equal(one["image"], pixels(one["index"]))
