"""Named features of an encoder, streamed batch by batch into arrays."""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim import distribution
from keras_dim.encoders import features as encoder_features
from keras_dim.encoders import stored_values


def extract(
    encoder: keras.Model,
    images: Any,
    features: str | Sequence[str] | None = None,
    batch_size: int = 256,
) -> dict[str, np.ndarray]:
    """Runs an encoder over images and returns the named features.

    The encoder runs in inference mode, and computes only the layers that the
    features need. Smaller batches are padded, so that it is traced once.

    Args:
        encoder: `keras.Model` with one input. Features have the names of its
            dict output; a single tensor is named `"output"`.
        images: raw pixels in [0, 255], or stored values of the encoder's range,
            of the size that the encoder takes: an array `(num_images, height,
            width, channels)`; a pair of arrays `(images, labels)`; a dict of
            arrays with `"image"` and optionally `"label"` and `"index"`; or an
            iterable of such batches, such as a `tf.data.Dataset`.
        features: str or sequence of str. Defaults to
            `encoders.default_feature(encoder)`.
        batch_size: int. Most images per call of the encoder. Larger batches of
            an iterable are cut, smaller ones are not joined. Defaults to `256`.

    Returns:
        dict of arrays. Each feature as float32 `(num_images, width)`, maps
        flattened; and `"label"` and `"index"`, `(num_images,)`, if the images
        have them.

    Raises:
        ValueError: for an unknown feature, no images, and images that
            `keras_dim.batches.check` refuses.
    """
    columns = {}
    for batch in stream(encoder, images, features, batch_size):
        if columns and batch.keys() != columns.keys():
            raise ValueError(
                "Every batch must have the same entries. Received a batch "
                f"with {sorted(batch)} after one with {sorted(columns)}"
            )
        for name, values in batch.items():
            columns.setdefault(name, []).append(values)
    if not columns:
        raise ValueError("There are no images. Received an empty data set")
    # Column by column, so that only one of them is in memory twice.
    return {name: np.concatenate(columns.pop(name)) for name in list(columns)}


def stream(
    encoder: keras.Model,
    images: Any,
    features: str | Sequence[str] | None = None,
    batch_size: int = 256,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the results of `extract` batch by batch, in constant memory.

    A feature that a functional encoder lacks is refused before the first batch.
    """
    names = feature_names(features, encoder)
    checks.integers(1, batch_size=batch_size)
    for name in {"label", "index"}.intersection(names):
        raise ValueError(
            "A feature must not have the name of a column of the images. "
            f"Received: {name!r}. Rename the encoder's output"
        )
    return _stream(feature_model(encoder, names), images, names, batch_size)


def feature_model(
    encoder: keras.Model, features: str | Sequence[str] | None = None
) -> keras.Model:
    """Returns a model that computes the named features and nothing else.

    It shares the encoder's weights. It is the encoder itself if that has no
    other features, or is not functional. Keep it to extract repeatedly: each
    new model is traced again.
    """
    names = feature_names(features, encoder)
    if not encoder_features.is_functional(encoder):
        # Its features are known once it is called.
        return encoder
    found = encoder_features.features_of(encoder, *names)
    if set(names) == set(found):
        return encoder
    outputs = {name: found[name] for name in names}
    return keras.Model(encoder.inputs[0], outputs, name="features")


def raw_pixels(images: np.ndarray) -> np.ndarray:
    """Returns the pixels as features, flattened and scaled to `[0, 1]`.

    Args:
        images: array `(num_images, height, width, channels)` of raw pixels,
            `uint8` or float in `[0, 255]`.

    Returns:
        float32 array `(num_images, height * width * channels)`.

    Raises:
        ValueError: for images that `keras_dim.batches.check` refuses.
    """
    images = np.asarray(images)
    batches.check(images, who="raw_pixels")
    return images.reshape(len(images), -1).astype("float32") / 255


def raw_pixels_encoder(
    image_shape: Sequence[int], values: batches.ValueRange | None = None
) -> keras.Model:
    """Returns an encoder whose only feature, `"raw_pixels"`, is the image.

    Args:
        image_shape: `(height, width, channels)`.
        values: range of the stored values that it takes, or None for raw
            pixels in [0, 255]. Either range is scaled to [0, 1].
    """
    images = keras.Input(tuple(image_shape), dtype="float32")
    pixels = keras.layers.Rescaling(1 / 255, dtype="float32")(images)
    pixels = keras.layers.Flatten(dtype="float32")(pixels)
    encoder = keras.Model(images, {"raw_pixels": pixels}, name="raw_pixels")
    return stored_values.with_range(encoder, values) if values else encoder


def feature_names(
    features: str | Sequence[str] | None, encoder: keras.Model
) -> tuple[str, ...]:
    """Returns the names of features as a tuple without repetitions."""
    if features is None:
        features = encoder_features.default_feature(encoder)
    names = [features] if isinstance(features, str) else features
    return tuple(dict.fromkeys(names))


def input_shape(model: keras.Model) -> tuple[int | None, ...] | None:
    """Returns the shape of one image, or `None` if a model does not have it."""
    shape = getattr(model, "input_shape", None)
    if not isinstance(shape, tuple) or isinstance(shape[0], tuple):
        return None
    return shape[1:]


def _stream(model, images, names, batch_size):
    num_rows = None
    image_shape = input_shape(model)
    values = stored_values.value_range(model)
    for batch in batches.iterate(images, batch_size):
        pixels = batch.pop("image")
        batches.check(pixels, image_shape, who="The encoder", values=values)
        # The first batch sets the size: another size would be traced again.
        num_rows = num_rows or len(pixels)
        for start in range(0, len(pixels), num_rows):
            part = slice(start, start + num_rows)
            others = {name: column[part] for name, column in batch.items()}
            yield {**_run(model, pixels[part], num_rows, names), **others}


def _run(model, images, num_rows, names):
    rows = len(images)
    if rows < num_rows:
        padding = np.zeros((num_rows - rows, *images.shape[1:]), images.dtype)
        images = np.concatenate([images, padding])
    if distribution.num_replicas_of(model) == 1:
        found = model.predict_on_batch(images)
    else:
        # Under a strategy, Keras returns the predictions of every replica for
        # the same batch, one after another.
        found = model(images, training=False)
    found = encoder_features.named(found)
    encoder_features.check_names(names, found)
    values = {}
    for name in names:
        value = keras.ops.convert_to_numpy(found[name])
        if value.ndim == 0 or len(value) != num_rows:
            raise ValueError(
                f"Feature {name!r} must have one row per image. Received "
                f"shape {value.shape} for {num_rows} images"
            )
        values[name] = value[:rows].reshape(rows, -1).astype("float32")
    return values
