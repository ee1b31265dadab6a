"""The colour space CIE L*a*b*."""

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
    if images.shape[-1] != 3:
        raise ValueError(
            "L*a*b* is for images of three channels, red, green and blue. "
            f"Received: shape {tuple(images.shape)}"
        )
    levels = ops.cast(images, "float32") / 255.0
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


def _lab_root(shares):
    """Returns the cube root of shares of white; near black its tangent."""
    edge = 6 / 29
    # Where the tangent is taken, the root is not, nor its infinite slope.
    root = ops.power(ops.maximum(shares, edge**3), 1 / 3)
    return ops.where(shares > edge**3, root, shares / (3 * edge**2) + 4 / 29)
