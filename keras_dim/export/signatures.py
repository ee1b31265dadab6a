"""What an exported encoder can be asked, as functions of TensorFlow."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_dim.data import tensorflow_images


class Signature(NamedTuple):
    """A function from one named tensor to a dict of features.

    Args:
        function: function of a tensor.
        spec: `tf.TensorSpec`. Of that tensor.
    """

    function: Callable
    spec: tf.TensorSpec


def native(encoder: keras.Model) -> Signature:
    """Takes images of the encoder's own size, uint8."""

    def serve(images):
        images = tf.cast(images, encoder.inputs[0].dtype)
        outputs = encoder(images, training=False)
        if not isinstance(outputs, dict):
            outputs = {"output": outputs}
        return {
            name: tf.cast(value, tf.float32) for name, value in outputs.items()
        }

    return Signature(serve, _images(*encoder.inputs[0].shape[1:]))


def any_size(encoder: keras.Model) -> Signature:
    """Takes images of any size, uint8, and resizes them as data sets are."""
    serve = native(encoder).function
    shape = tuple(encoder.inputs[0].shape[1:])
    if None in shape:
        return native(encoder)
    return Signature(
        lambda images: serve(
            tensorflow_images.convert(images, shape, resize=True)
        ),
        _images(None, None, shape[-1]),
    )


def encoded(encoder: keras.Model) -> Signature | None:
    """Takes bytes of files, or None where no such file has the channels."""
    serve = native(encoder).function
    shape = tuple(encoder.inputs[0].shape[1:])
    if None in shape or shape[-1] not in (1, 3):
        return None

    def decode(encoded):
        image = tensorflow_images.decode_request(encoded)
        return tensorflow_images.convert(image, shape, resize=True)

    def serve_encoded(encoded_images):
        return serve(
            tf.map_fn(
                decode,
                encoded_images,
                # One after the other: each may take hundreds of megabytes.
                # A server has other requests for its other cores.
                parallel_iterations=1,
                fn_output_signature=tf.TensorSpec(shape, tf.uint8),
            )
        )

    spec = tf.TensorSpec((None,), tf.string, name="encoded_images")
    return Signature(serve_encoded, spec)


def _images(*shape):
    return tf.TensorSpec((None, *shape), tf.uint8, name="images")
