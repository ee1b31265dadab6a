"""Tiny SavedModels in the layout of TensorFlow Serving."""

import tensorflow as tf


class Mean(tf.Module):
    """Two features: version number times mean pixel, and 1, or NaN for black.

    Its only output is `features`, which REST gives without the name.
    """

    def __init__(self, version):
        super().__init__()
        self.version = tf.Variable(float(version))

    def serving_default(self, images):
        mean = tf.reduce_mean(tf.cast(images, "float32"), axis=[1, 2, 3])
        features = tf.stack([mean * self.version, mean / mean], axis=1)
        return {"features": features}


class Pixels(tf.Module):
    """The pixels: the answer is four times as large as the request."""

    def serving_default(self, images):
        return {"pixels": tf.cast(images, "float32")}


def save_mean(version, folder):
    """Writes a version of `Mean`."""
    _save(Mean(version), folder)


def save_pixels(folder):
    """Writes `Pixels`."""
    _save(Pixels(), folder)


def _images(*shape):
    return tf.TensorSpec([None, *shape], "uint8", "images")


def _save(module, folder):
    of_any_shape = _images(None, None, None)
    # As an attribute it is saved with the module's variables.
    module.function = tf.function(module.serving_default, [of_any_shape])
    signatures = {"serving_default": module.function}
    tf.saved_model.save(module, str(folder), signatures)
