"""Tiny SavedModels in the layout of TensorFlow Serving."""

import tensorflow as tf


class Mean(tf.Module):
    """The version's number times the mean of the pixels, and one that is NaN.

    Its only output is `features`, which REST gives without the name. The
    second is 0 / 0 of a black image.
    """

    def __init__(self, version):
        super().__init__()
        self.version = tf.Variable(float(version))

    def serving_default(self, images):
        mean = tf.reduce_mean(tf.cast(images, "float32"), axis=[1, 2, 3])
        features = tf.stack([mean * self.version, mean / mean], axis=1)
        return {"features": features}


class Pixels(tf.Module):
    """The pixels themselves: an answer of four times the request's size."""

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
    # It must hang on the module to be saved with its variables.
    module.function = tf.function(module.serving_default, [of_any_shape])
    signatures = {"serving_default": module.function}
    tf.saved_model.save(module, str(folder), signatures)
