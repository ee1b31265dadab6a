import io

import pytest
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data.image_header import ImageHeader
from keras_dim.data.image_header import image_kind
from keras_dim.data.image_header import read_header


def header_of(data):
    return read_header(io.BytesIO(data))


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_format_are_read_from_the_bytes(kind):
    data = encode(pixels(0, (5, 7, 3)), kind)
    assert header_of(data) == ImageHeader(kind, 5, 7, 3)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_grey_files_have_one_channel(kind):
    assert header_of(encode(pixels(0, (5, 7, 1)), kind)).channels == 1


def test_a_lossy_webp_has_its_size():
    data = encode(pixels(0, (5, 7, 3)), "webp", lossless=False)
    assert header_of(data) == ImageHeader("webp", 5, 7, 3)


def test_a_webp_with_transparency_has_its_size():
    data = encode(pixels(0, (5, 7, 4)), "webp", lossless=False)
    assert data[12:16] == b"VP8X"
    assert header_of(data) == ImageHeader("webp", 5, 7, 3)


def test_a_jpeg_with_a_long_comment_has_its_size():
    data = encode(pixels(0, (5, 7, 3)), "jpeg", comment=b"x" * 60000)
    assert header_of(data) == ImageHeader("jpeg", 5, 7, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_header_is_refused(kind):
    data = encode(pixels(0), kind)
    for length in (1, 11, 13, 17):
        with pytest.raises(ValueError):
            # The header of a GIF ends at byte 10.
            header_of(data[: min(length, 9) if kind == "gif" else length])


def test_an_empty_file_is_called_empty():
    with pytest.raises(ValueError, match="the file is empty"):
        header_of(b"")


def test_text_is_no_image():
    assert image_kind(b"Just a text.") is None
    with pytest.raises(ValueError, match="not an image: expected JPEG"):
        header_of(b"Just a text.")
