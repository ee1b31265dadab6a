"""Colour spaces that separate luminance from chrominance."""

import numpy as np
from keras import ops

# Linear sRGB to CIE XYZ: IEC 61966-2-1, with the white point D65.
TO_XYZ = np.float32(
    [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
)
# Red, green and blue in [0, 1] to YCbCr without its offsets: ITU-R BT.601 with
# 219 levels of luminance and 224 of each chrominance.
TO_YCBCR = np.float32(
    [
        [65.481, 128.553, 24.966],
        [-37.797, -74.203, 112.0],
        [112.0, -93.786, -18.214],
    ]
)


def to_lab(images):
    """Returns luminance and chrominance of sRGB images in CIE L*a*b* (D65).

    For symbolic images it uses operations of Keras only, so that an encoder
    with them can be saved.

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

    They have the levels of digital video, as in the code of the authors of CMC,
    and not those of JPEG files, from 0 to 255. For symbolic images see
    `to_lab`.

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
    """Returns pixels in [0, 1], float32."""
    if images.shape[-1] != 3:
        raise ValueError(
            "Luminance and chrominance need images of three channels, red, "
            f"green and blue. Received: shape {tuple(images.shape)}"
        )
    return ops.cast(images, "float32") / 255.0


def _lab_root(shares):
    """Returns the cube root of values in [0, 1]; near 0, a linear function."""
    edge = 6 / 29
    # `maximum` keeps the infinite slope at 0 out of the gradient.
    root = ops.power(ops.maximum(shares, edge**3), 1 / 3)
    return ops.where(shares > edge**3, root, shares / (3 * edge**2) + 4 / 29)
