"""Recognises image files and reads their headers; nothing is decoded."""

import dataclasses
import importlib
import io
import re
import struct
from typing import TYPE_CHECKING
from typing import BinaryIO

if TYPE_CHECKING:
    from PIL import Image

# The most pixels of an image that is decoded: 2 ** 28 values of three channels,
# 268 MB. Above it Pillow, too, warns of bombs: files of some kilobytes that say
# they hold billions of pixels.
MAX_PIXELS = 2**28 // 3
# The most bytes of a file that is read: so many pixels of four channels of 16
# bits, not compressed, have less.
MAX_BYTES = 2**30

# How files of each format begin.
_BEGINNINGS = {
    kind: re.compile(pattern, re.DOTALL)
    for kind, pattern in {
        "jpeg": rb"\xff\xd8\xff",
        "png": rb"\x89PNG\r\n\x1a\n",
        "gif": rb"GIF8[79]a",
        "webp": rb"RIFF....WEBP",
        "tiff": rb"II[*+]\0|MM\0[*+]",
        "jpeg2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
        "avif": rb"....ftyp(?:avi[fs]|m[is]f1.{0,40}avi[fs])",
        "bmp": rb"BM",
        "ppm": rb"P[1-6][\s#]",
        "heic": rb"....ftyp(?:hei[cxms]|hev[cxms]|m[is]f1)",
        "raw": rb"....ftypcrx|FUJIFILMCCD-RAW",
        "jpeg_xl": rb"\xff\x0a|\0\0\0\x0cJXL ",
        "psd": rb"8BPS",
        "openexr": rb"\x76\x2f\x31\x01",
        "dicom": rb".{128}DICM",
    }.items()
}
# Two letters also begin other files: without a name that says so, these are
# images if their whole header is.
_WEAK = frozenset(["bmp", "ppm", "jpeg_xl"])
_HEAD_BYTES = 132

