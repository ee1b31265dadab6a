"""Small image files of every kind and variant that tests can make."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def smooth(height: int, width: int) -> np.ndarray:
    """A colour image with waves and an edge, on which lossy formats do well."""
    rows, columns = np.indices((height, width))
    waves = [np.sin(rows / 3 + k) * np.cos(columns / (4 + k)) for k in range(3)]
    image = np.stack(waves, axis=-1) * 127 + 128
    image[: height // 2, : width // 3] = (250, 5, 100)
    return image.astype(np.uint8)


def save(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int, entries_before: bool = True) -> Image.Exif:
    found = Image.Exif()
    if entries_before:
        found[0x010F] = "Maker"
    found[0x0112] = orientation
    return found


def png_chunk(name: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + checksum


def png(
    samples: np.ndarray, bits: int, color_type: int, *chunks: bytes
) -> bytes:
    """A PNG of any depth and colour type.

    Args:
        samples: array `(height, width, channels)`.
        bits: int. Bits of a sample.
        color_type: int. 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        chunks: bytes. Between the header and the pixels.
    """
    height, width, channels = samples.shape
    rows = samples.reshape(height, width * channels)
    if bits == 16:
        rows = rows.astype(">u2").view(np.uint8)
    elif bits < 8:
        places = np.arange(bits)[::-1]
        rows = np.packbits(
            (rows[:, :, None] >> places & 1).reshape(height, -1).astype(bool),
            axis=1,
        )
    data = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + b"".join(chunks)
        + png_chunk(b"IDAT", zlib.compress(data))
        + png_chunk(b"IEND", b"")
    )


def interlaced_png() -> bytes:
    """A PNG in the seven passes of Adam7."""
    image = smooth(9, 11)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)]
    passes += [(2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b""
    for row, column, down, right in passes:
        part = image[row::down, column::right]
        if part.size:
            data += b"".join(b"\0" + line.tobytes() for line in part)
    header = struct.pack(">IIBBBBB", 11, 9, 8, 2, 0, 0, 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(data))
        + png_chunk(b"IEND", b"")
    )


def jpeg_segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _jpegs():
    colour = Image.fromarray(smooth(33, 50))
    plain = save(colour, "jpeg")
    yield "plain", plain
    for quality in (1, 20, 100):
        yield f"quality_{quality}", save(colour, "jpeg", quality=quality)
    for number in (0, 1, 2):
        yield (
            f"subsampling_{number}",
            save(colour, "jpeg", subsampling=number, quality=95),
        )
    yield "progressive", save(colour, "jpeg", progressive=True)
    yield "optimized", save(colour, "jpeg", optimize=True)
    yield "restarts", save(colour, "jpeg", restart_marker_blocks=1)
    yield "grey", save(colour.convert("L"), "jpeg")
    yield (
        "grey_progressive",
        save(colour.convert("L"), "jpeg", progressive=True),
    )
    yield "cmyk", save(colour.convert("CMYK"), "jpeg")
    yield "rgb", save(colour, "jpeg", keep_rgb=True)
    yield "comment", save(colour, "jpeg", comment=b"x" * 60_000)
    yield "icc", save(colour, "jpeg", icc_profile=b"profile" * 20_000)
    yield "fill_bytes", plain[:2] + b"\xff\xff" + plain[2:]
    yield "behind_the_end", plain + b"anything"
    first = plain[:2] + jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0")
    yield "xmp_first", first + plain[2:]
    frame = plain.index(b"\xff\xc0")
    unknown = jpeg_segment(0xEC, b"Ducky" + bytes(99))
    yield "app12", plain[:frame] + unknown + plain[frame:]
    yield (
        "two_pictures",
        save(colour, "mpo", save_all=True, append_images=[colour.rotate(90)]),
    )
    for orientation in range(1, 9):
        yield (
            f"orientation_{orientation}",
            save(colour, "jpeg", exif=exif(orientation)),
        )
    little = exif(6, entries_before=False)
    little.endian = "<"
    yield "orientation_little_endian", save(colour, "jpeg", exif=little)
    # The resolution is not written separately, as cameras do.
    begin = plain.index(b"\xff\xdb")
    body = exif(8).tobytes()
    yield (
        "orientation_without_jfif",
        plain[:2] + jpeg_segment(0xE1, body) + plain[begin:],
    )
    yield (
        "orientation_behind_a_comment",
        plain[:2]
        + jpeg_segment(0xFE, b"made by")
        + jpeg_segment(0xE1, body)
        + plain[2:],
    )
    yield (
        "damaged_exif",
        plain[:2] + jpeg_segment(0xE1, b"Exif\0\0MM\0*\0\0") + plain[2:],
    )
    yield (
        "impossible_orientation",
        save(colour, "jpeg", exif=exif(9)),
    )


def _pngs():
    random = np.random.default_rng(0)

    def noise(most, channels):
        return random.integers(0, most + 1, (5, 7, channels))

    for bits in (1, 2, 4, 8, 16):
        grey = noise(2**bits - 1, 1)
        yield f"grey_{bits}", png(grey, bits, 0)
        key = png_chunk(b"tRNS", struct.pack(">H", int(grey[0, 0, 0])))
        yield f"grey_{bits}_trns", png(grey, bits, 0, key)
    for bits in (1, 2, 4, 8):
        colours = random.integers(0, 256, 3 * 2**bits, np.uint8).tobytes()
        palette = png_chunk(b"PLTE", colours)
        indices = noise(2**bits - 1, 1)
        yield f"palette_{bits}", png(indices, bits, 3, palette)
        alpha = png_chunk(b"tRNS", bytes([0, 128]))
        yield f"palette_{bits}_trns", png(indices, bits, 3, palette, alpha)
    for bits in (8, 16):
        most = 2**bits - 1
        for name, color_type, channels in (
            ("rgb", 2, 3),
            ("grey_alpha", 4, 2),
            ("rgba", 6, 4),
        ):
            yield f"{name}_{bits}", png(noise(most, channels), bits, color_type)
        colour = noise(most, 3)
        key = png_chunk(b"tRNS", struct.pack(">3H", *colour[0, 0].tolist()))
        yield f"rgb_{bits}_trns", png(colour, bits, 2, key)
    image = smooth(9, 11)
    for name, data in (
        (b"gAMA", struct.pack(">I", 100_000)),
        (b"gAMA", struct.pack(">I", 45_455)),
        (b"sRGB", b"\0"),
        (b"bKGD", struct.pack(">3H", 9, 9, 9)),
        (b"sBIT", bytes([5, 5, 5])),
        (b"pHYs", struct.pack(">IIB", 1000, 2000, 1)),
        (b"tEXt", b"Comment\0some words"),
        (b"prVt", b"a private chunk"),
        (b"eXIf", exif(6).tobytes()[6:]),
    ):
        label = f"{name.decode()}_{data[-1]}"
        yield label, png(image, 8, 2, png_chunk(name, data))
    yield "interlaced", interlaced_png()
    frames = [
        Image.fromarray(smooth(9, 11)),
        Image.fromarray(255 - smooth(9, 11)),
    ]
    yield (
        "animated",
        save(frames[0], "png", save_all=True, append_images=frames[1:]),
    )
    yield (
        "default_image",
        save(
            frames[0],
            "png",
            save_all=True,
            append_images=frames[1:],
            default_image=True,
        ),
    )


def _others():
    colour = Image.fromarray(smooth(20, 31))
    clear = colour.copy()
    clear.putalpha(Image.linear_gradient("L").resize(colour.size))
    paletted = colour.quantize(16)
    frames = [colour, Image.fromarray(255 - smooth(20, 31))]
    for mode in ("1", "L", "P"):
        image = paletted if mode == "P" else colour.convert(mode)
        yield f"gif_{mode}", save(image, "gif")
    yield "gif_transparent", save(paletted, "gif", transparency=3)
    yield "gif_interlaced", save(paletted, "gif", interlace=1)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        image = {"P": paletted, "RGBA": clear}.get(mode, colour.convert(mode))
        yield f"bmp_{mode}", save(image, "bmp")
    for bits in (555, 565):
        yield f"bmp_{bits}", _bmp_of_16_bits(bits)
    for options in ({"lossless": True}, {"quality": 80}, {"quality": 5}):
        name = "_".join(map(str, options))
        for label, image in (("opaque", colour), ("clear", clear)):
            yield (
                f"webp_{name}_{label}_{options.get('quality', '')}",
                save(image, "webp", **options),
            )
    yield "webp_grey", save(colour.convert("L"), "webp")
    yield "webp_orientation", save(colour, "webp", exif=exif(6))
    for kind in ("gif", "webp"):
        yield (
            f"{kind}_animated",
            save(frames[0], kind, save_all=True, append_images=frames[1:]),
        )
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"):
        image = {
            "P": paletted,
            "PA": paletted.convert("PA"),
            "LA": clear.convert("LA"),
            "RGBA": clear,
        }.get(mode, colour.convert("RGB" if mode == "PA" else mode))
        yield f"tiff_{mode}", save(image, "tiff")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield (
            f"tiff_{compression}",
            save(colour, "tiff", compression=compression),
        )
    levels = (np.arange(20 * 31).reshape(20, 31) * 100).astype(np.uint16)
    yield "tiff_16", save(Image.fromarray(levels), "tiff")
    yield (
        "tiff_16_big_endian",
        save(Image.fromarray(levels).convert("I;16B"), "tiff"),
    )
    yield "tiff_orientation", save(colour, "tiff", exif=exif(6))
    yield (
        "tiff_pages",
        save(frames[0], "tiff", save_all=True, append_images=frames[1:]),
    )
    for mode in ("1", "L", "RGB"):
        yield f"ppm_{mode}", save(colour.convert(mode), "ppm")
    yield "pgm_16", b"P5 31 20 65535\n" + levels.astype(">u2").tobytes()
    twelve = (levels >> 4).astype(">u2")
    yield "pgm_12", b"P5 31 20 4095\n" + twelve.tobytes()
    yield "ppm_text", b"P3\n# words\n2 1\n255\n1 2 3 250 251 252\n"
    for mode in ("L", "RGB", "RGBA"):
        image = clear if mode == "RGBA" else colour.convert(mode)
        yield f"jpeg2000_{mode}", save(image, "jpeg2000")


def _bmp_of_16_bits(kind):
    random = np.random.default_rng(1)
    pixels = random.integers(0, 2**15, (4, 6), np.uint16)
    data = pixels.astype("<u2").tobytes()
    masks = b""
    if kind == 565:
        masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    begin = 14 + 40 + len(masks)
    head = struct.pack("<2sIHHI", b"BM", begin + len(data), 0, 0, begin)
    compression = 3 if masks else 0
    info = struct.pack("<IiiHHI", 40, 6, 4, 1, 16, compression)
    info += struct.pack("<IiiII", len(data), 0, 0, 0, 0)
    return head + info + masks + data


def _sizes():
    for kind in ("jpeg", "png", "gif", "bmp", "webp", "tiff", "ppm"):
        for height, width in ((1, 1), (1, 9), (9, 1), (17, 3)):
            image = Image.fromarray(smooth(height, width))
            yield f"{kind}_{height}x{width}", save(image, kind)


def variants() -> dict[str, bytes]:
    """Every variant, by a name that begins with its format."""
    found = {f"jpeg_{name}": data for name, data in _jpegs()}
    found |= {f"png_{name}": data for name, data in _pngs()}
    found |= dict(_others())
    found |= dict(_sizes())
    return found
