"""Encoders of stored values that are not pixels from 0 to 255."""

import keras
import numpy as np

from keras_dim.batches import ValueRange

# The layer's name, before the type of the stored values. A plain layer of
# Keras: the encoder's file loads without keras_dim.
PREFIX = "stored_values_"


def with_range(encoder: keras.Model, values: ValueRange) -> keras.Model:
    """Returns an encoder of stored values made of one of pixels.

    Its first layer maps the range of each band to [0, 255], by `255 * (v - low)
    / (high - low)` in float32, without clipping. A constant band becomes 0.

    Args:
        encoder: functional `keras.Model` from pixels in [0, 255]. Its weights
            are shared.
        values: `ValueRange`, such as `keras_dim.data.measure(source)` has.

    Returns:
        Functional `keras.Model` from stored values to the same features.

    Raises:
        ValueError: for another number of bands than the encoder's channels,
            and for an encoder of stored values.

    Example:
    ```python
    source = keras_dim.data.open_source("tiles", values="stored", image_size=32)
    encoder = keras_dim.encoders.with_range(
        keras_dim.encoders.dim_convnet(32, channels=source.image_shape[-1]),
        keras_dim.data.measure(source).range,
    )
    ```
    """
    channels = encoder.input_shape[-1]
    if len(values.low) != channels:
        raise ValueError(
            f"The range has {len(values.low)} band(s), and the encoder takes "
            f"{channels}"
        )
    if value_range(encoder) is not None:
        raise ValueError(f"{encoder.name} has a range of stored values already")
    scales, offsets = values.affine
    image = keras.Input(encoder.input_shape[1:], name="image")
    pixels = keras.layers.Rescaling(
        scales, offsets, dtype="float32", name=PREFIX + values.dtype
    )(image)
    return keras.Model(image, encoder(pixels), name=f"{encoder.name}_stored")


def how_read(encoder: keras.Model) -> str:
    """Returns the argument `values` of `data.open_source` for an encoder."""
    return "8_bit" if value_range(encoder) is None else "stored"


def value_range(encoder: keras.Model) -> ValueRange | None:
    """Returns the range of an encoder made by `with_range`, else `None`.

    Args:
        encoder: `keras.Model`; or a model with such an encoder within it.

    Returns:
        `ValueRange` or `None`. A constant band has the range 0 to 0, as its
        value is not stored.
    """
    for layer in getattr(encoder, "layers", ()):
        if layer.name.startswith(PREFIX):
            scales, offsets = np.array(layer.scale), np.array(layer.offset)
            is_used = scales != 0
            scales = np.where(is_used, scales, 1.0)
            low, high = ((end - offsets) / scales for end in (0.0, 255.0))
            return ValueRange(
                tuple(low * is_used),
                tuple(high * is_used),
                layer.name.removeprefix(PREFIX),
            )
        found = value_range(layer)
        if found is not None:
            return found
    return None