# Formats that are read, with the names of their classes in Pillow.
_PILLOW_NAMES = {
    "jpeg": "Jpeg",
    "png": "Png",
    "gif": "Gif",
    "webp": "WebP",
    "tiff": "Tiff",
    "jpeg2000": "Jpeg2K",
    "avif": "Avif",
    "bmp": "Bmp",
    "ppm": "Ppm",
}
READ_KINDS = tuple(_PILLOW_NAMES)
READ_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif"),
    *(".webp", ".tif", ".tiff", ".bmp", ".dib", ".ppm", ".pgm", ".pbm"),
    *(".pnm", ".jp2", ".j2k", ".jpf", ".jpx", ".avif"),
)
# Raw files of cameras. Many are TIFF files, whose first page is a thumbnail.
_RAW_SUFFIXES = (
    *(".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".sr2"),
    *(".orf", ".rw2", ".raf", ".pef", ".srw", ".x3f", ".3fr", ".iiq"),
)
_OTHER_SUFFIXES = (
    *(".heic", ".heif", ".hif", ".jxl", ".psd", ".exr", ".hdr", ".dcm"),
    *(".svg", ".tga", ".ico", ".icns", ".pcx", ".dds", ".xcf", ".qoi"),
    *(".pfm", ".pam", ".fits", ".ras", ".sgi"),
)
_EXPECTED = "JPEG, PNG, GIF, WebP, BMP, TIFF, PPM, JPEG 2000 or AVIF"

# Modes of Pillow whose pixels have a known range.
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
_COLOR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# Tags of TIFF: whether zero is white, and the version of a camera's raw file.
_PHOTOMETRIC, _DNG_VERSION, _ORIENTATION = 262, 50706, 274


@dataclasses.dataclass(frozen=True)
class ImageHeader:
    """The facts that the header of an image file states.

    Args:
        kind: str. The format, such as `"jpeg"`.
        height: int. In pixels, as stored.
        width: int. In pixels, as stored.
        channels: int. 1 for grey, 3 for colour. A transparency channel does
            not count.
        orientation: int. How to turn the stored pixels, from 1 (as they are)
            to 8, as EXIF counts. TIFF files come turned, and say 1.
        is_deep: bool. Whether samples have 16 bits whose range is not stated,
            so that 16 bits are taken for it.
        has_more_pages: bool. Whether a TIFF file has more pages than the one
            that is read.
    """

    kind: str
    height: int
    width: int
    channels: int
    orientation: int = 1
    is_deep: bool = False
    has_more_pages: bool = False

    def size(self, orient: bool) -> tuple[int, int]:
        """`(height, width)` of the delivered image, perhaps turned."""
        if orient and self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width


def image_kind(head: bytes) -> str | None:
    """The format that the first 132 bytes of a file show, or `None`."""
    for kind, beginning in _BEGINNINGS.items():
        if beginning.match(head):
            return kind
    return None


def is_meant_as_image(path: str) -> bool:
    """Whether a file is an image, read here or not, by its name or content."""
    if path.lower().endswith(READ_SUFFIXES + _RAW_SUFFIXES + _OTHER_SUFFIXES):
        return True
    try:
        with open(path, "rb") as file:
            kind = image_kind(file.read(_HEAD_BYTES))
            if kind in _WEAK:
                file.seek(0)
                read_header(file)
            return kind is not None
    except (OSError, ValueError):
        return False


def read_header(file: BinaryIO, name: str = "") -> ImageHeader:
    """Reads the header of an image.

    Args:
        file: binary file, seekable, at its beginning.
        name: str. The file's name: that of a camera's raw file is refused.

    Raises:
        ValueError: if the file is not an image of a format that is read, is
            damaged within its header, has more than `MAX_PIXELS` pixels, or
            samples whose range is not known.
    """
    return open_image(file, name)[0]


def open_image(
    file: BinaryIO, name: str = ""
) -> tuple[ImageHeader, "Image.Image"]:
    """As `read_header`; gives Pillow's image, not yet decoded, too."""
    if name.lower().endswith(_RAW_SUFFIXES):
        raise ValueError(_not_read("raw files of cameras"))
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise ValueError("the file is empty")
    kind = image_kind(head)
    if kind is None:
        suffix = name.lower()[name.rfind(".") :] if "." in name else ""
        if suffix in _OTHER_SUFFIXES:
            raise ValueError(_not_read(f"{suffix} files"))
        raise ValueError(f"it is not an image: expected {_EXPECTED}")
    if kind not in _PILLOW_NAMES:
        raise ValueError(_not_read(f"{kind} files"))
    if kind == "webp":
        # Before Pillow, which takes memory for the pixels at once.
        _check_size(kind, *_webp_size(head))
    image = _open_by_pillow(kind, file)
    width, height = image.size
    _check_size(kind, width, height)
    tags = getattr(image, "tag_v2", {}) if kind == "tiff" else {}
    if _DNG_VERSION in tags:
        raise ValueError(_not_read("raw files of cameras"))
    is_grey = image.mode in _GREY_MODES or (
        # Pillow's name for 16 bits of a PPM file, and of PNG before 11.
        image.mode == "I" and kind in ("png", "ppm")
    )
    if not is_grey and image.mode not in _COLOR_MODES:
        raise ValueError(
            f"pixels of the mode {image.mode} have no known range. Store them "
            "as 8 bits a channel"
        )
    is_deep = image.mode[0] == "I" or ";16" in str(_stored_mode(image))
    if is_deep and tags.get(_PHOTOMETRIC) == 0:
        raise ValueError("its zero is white, which is not read of 16 bits")
    header = ImageHeader(
        kind,
        height,
        width,
        channels=1 if is_grey else 3,
        orientation=1 if tags else _orientation(image.info.get("exif")),
        # PPM states its range, which Pillow stretches to 16 bits; BMP shares
        # 16 bits among the three colours.
        is_deep=is_deep and kind not in ("ppm", "bmp"),
        has_more_pages=bool(tags and tags.next),
    )
    return header, image


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


def _not_read(what):
    return (
        f"{what} are not read. Convert it to one that is: "
        ".jpg, .png, .gif, .webp, .bmp, .tif, .ppm, .jp2 or .avif"
    )


def _open_by_pillow(kind, file):
    name = _PILLOW_NAMES[kind]
    try:
        module = importlib.import_module(f"PIL.{name}ImagePlugin")
    except ImportError:
        raise ValueError(
            f"this version of Pillow does not read {kind}. Install a newer one"
        ) from None
    try:
        # Not by `Image.open`, which also tries the formats that are not read
        # here, and warns of large images where here they are refused.
        return getattr(module, f"{name}ImageFile")(file)
    except Exception as error:  # Whatever the damage leads Pillow to.
        raise ValueError(
            f"the {kind} header is damaged: {in_one_line(error)}"
        ) from error


def in_one_line(error: Exception) -> str:
    """The message of an error, without line breaks and not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def _check_size(kind, width, height):
    if height < 1 or width < 1:
        raise ValueError(f"the {kind} header gives the size {width}x{height}")
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"it has {width}x{height} pixels, more than the {MAX_PIXELS:,} "
            "that are decoded"
        )


def _stored_mode(image):
    """How the samples lie in the file, as Pillow calls it: `"RGB;16B"`."""
    return image.tile[0][3] if getattr(image, "tile", None) else ""


def _webp_size(head):
    if len(head) < 30:
        raise ValueError("the webp header is cut off")
    chunk = head[12:16]
    if chunk == b"VP8X":
        return tuple(
            1 + int.from_bytes(head[begin : begin + 3], "little")
            for begin in (24, 27)
        )
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _orientation(exif):
    """The orientation of an EXIF block, 1 if there is none or it is damaged.

    Pillow's own reader warns of damage in tags that are not asked for.
    """
    exif = (exif or b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (begin,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, begin)
        for place in range(begin + 2, begin + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(
                f"{order}HHIH", exif, place
            )
            if tag == _ORIENTATION and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
