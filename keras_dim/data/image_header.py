"""Recognises image files and reads their headers, without decoding them."""

import dataclasses
import importlib
import os
import re
import struct
from typing import TYPE_CHECKING
from typing import BinaryIO

from keras_dim import checks

if TYPE_CHECKING:
    from PIL import Image

# The most pixels of an image that is decoded: 268 MB in three channels. Above
# this number Pillow warns of small files that decode to gigabytes.
MAX_PIXELS = 2**28 // 3
# The most bytes of a file that is read: more than `MAX_PIXELS` uncompressed
# pixels of four channels of 16 bits.
MAX_BYTES = 2**30

_HEAD_BYTES = 132
# The first bytes of the files of each format, and the name of its class in
# Pillow, or `None` for formats that are recognised but not read.
_FORMATS = {
    "jpeg": (rb"\xff\xd8\xff", "Jpeg"),
    "png": (rb"\x89PNG\r\n\x1a\n", "Png"),
    "gif": (rb"GIF8[79]a", "Gif"),
    "webp": (rb"RIFF....WEBP", "WebP"),
    "tiff": (rb"II[*+]\0|MM\0[*+]", "Tiff"),
    "jpeg2000": (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", "Jpeg2K"),
    "avif": (rb"....ftyp(?:avi[fs]|m[is]f1.{0,40}avi[fs])", "Avif"),
    "bmp": (rb"BM", "Bmp"),
    "ppm": (rb"P[1-6][\s#]", "Ppm"),
    "heic": (rb"....ftyp(?:hei[cxms]|hev[cxms]|m[is]f1)", None),
    "raw": (rb"....ftypcrx|FUJIFILMCCD-RAW", None),
    "jpeg_xl": (rb"\xff\x0a|\0\0\0\x0cJXL ", None),
    "psd": (rb"8BPS", None),
    "openexr": (rb"\x76\x2f\x31\x01", None),
    "dicom": (rb".{128}DICM", None),
}
# Files that are no images may begin with the same two bytes. Without the
# suffix of an image, such a file is an image only if its header can be read.
_WEAK = frozenset(["bmp", "ppm", "jpeg_xl"])
_READ = "JPEG, PNG, GIF, WebP, BMP, TIFF (.tif), PPM, JPEG 2000 or AVIF"
_READ_SUFFIXES = tuple(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .gif .webp .tif .tiff .bmp .dib "
    ".ppm .pgm .pbm .pnm .jp2 .j2k .jpf .jpx .avif".split()
)
# Raw files of cameras. Many are TIFF files whose first page is a thumbnail.
_RAW_SUFFIXES = tuple(
    ".dng .cr2 .cr3 .nef .nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f "
    ".3fr .iiq".split()
)
_OTHER_SUFFIXES = tuple(
    ".heic .heif .hif .jxl .psd .exr .hdr .dcm .svg .tga .ico .icns .pcx .dds "
    ".xcf .qoi .pfm .pam .fits .ras .sgi".split()
)

# Pillow's modes whose pixels have a known range.
_GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N")
_COLOR_MODES = ("P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
# Tags of TIFF: whether zero is white, and the version of a camera's raw file.
_PHOTOMETRIC, _DNG_VERSION, _ORIENTATION = 262, 50706, 274


@dataclasses.dataclass(frozen=True)
class ImageHeader:
    """The header of an image file.

    Args:
        kind: str. The format, a key of `_FORMATS`.
        height, width: int. Pixels as stored, before the image is turned.
        channels: int. 1 for grey and 3 for colour; transparency is left out.
        orientation: int. EXIF's number, from 1 (upright) to 8. It is 1 for
            TIFF files, which Pillow turns itself.
        is_deep: bool. Whether samples have 16 bits.
        has_more_pages: bool. Whether a TIFF file has several pages.
    """

    kind: str
    height: int
    width: int
    channels: int
    orientation: int = 1
    is_deep: bool = False
    has_more_pages: bool = False

    def size(self, orient: bool) -> tuple[int, int]:
        """Returns `(height, width)`, after turning the image if `orient`."""
        if orient and self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width


def image_kind(head: bytes) -> str | None:
    """Returns the format of a file by its first 132 bytes, or `None`."""
    for kind, (beginning, _) in _FORMATS.items():
        if re.match(beginning, head, re.DOTALL):
            return kind
    return None


def is_image_file(path: str) -> bool:
    """Returns whether a file is an image, also of a format that is not read.

    It is one by its suffix or its first bytes.
    """
    if path.lower().endswith(_READ_SUFFIXES + _RAW_SUFFIXES + _OTHER_SUFFIXES):
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
    """Reads the header of an image from a file at its beginning.

    Raises:
        ValueError: if the file is not an image of a format that is read, has
            the suffix `name` of a camera's raw file, a damaged header, more
            than `MAX_PIXELS` pixels, or samples whose range is not known.
    """
    return open_image(file, name)[0]


def open_image(
    file: BinaryIO, name: str = ""
) -> tuple[ImageHeader, "Image.Image"]:
    """Returns the header and Pillow's image, whose pixels are not decoded."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    kind = _checked_kind(head, name.lower())
    if kind == "webp":
        # Pillow takes memory for the pixels when it opens the file.
        check_size(kind, *_webp_size(head))
    image = open_by_pillow(kind, file)
    width, height = image.size
    check_size(kind, width, height)
    tags = getattr(image, "tag_v2", {}) if kind == "tiff" else {}
    if _DNG_VERSION in tags:
        raise _not_read("raw")
    is_grey = image.mode in _GREY_MODES or (
        # Pillow's name for 16 bits of a PPM file, and of PNG before 11.
        image.mode == "I" and kind in ("png", "ppm")
    )
    if not is_grey and image.mode not in _COLOR_MODES:
        raise ValueError(
            f"pixels of the mode {image.mode} have no known range. Store them "
            'as 8 bits a channel, or pass values="stored"'
        )
    # How samples lie in the file, such as "RGB;16B".
    stored_mode = image.tile[0][3] if getattr(image, "tile", None) else ""
    is_deep = image.mode[0] == "I" or ";16" in str(stored_mode)
    if is_deep and tags.get(_PHOTOMETRIC) == 0:
        raise ValueError("16 bits with 0 for white are not read")
    header = ImageHeader(
        kind,
        height,
        width,
        channels=1 if is_grey else 3,
        orientation=1 if tags else _orientation(image.info.get("exif")),
        # Pillow stretches the range that PPM states to 16 bits. In BMP, 16
        # bits are those of all three colours.
        is_deep=is_deep and kind not in ("ppm", "bmp"),
        has_more_pages=bool(tags and tags.next),
    )
    return header, image


def check_bytes(num_bytes: int) -> None:
    """Raises a `ValueError` for a file that is too large to be read."""
    if num_bytes > MAX_BYTES:
        raise ValueError(
            f"it has {num_bytes:,} bytes, more than the {MAX_BYTES:,} that "
            "are read"
        )


def _checked_kind(head, name):
    if not head:
        raise ValueError("the file is empty")
    suffix = os.path.splitext(name)[1]
    kind = "raw" if suffix in _RAW_SUFFIXES else image_kind(head)
    if kind is None and suffix not in _OTHER_SUFFIXES:
        raise ValueError(f"it is not an image: expected {_READ}")
    if kind is None or _FORMATS[kind][1] is None:
        raise _not_read(kind or suffix)
    return kind


def _not_read(kind):
    return ValueError(
        f"{kind} files are not read. Convert it to one of {_READ}"
    )


def open_by_pillow(kind: str, file: BinaryIO) -> "Image.Image":
    """Opens a file as an image of one format, without decoding its pixels."""
    name = _FORMATS[kind][1]
    try:
        module = importlib.import_module(f"PIL.{name}ImagePlugin")
    except ImportError:
        raise ValueError(
            f"this version of Pillow does not read {kind}. Install a newer one"
        ) from None
    try:
        # `Image.open` would also try other formats, and warn of large images.
        return getattr(module, f"{name}ImageFile")(file)
    except Exception as error:  # Damage leads Pillow to errors of any kind.
        raise ValueError(
            f"the {kind} header is damaged: {checks.in_one_line(error)}"
        ) from error


def check_size(kind: str, width: int, height: int) -> None:
    """Raises a `ValueError` for no pixels or more than `MAX_PIXELS`."""
    if height < 1 or width < 1:
        raise ValueError(f"the {kind} header gives the size {width}x{height}")
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"it has {width}x{height} pixels, more than the {MAX_PIXELS:,} "
            "that are decoded"
        )


def _webp_size(head):
    if len(head) < 30:
        raise ValueError("the webp header is cut off")
    if head[12:16] == b"VP8X":
        sides = head[24:27], head[27:30]
        return [1 + int.from_bytes(side, "little") for side in sides]
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + bits % 2**14, 1 + (bits >> 14) % 2**14
    return [side % 2**14 for side in struct.unpack("<HH", head[26:30])]


def _orientation(exif):
    """Returns the orientation in an EXIF block, 1 if it is missing or damaged.

    Pillow's own reader warns of damage in any other tag.
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
