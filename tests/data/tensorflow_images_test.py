"""Images are decoded, checked and converted in a graph of TensorFlow."""

import struct

import hostile_images
import image_variants
import numpy as np
import pytest
import tensorflow as tf
from hostile_images import MOST
from hostile_images import is_sound
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data import numpy_images
from keras_dim.data import tensorflow_images
from keras_dim.data.tensorflow_images import convert


def test_every_grey_level_survives_conversion_to_colour_and_back():
    grey = tf.reshape(tf.cast(tf.range(256), tf.uint8), (1, 16, 16, 1))
    colour = convert(grey, (16, 16, 3))
    again = convert(colour, (16, 16, 1))
    np.testing.assert_array_equal(again, grey)


def test_grey_is_the_luminance_of_colour():
    green = tf.constant([[[[0, 255, 0]]]], tf.uint8)
    # ITU-R BT.601: green weighs 0.587.
    expected = 0.587 * 255
    assert abs(int(convert(green, (1, 1, 1))[0, 0, 0, 0]) - expected) <= 1


def test_halving_averages_neighbours():
    # Columns 0 and 200: antialiasing must mix them, plain bilinear
    # sampling of every other column would too, nearest would not.
    image = tf.constant(np.tile([0, 200], (8, 4))[..., None], tf.uint8)
    small = convert(image, (4, 4, 1))
    assert np.all(np.abs(small.numpy()[:, 1:-1].astype(int) - 100) <= 1)


@pytest.fixture(scope="module")
def check():
    return tf.function(
        tensorflow_images.assert_sound,
        input_signature=[tf.TensorSpec([], tf.string)],
    )


def sound():
    found = {
        kind: encode(pixels(0, (9, 7, 3)), kind)
        for kind in KINDS
        if kind != "gif"
    }
    found["lossy.webp"] = encode(pixels(0, (9, 7, 3)), "webp", lossless=False)
    found["clear.webp"] = encode(pixels(0, (9, 7, 4)), "webp", lossless=False)
    found["late.jpeg"] = encode(
        pixels(0, (9, 7, 3)), "jpeg", comment=b"x" * 1000
    )
    # An image with one row more is refused.
    for kind in ("png", "bmp"):
        found[f"largest.{kind}"] = of_kind(kind)(5, MOST // 5)
    found["upside_down.bmp"] = hostile_images.bmp_of(6, -(MOST // 6))
    return found


def of_kind(kind):
    if kind == "png":
        return lambda *size: hostile_images.png_of(*size, num_rows=1)
    return getattr(hostile_images, f"{kind}_of")


def unsound():
    found = dict(hostile_images.BOMBS)
    png, webp = encode(pixels(0)), encode(pixels(0), "webp")
    for kind in ("png", "bmp"):
        found[f"larger.{kind}"] = of_kind(kind)(5, MOST // 5 + 1)
    # The product of the sides overflows int64.
    found["sides.png"] = png[:16] + b"\xff" * 8 + png[24:]
    # 14 bits to a side: more pixels than are decoded, too.
    found["lossless.webp"] = webp[:21] + b"\xff" * 4 + webp[25:]
    lossy = encode(pixels(0), "webp", lossless=False)
    found["lossy.webp"] = (
        lossy[:26] + struct.pack("<HH", 16383, 16383) + lossy[30:]
    )
    found["no_header.png"] = png[:12] + b"tEXt" + png[16:]
    # TensorFlow recognises a GIF by its first three letters.
    found["odd.gif"] = b"GIF00a" + encode(pixels(0), "gif")[6:]
    found["empty"] = b""
    found["text"] = b"no image"
    found["cut.jpeg"] = encode(pixels(0), "jpeg")[:30]
    return found


@pytest.mark.parametrize("name", sound())
def test_sound_headers_pass(check, name):
    data = sound()[name]
    assert is_sound(data)
    assert check(data).numpy() == data


@pytest.mark.parametrize("name", unsound())
def test_others_are_refused(check, name):
    data = unsound()[name]
    assert not is_sound(data)
    with pytest.raises(tf.errors.InvalidArgumentError):
        check(data)


def test_the_error_states_the_size(check):
    data = hostile_images.BOMBS["whole.png"]
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"more pixels than the 89,478,485 .* \[20000 20000\]",
    ):
        check(data)


def test_headers_are_checked_in_eager_mode_too():
    data = encode(pixels(0))
    assert tensorflow_images.assert_sound(tf.constant(data)).numpy() == data
    with pytest.raises(tf.errors.InvalidArgumentError, match="Send JPEG"):
        tensorflow_images.assert_sound(tf.constant(b"text"))


def requests():
    """The variants that an export decodes."""
    refused = ("_transparent", "_animated", "bmp_1", "bmp_L", "bmp_P", "bmp_5")
    return {
        name: data
        for name, data in image_variants.variants().items()
        if name.startswith(("jpeg_", "png_", "bmp_", "webp_"))
        and (name.startswith("png_") or not any(r in name for r in refused))
    }


@pytest.fixture(scope="module")
def decode():
    return tf.function(
        tensorflow_images.decode_request,
        input_signature=[tf.TensorSpec([], tf.string)],
    )


def test_an_export_sees_the_pixels_of_pillow(decode):
    # In a PNG or WebP, a graph does not find the orientation.
    elsewhere = {
        "png_eXIf_0",
        "webp_orientation",
    }
    others = []
    for name, data in requests().items():
        expected = numpy_images.decode(data, orient=name not in elsewhere)
        found = decode(data).numpy()
        if found.shape != expected.shape or np.any(found != expected):
            others.append(name)
    assert others == []


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_export_refuses_animations(decode, kind):
    data = image_variants.variants()[f"{kind}_animated"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Send JPEG"):
        decode(data)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_an_export_refuses_bitmaps_with_a_palette(decode, mode):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Send JPEG"):
        decode(image_variants.variants()[f"bmp_{mode}"])
