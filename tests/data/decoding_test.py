"""Every kind of file gives the same picture on all backends."""

import io
import pathlib

import image_variants
import keras
import numpy as np
import pytest
from PIL import Image
from PIL import ImageOps

import keras_dim.data
from keras_dim.data import numpy_images
from keras_dim.data.image_header import read_header

VARIANTS = image_variants.variants()


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
            numpy_images.decode(VARIANTS[name]), (16, 16, 3)
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
