"""The functions of an exported encoder."""

import pathlib
from collections.abc import Callable
from collections.abc import Mapping
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
    """Returns a signature of uint8 images of the encoder's own size.

    Features are float32 under their names; a single tensor without a name is
    the feature `"output"`.
    """

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
    """Returns a signature of uint8 images, resized as in data sets."""
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
    """Returns a signature of encoded images.

    None for an encoder of other than grey or colour images, or of any size.
    """
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
                # Each image may take hundreds of megabytes, and a server's
                # other cores have other requests.
                parallel_iterations=1,
                fn_output_signature=tf.TensorSpec(shape, tf.uint8),
            )
        )

    spec = tf.TensorSpec((None,), tf.string, name="encoded_images")
    return Signature(serve_encoded, spec)


def save(
    encoder: keras.Model,
    signatures: Mapping[str, Signature],
    folder: pathlib.Path,
) -> None:
    """Writes a SavedModel with some signatures."""
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    for name, signature in signatures.items():
        archive.add_endpoint(
            name, signature.function, input_signature=[signature.spec]
        )
    archive.write_out(str(folder), verbose=False)


def _images(*shape):
    return tf.TensorSpec((None, *shape), tf.uint8, name="images")
