"""In a graph headers are judged as they are before a pipeline."""

import struct

import hostile_images
import pytest
import tensorflow as tf
from hostile_images import MOST
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data import graph_header
from keras_dim.data import image_header


@pytest.fixture(scope="module")
def check():
    return tf.function(
        graph_header.assert_sound,
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
    # To the pixel; one row more is not.
    for kind in ("png", "bmp"):
        found[f"largest.{kind}"] = of_kind(kind)(5, MOST // 5)
    found["upside_down.bmp"] = hostile_images.bmp_of(5, -(MOST // 5))
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
    # Whose product is small again where numbers have 64 bits.
    found["sides.png"] = png[:16] + b"\xff" * 8 + png[24:]
    # 14 bits to a side: more pixels than are decoded, too.
    found["lossless.webp"] = webp[:21] + b"\xff" * 4 + webp[25:]
    lossy = encode(pixels(0), "webp", lossless=False)
    found["lossy.webp"] = (
        lossy[:26] + struct.pack("<HH", 16383, 16383) + lossy[30:]
    )
    found["no_header.png"] = png[:12] + b"tEXt" + png[16:]
    # TensorFlow takes it for a GIF, whatever is behind the three letters.
    found["odd.gif"] = b"GIF00a" + encode(pixels(0), "gif")[6:]
    found["empty"] = b""
    found["text"] = b"no image"
    found["cut.jpeg"] = encode(pixels(0), "jpeg")[:30]
    return found


@pytest.mark.parametrize("name", sound())
def test_sound_headers_pass(check, name):
    data = sound()[name]
    assert image_header.is_sound(data)
    assert check(data).numpy() == data


@pytest.mark.parametrize("name", unsound())
def test_others_are_refused(check, name):
    data = unsound()[name]
    assert not image_header.is_sound(data)
    with pytest.raises(tf.errors.InvalidArgumentError):
        check(data)


def test_the_size_is_told(check):
    data = hostile_images.BOMBS["whole.png"]
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"more pixels than the 89,478,485 .* \[20000 20000\]",
    ):
        check(data)


def test_it_checks_without_a_graph_too():
    data = encode(pixels(0))
    assert graph_header.assert_sound(tf.constant(data)).numpy() == data
    with pytest.raises(tf.errors.InvalidArgumentError, match="Send JPEG"):
        graph_header.assert_sound(tf.constant(b"text"))
