"""Tiny SavedModels in the layout of TensorFlow Serving."""

import keras
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


def save_encoder(model, folder):
    """Writes a Keras model with the three signatures that an export has."""
    _, height, width, channels = model.input_shape

    def native(images):
        return model(tf.cast(images, "float32"), training=False)

    def resized(images):
        return tf.image.resize(images, (height, width), antialias=True)

    def serving_default(images):
        return native(resized(images))

    def encoded_images(encoded_images):
        def decode(encoded):
            image = tf.io.decode_image(
                encoded, channels, expand_animations=False
            )
            return resized(image)

        return native(
            tf.map_fn(decode, encoded_images, fn_output_signature="float32")
        )

    # A tf.Module that holds a Keras model loads in Python alone: a session,
    # which is what the server has, finds its variables without values.
    archive = keras.export.ExportArchive()
    archive.track(model)
    for function, spec in (
        (serving_default, _images(None, None, channels)),
        (native, _images(height, width, channels)),
        (encoded_images, tf.TensorSpec([None], "string", "encoded_images")),
    ):
        archive.add_endpoint(function.__name__, function, [spec])
    archive.write_out(str(folder), verbose=False)


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
