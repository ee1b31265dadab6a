"""Luminance and chrominance of images."""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim.views import augmentation

# Linear sRGB to CIE XYZ: IEC 61966-2-1, whose white is D65.
TO_XYZ = np.float32(
    [
        [0.4124, 0.3576, 0.1805],
        [0.2126, 0.7152, 0.0722],
        [0.0193, 0.1192, 0.9505],
    ]
)


@keras.saving.register_keras_serializable(package="keras_dim")
class LabSplit(layers.Layer):
    """Splits images into their luminance and their two channels of colour.

    Pixels are taken as sRGB and brought to CIE L*a*b* (D65), the same in
    training and inference.

    Returns, when called with images of three channels, a dict of float32
    tensors with `"luminance"`, L* from 0 to 100 in one channel, and
    `"chrominance"`, a* and b* from about -110 to 100 in two.
    """

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, images):
        augmentation.check_images(images.shape)
        if images.shape[-1] != 3:
            raise ValueError(
                "`LabSplit` takes images of three channels, red, green and "
                f"blue. Received: shape {tuple(images.shape)}"
            )
        levels = ops.cast(images, "float32") / 255.0
        linear = ops.where(
            levels > 0.04045,
            ops.power((levels + 0.055) / 1.055, 2.4),
            levels / 12.92,
        )
        x, y, z = (
            _lab_root(
                ops.sum(linear * (row / row.sum()), axis=-1, keepdims=True)
            )
            for row in TO_XYZ
        )
        return {
            "luminance": 116.0 * y - 16.0,
            "chrominance": ops.concatenate(
                [500.0 * (x - y), 200.0 * (y - z)], axis=-1
            ),
        }


def _lab_root(shares):
    """Returns the cube root of shares of white; near black its tangent."""
    edge = 6 / 29
    # Where the tangent is taken, the root is not, nor its infinite slope.
    root = ops.power(ops.maximum(shares, edge**3), 1 / 3)
    return ops.where(shares > edge**3, root, shares / (3 * edge**2) + 4 / 29)
