"""Format, size and channels of an image file, from its first bytes alone."""

import dataclasses
import io
import struct
from typing import BinaryIO

IMAGE_KINDS = ("jpeg", "png", "gif", "bmp", "webp")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")

# The most pixels of an image that is decoded: 2 ** 28 values of three channels,
# 268 MB. Above it Pillow, too, warns of bombs: files of some kilobytes that say
# they hold billions of pixels.
MAX_PIXELS = 2**28 // 3
# The most bytes of a file that is read: so many pixels of four channels of 16
# bits, not compressed, have less.
MAX_BYTES = 2**30

# Markers of JPEG frames, which hold the size: C0 to CF without the tables
# DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers without a length: TEM, RST0 to RST7, SOI.
_JPEG_BARE = frozenset([0x01, *range(0xD0, 0xD9)])


@dataclasses.dataclass(frozen=True)
class ImageHeader:
    """What the first bytes of an image file say.

    Args:
        kind: str. `"jpeg"`, `"png"`, `"gif"`, `"bmp"` or `"webp"`.
        height: int. In pixels, as stored (orientation tags are left alone).
        width: int. In pixels, as stored.
        channels: int. 1 for grey, 3 for colour. A transparency channel does
            not count. GIF, BMP and WebP count as colour.
    """

    kind: str
    height: int
    width: int
    channels: int


def image_kind(head: bytes) -> str | None:
    """The format that the first 12 bytes show, or `None`."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:2] == b"BM":
        return "bmp"
    return None


def read_header(file: BinaryIO) -> ImageHeader:
    """Reads the header of an image.

    Nothing is decoded: what is refused here has cost nothing.

    Args:
        file: binary file, seekable, at its beginning.

    Raises:
        ValueError: if the file is not an image of a known format, ends
            within its header, or has more than `MAX_PIXELS` pixels.
    """
    head = file.read(32)
    if not head:
        raise ValueError("the file is empty")
    kind = image_kind(head)
    if kind is None:
        raise ValueError("not a JPEG, PNG, GIF, BMP or WebP image")
    try:
        height, width, channels = _READERS[kind](head, file)
    except (struct.error, IndexError) as error:
        raise ValueError(f"the {kind} header is cut off") from error
    if height < 1 or width < 1:
        raise ValueError(f"the {kind} header gives the size {width}x{height}")
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"it has {width}x{height} pixels, more than the {MAX_PIXELS:,} "
            "that are decoded"
        )
    return ImageHeader(kind, height, width, channels)


def is_sound(encoded: bytes) -> bool:
    """Whether the header of an image in memory can be read.

    Args:
        encoded: bytes. The file.
    """
    try:
        read_header(io.BytesIO(encoded))
    except ValueError:
        return False
    return True


def _jpeg(head, file):
    file.seek(2)
    while True:
        prefix, marker = struct.unpack("BB", file.read(2))
        if prefix != 0xFF:
            raise ValueError("the jpeg header is damaged")
        while marker == 0xFF:  # Fill bytes.
            marker = file.read(1)[0]
        if marker in _JPEG_BARE:
            continue
        if marker in _JPEG_FRAMES:
            _, _, height, width, parts = struct.unpack(">HBHHB", file.read(8))
            return height, width, 1 if parts == 1 else 3
        if marker in (0xD9, 0xDA):  # The end, or pixels before a frame.
            raise ValueError("the jpeg header is damaged")
        (length,) = struct.unpack(">H", file.read(2))
        if length < 2:
            raise ValueError("the jpeg header is damaged")
        file.seek(length - 2, 1)


def _png(head, file):
    if head[12:16] != b"IHDR":
        raise ValueError("the png header is damaged")
    width, height, _, color_type = struct.unpack(">IIBB", head[16:26])
    return height, width, 1 if color_type in (0, 4) else 3


def _gif(head, file):
    width, height = struct.unpack("<HH", head[6:10])
    return height, width, 3


def _bmp(head, file):
    (header_bytes,) = struct.unpack("<I", head[14:18])
    if header_bytes == 12:
        width, height = struct.unpack("<HH", head[18:22])
    else:
        width, height = struct.unpack("<ii", head[18:26])
    # A negative height stores the rows from the top down.
    return abs(height), width, 3


def _webp(head, file):
    chunk = head[12:16]
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(_exactly(head, 24, 3), "little")
        height = 1 + int.from_bytes(_exactly(head, 27, 3), "little")
    elif chunk == b"VP8L":
        bits = int.from_bytes(_exactly(head, 21, 4), "little")
        width = 1 + (bits & 0x3FFF)
        height = 1 + (bits >> 14 & 0x3FFF)
    elif chunk == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        width, height = width & 0x3FFF, height & 0x3FFF
    else:
        raise ValueError("the webp header is damaged")
    return height, width, 3


def _exactly(head, start, size):
    part = head[start : start + size]
    if len(part) != size:
        raise IndexError
    return part


_READERS = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "bmp": _bmp,
    "webp": _webp,
}
