"""The functions of an exported encoder."""

from collections.abc import Callable

import keras
import tensorflow as tf

from keras_dim import encoders
from keras_dim.data import tensorflow_images
from keras_dim.encoders import features

# A function from one tensor to a dict of features, and the tensor's spec.
Signature = tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], tf.TensorSpec]


def signatures_of(encoder: keras.Model) -> dict[str, Signature]:
    """Returns the signatures of an encoder by name; see `keras_dim.export`."""
    shape = tuple(encoder.inputs[0].shape[1:])
    values = encoders.value_range(encoder)
    dtype = tf.uint8 if values is None else tf.as_dtype(values.dtype)

    def native(images):
        images = tf.cast(images, encoder.inputs[0].dtype)
        outputs = features.named(encoder(images, training=False))
        return {
            name: tf.cast(value, tf.float32) for name, value in outputs.items()
        }

    def any_size(images):
        return native(tensorflow_images.convert(images, shape))

    def decode(encoded):
        image = tensorflow_images.decode_request(encoded)
        return tensorflow_images.convert(image, shape)

    def encoded_images(encoded_images):
        images = tf.map_fn(
            decode,
            encoded_images,
            # Each image may take hundreds of megabytes, and a server's other
            # cores have other requests.
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        )
        return native(images)

    def spec_of(*shape):
        return tf.TensorSpec((None, *shape), dtype, name="images")

    found = {
        "serving_default": (any_size, spec_of(None, None, shape[-1])),
        "native": (native, spec_of(*shape)),
    }
    if None in shape:
        found["serving_default"] = found["native"]
    elif shape[-1] in (1, 3) and values is None:
        spec = tf.TensorSpec((None,), tf.string, name="encoded_images")
        found["encoded_images"] = encoded_images, spec
    return found


def save(encoder, signatures, folder):
    """Writes a SavedModel with some signatures."""
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    for name, (function, spec) in signatures.items():
        archive.add_endpoint(name, function, input_signature=[spec])
    archive.write_out(str(folder), verbose=False)
