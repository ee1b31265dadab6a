import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data import decoding
from keras_dim.data.decoding import decode_image
from keras_dim.data.decoding import decoded_images


@pytest.mark.parametrize("kind", ["png", "bmp", "webp"])
def test_lossless_formats_give_the_very_pixels(kind):
    image = pixels(0, (5, 7, 3))
    np.testing.assert_array_equal(decode_image(encode(image, kind)), image)


@pytest.mark.parametrize("kind", ["jpeg", "gif"])
def test_lossy_formats_decode_as_in_pillow(kind):
    # One colour: the formats lose detail, and decoders differ in how.
    data = encode(np.full((8, 8, 3), (200, 100, 50), np.uint8), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    difference = decode_image(data).numpy().astype(int) - expected
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_grey_image_is_repeated(kind):
    image = np.full((8, 8, 1), 77, np.uint8)
    decoded = decode_image(encode(image, kind)).numpy()
    assert decoded.shape == (8, 8, 3)
    assert np.abs(decoded.astype(int) - 77).max() <= 1


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_transparency_is_cut_or_kept(kind):
    image = pixels(0, (4, 4, 4))
    image[..., 3] = 255  # WebP may change colours that nobody can see.
    data = encode(image, kind)
    np.testing.assert_array_equal(decode_image(data), image[..., :3])
    np.testing.assert_array_equal(decode_image(data, 4), image)


def test_a_bmp_with_a_palette_gives_its_colours():
    colour = np.full((4, 4, 3), (250, 10, 20), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(colour).quantize(2).save(buffer, "bmp")
    np.testing.assert_array_equal(decode_image(buffer.getvalue()), colour)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [
        Image.fromarray(np.full((4, 4, 3), value, np.uint8))
        for value in (10, 200)
    ]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, kind, save_all=True, append_images=frames[1:], lossless=True
    )
    assert np.all(decode_image(buffer.getvalue()).numpy() == 10)


def test_pillow_decodes_webp_where_tensorflow_does_not(monkeypatch):
    monkeypatch.delattr(decoding.tf.io, "decode_webp")
    image = pixels(0)
    np.testing.assert_array_equal(decode_image(encode(image, "webp")), image)


def test_images_that_do_not_decode_are_reported_and_left_out():
    whole = [encode(pixels(number)) for number in range(40)]
    data = [d[:60] if n in (0, 17, 39) else d for n, d in enumerate(whole)]
    records = tf.data.Dataset.from_tensor_slices({"encoded": data})
    records = records.enumerate().map(lambda i, one: {"index": i, **one})
    failed = []
    images = decoded_images(
        records,
        lambda one: one["encoded"],
        (8, 8, 3),
        resize=False,
        on_error=failed.append,
    )
    decoded = list(images.as_numpy_iterator())
    assert failed == [0, 17, 39]
    kept = [number for number in range(40) if number not in failed]
    assert [int(one["index"]) for one in decoded] == kept
    np.testing.assert_array_equal(decoded[0]["image"], pixels(1))
