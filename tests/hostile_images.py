"""Files that pretend to be images, or to be impossibly large ones."""

import io
import struct
import zlib

import numpy as np
from PIL import Image
from tiny_images import encode
from tiny_images import pixels

from keras_dim.data.image_header import read_header

# The largest size that is accepted: 2 ** 28 values in three channels.
MOST = 89_478_485


def png_of(width, height, num_rows=None):
    """A black PNG of one bit a pixel, with all rows or the first ones."""

    def chunk(name, data):
        body = name + data
        size = struct.pack(">I", len(data))
        return size + body + struct.pack(">I", zlib.crc32(body))

    rows = bytes((height if num_rows is None else num_rows) * (width // 8 + 2))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def gif_of(width, height):
    """A GIF with this size in its header; its one frame has 8 x 8 pixels."""
    data = bytearray(encode(pixels(0), "gif"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def bmp_of(width, height):
    data = bytearray(encode(pixels(0), "bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_of(width, height):
    """An extended WebP file: up to 2 ** 24 pixels a side."""
    data = bytearray(encode(pixels(0, (8, 8, 4)), "webp", lossless=False))
    data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(
        3, "little"
    )
    return bytes(data)


def jpeg_of(width, height):
    data = encode(pixels(0), "jpeg")
    frame = data.index(b"\xff\xc0")
    size = struct.pack(">HH", height, width)
    return data[: frame + 5] + size + data[frame + 9 :]


def gif_of_frames(size, num_frames):
    """An animation of equal black frames."""
    buffer = io.BytesIO()
    Image.new("P", (size, size)).save(buffer, "gif")
    data = buffer.getvalue()
    begin = data.index(b"\x2c\x00\x00\x00\x00")
    return data[:begin] + data[begin:-1] * num_frames + b";"


# Files of some kilobytes that claim to be this large.
BOMBS = {
    # With all rows: 50 MB of rows, 1.2 GB of colours.
    "whole.png": png_of(20_000, 20_000),
    # Just above the limit; TensorFlow itself would decode it.
    "large.png": png_of(9_500, 9_500),
    "side.png": png_of(100_000, 100_000, num_rows=100),
    "a.gif": gif_of(60_000, 60_000),
    "a.bmp": bmp_of(60_000, 60_000),
    "upside_down.bmp": bmp_of(60_000, -60_000),
    "a.webp": webp_of(60_000, 60_000),
    "a.jpg": jpeg_of(65_500, 65_500),
}


def is_sound(data):
    """Whether the header of an image in memory can be read."""
    try:
        read_header(io.BytesIO(data))
    except ValueError:
        return False
    return True


def polyglots():
    """Files of two formats at once, with their pixels, or None."""
    png, jpeg = (
        encode(pixels(0)),
        encode(np.full((8, 8, 3), 9, np.uint8), "jpeg"),
    )
    archive = b"PK\x03\x04" + bytes(26) + b"a.txt" + b"PK\x05\x06" + bytes(18)
    return {
        "jpeg_and_zip.jpg": (jpeg + archive, True),
        "png_and_script.png": (png + b"<script>alert(1)</script>", True),
        "html.png": (b"<html><body>no image</body></html>", False),
        "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", False),
        "pdf.jpg": (b"%PDF-1.4\n" + jpeg, False),
        "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n(quit) cvx exec", False),
        "zip.gif": (archive, False),
        "short.gif": (b"GIF89a/*" + b"\x01\x00=1;", False),
    }
