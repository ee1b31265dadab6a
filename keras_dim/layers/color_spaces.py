"""Colour spaces that tell the luminance of an image from its chrominance."""

import numpy as np
from keras import ops

# Linear sRGB to CIE XYZ: IEC 61966-2-1, whose white is D65.
TO_XYZ = np.float32(
    [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
)
# Of shares of red, green and blue: ITU-R BT.601 with 219 levels of luminance
# and 224 of each chrominance.
TO_YCBCR = np.float32(
    [
        [65.481, 128.553, 24.966],
        [-37.797, -74.203, 112.0],
        [112.0, -93.786, -18.214],
    ]
)


def to_lab(images):
    """Returns luminance and chrominance of images.

    Pixels are taken as sRGB and brought to CIE L*a*b* (D65). Of symbolic
    images it makes operations of Keras alone, with which an encoder is saved.

    Args:
        images: tensor `(batch, height, width, 3)` in [0, 255].

    Returns:
        Tuple of float32 tensors: L*, from 0 to 100, in one channel; a* and
        b*, from about -110 to 100, in two.
    """
    levels = _shares(images)
    linear = ops.where(
        levels > 0.04045,
        ops.power((levels + 0.055) / 1.055, 2.4),
        levels / 12.92,
    )
    x, y, z = (
        _lab_root(ops.sum(linear * (row / row.sum()), axis=-1, keepdims=True))
        for row in TO_XYZ
    )
    chrominance = [500.0 * (x - y), 200.0 * (y - z)]
    return 116.0 * y - 16.0, ops.concatenate(chrominance, axis=-1)


def to_ycbcr(images):
    """Returns luminance and chrominance of images, by ITU-R BT.601.

    With the levels of digital video, as in the code of the authors of CMC, and
    not those of JPEG files, from 0 to 255. Of symbolic images it makes
    operations of Keras alone.

    Args:
        images: tensor `(batch, height, width, 3)` in [0, 255].

    Returns:
        Tuple of float32 tensors: Y, from 16 to 235, in one channel; Cb and Cr,
        from 16 to 240, in two.
    """
    levels = _shares(images)
    y, cb, cr = (
        offset + ops.sum(levels * row, axis=-1, keepdims=True)
        for offset, row in zip((16.0, 128.0, 128.0), TO_YCBCR, strict=True)
    )
    return y, ops.concatenate([cb, cr], axis=-1)


COLOR_SPACES = {"lab": to_lab, "ycbcr": to_ycbcr}


def _shares(images):
    """Returns pixels as shares of white, in float32."""
    if images.shape[-1] != 3:
        raise ValueError(
            "Luminance and chrominance are those of images of three channels, "
            f"red, green and blue. Received: shape {tuple(images.shape)}"
        )
    return ops.cast(images, "float32") / 255.0


def _lab_root(shares):
    """Returns the cube root of shares of white; near black its tangent."""
    edge = 6 / 29
    # Where the tangent is taken, the root is not, nor its infinite slope.
    root = ops.power(ops.maximum(shares, edge**3), 1 / 3)
    return ops.where(shares > edge**3, root, shares / (3 * edge**2) + 4 / 29)
