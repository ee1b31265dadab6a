"""Named features of an encoder, streamed batch by batch into arrays."""

import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import distribution

# The name of what a model with a single, unnamed output gives.
SINGLE_OUTPUT = "output"


def extract(
    encoder: keras.Model,
    images: Any,
    features: str | Sequence[str] = ("global",),
    batch_size: int = 256,
) -> dict[str, np.ndarray]:
    """Runs an encoder over images and returns the named features.

    The encoder runs in inference mode. Only what the wanted features need is
    computed, every batch has the same shape (the last one is padded and cut
    again), so that the model is traced once.

    Args:
        encoder: `keras.Model`. Any model with one input. Features are the
            names of its dict output; a model with a single tensor output has
            one feature, `"output"`.
        images: raw pixels as the encoder takes them: an array
            `(num_images, height, width, channels)`; a pair of arrays
            `(images, labels)`; a dict of arrays with `"image"`; or an
            iterable of batches, such as a `tf.data.Dataset`, of images, of
            `(images, labels)` pairs or of dicts with `"image"` and, where
            there are any, `"label"` and `"index"`.
        features: str or sequence of str. The wanted features. Defaults to
            `("global",)`.
        batch_size: int. Most images per call of the encoder. Batches of an
            iterable are cut to it, never joined. Defaults to `256`.

    Returns:
        dict of arrays. Each feature as float32 `(num_images, width)`, maps
        flattened; and `"label"` and `"index"`, `(num_images,)`, where the
        images came with them.

    Raises:
        ValueError: for a feature that the encoder does not have, for images
            of another shape than the encoder's, and for no images at all.

    Example:
    ```python
    found = extract(encoder, (images, labels), features=("fc", "global"))
    found["fc"].shape  # (num_images, 1024)
    ```
    """
    columns: dict[str, list[np.ndarray]] = {}
    for batch in stream(encoder, images, features, batch_size):
        if columns and batch.keys() != columns.keys():
            raise ValueError(
                "Every batch must have the same entries. Received a batch "
                f"with {sorted(batch)} after one with {sorted(columns)}."
            )
        for name, values in batch.items():
            columns.setdefault(name, []).append(values)
    if not columns:
        raise ValueError(
            "There are no images to extract features from. Received an empty "
            "array or data set."
        )
    # One column at a time, so that only one of them is in memory twice.
    return {name: np.concatenate(columns.pop(name)) for name in list(columns)}


def stream(
    encoder: keras.Model,
    images: Any,
    features: str | Sequence[str] = ("global",),
    batch_size: int = 256,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields what `extract` returns, batch by batch, in constant memory.

    Args:
        encoder: `keras.Model`. See `extract`.
        images: raw pixels. See `extract`.
        features: str or sequence of str. Defaults to `("global",)`.
        batch_size: int. Most images per batch. Defaults to `256`.

    Returns:
        Iterator of dicts of arrays, in the order of the images.

    Raises:
        ValueError: see `extract`. A name that a functional encoder does not
            have is refused at once, everything else at the batch where it
            shows.

    Example:
    ```python
    for batch in stream(encoder, dataset, ("global",)):
        file.write(batch["global"].tobytes())
    ```
    """
    names = feature_names(features)
    if batch_size < 1:
        raise ValueError(
            f"`batch_size` must be at least 1. Received: {batch_size}"
        )
    return _stream(
        feature_model(encoder, names), _batches(images, batch_size), names
    )


def feature_model(
    encoder: keras.Model, features: str | Sequence[str]
) -> keras.Model:
    """Returns a model that computes the named features and nothing else.

    It shares the encoder's weights. Whoever extracts again and again, as a
    callback does, keeps it, so that the model is traced only once.

    Args:
        encoder: `keras.Model`. See `extract`.
        features: str or sequence of str. The wanted features.

    Returns:
        `keras.Model`. The encoder itself where there is nothing to leave out,
        and where its outputs are known only once it is called (models that
        are not functional).

    Raises:
        ValueError: for a feature that the encoder does not have.
    """
    names = feature_names(features)
    try:
        outputs = encoder.output
        inputs = encoder.inputs
    except (AttributeError, ValueError):
        # Not functional, or not yet built: the first batch will tell.
        return encoder
    found = _named(outputs)
    _check_names(names, found)
    if len(inputs) != 1:
        raise ValueError(
            "An encoder must have one input, the images. Received a model "
            f"with {len(inputs)} inputs."
        )
    if set(names) == set(found):
        return encoder
    return keras.Model(
        inputs[0], {name: found[name] for name in names}, name="features"
    )


def feature_names(features: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the wanted features as a tuple, each name once."""
    names = (features,) if isinstance(features, str) else tuple(features)
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError(
            "`features` must be a name or a sequence of names. Received: "
            f"{features!r}"
        )
    return tuple(dict.fromkeys(names))


def _stream(
    model: keras.Model,
    batches: Iterable[dict[str, np.ndarray]],
    names: tuple[str, ...],
) -> Iterator[dict[str, np.ndarray]]:
    num_rows = None
    for batch in batches:
        images = batch.pop("image")
        _check_images(model, images)
        rows = len(images)
        # The first batch sets the size: all are padded to it, because another
        # size would be traced, and compiled, anew.
        num_rows = num_rows or rows
        for start in range(0, rows, num_rows):
            part = slice(start, start + num_rows)
            values = _run(model, images[part], num_rows, names)
            yield {
                **values,
                **{name: column[part] for name, column in batch.items()},
            }


def _run(
    model: keras.Model,
    images: np.ndarray,
    num_rows: int,
    names: tuple[str, ...],
) -> dict[str, np.ndarray]:
    rows = len(images)
    if rows < num_rows:
        padding = np.zeros((num_rows - rows, *images.shape[1:]), images.dtype)
        images = np.concatenate([images, padding])
    if distribution.num_replicas_of(model) == 1:
        outputs = _named(model.predict_on_batch(images))
    else:
        # Keras would have each replica predict the batch, and join what they
        # give.
        outputs = _named(model(images, training=False))
    _check_names(names, outputs)
    values = {}
    for name in names:
        value = keras.ops.convert_to_numpy(outputs[name])
        if value.ndim == 0 or len(value) < num_rows:
            raise ValueError(
                f"Feature {name!r} must have one row per image. Received "
                f"shape {value.shape} for {num_rows} images."
            )
        values[name] = value[:rows].reshape(rows, -1).astype("float32")
    return values


def _named(outputs: Any) -> dict[str, Any]:
    if isinstance(outputs, dict):
        return outputs
    if isinstance(outputs, list | tuple):
        if len(outputs) != 1:
            raise ValueError(
                "An encoder's output must be one tensor or a dict of named "
                f"tensors. Received a list of {len(outputs)}."
            )
        outputs = outputs[0]
    return {SINGLE_OUTPUT: outputs}


def _check_names(names: tuple[str, ...], found: dict[str, Any]) -> None:
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(
            f"The encoder has no feature {', '.join(map(repr, unknown))}. "
            f"Expected some of {sorted(found)}. Received: {list(names)}"
        )


def _check_images(model: keras.Model, images: np.ndarray) -> None:
    try:
        shape = model.input_shape
    except (AttributeError, ValueError):
        return
    # Dict inputs and the like are left to Keras.
    if not isinstance(shape, tuple) or isinstance(shape[0], tuple):
        return
    fits = len(shape) == images.ndim and all(
        expected in (None, received)
        for expected, received in zip(shape[1:], images.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            "The images do not fit the encoder. Expected batches of shape "
            f"{shape}. Received: {images.shape}. Resize the images (data "
            "sources take `image_size` and `channels`), and batch a data set."
        )


def _batches(images: Any, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    whole = _arrays(images)
    if whole is not None:
        for start in range(0, len(whole["image"]), batch_size):
            part = slice(start, start + batch_size)
            yield {name: column[part] for name, column in whole.items()}
        return
    if isinstance(images, str | bytes | os.PathLike) or not isinstance(
        images, Iterable
    ):
        raise ValueError(
            "Images must be an array, a pair of arrays (images, labels), a "
            "dict of arrays, or a data set. Received: "
            f"{images!r} of type {type(images).__name__}"
        )
    # tf.data says -1 for a data set that repeats for ever.
    cardinality = getattr(images, "cardinality", None)
    if cardinality is not None and int(cardinality()) == -1:
        raise ValueError(
            "The data set repeats for ever. Leave out `repeat()`, or limit "
            "it with `take(num_batches)`."
        )
    for element in images:
        batch = _columns(element)
        for start in range(0, len(batch["image"]), batch_size):
            part = slice(start, start + batch_size)
            yield {name: column[part] for name, column in batch.items()}


def _arrays(images: Any) -> dict[str, np.ndarray] | None:
    """The columns, where `images` is arrays rather than a data set."""
    if isinstance(images, dict) or _is_array(images):
        return _columns(images)
    if isinstance(images, tuple) and len(images) == 2 and _is_array(images[0]):
        return _columns(images)
    return None


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _columns(element: Any) -> dict[str, np.ndarray]:
    columns = {}
    if isinstance(element, dict):
        if "image" not in element:
            raise ValueError(
                "A dict of images must have the entry 'image'. Received the "
                f"entries {sorted(element)}."
            )
        columns["image"] = np.asarray(element["image"])
        for name in ("label", "index"):
            if name in element:
                columns[name] = np.asarray(element[name])
    elif isinstance(element, tuple | list):
        if len(element) not in (1, 2):
            raise ValueError(
                "A batch must be images or a pair (images, labels). Received "
                f"{len(element)} entries."
            )
        names = ("image", "label")
        columns = dict(zip(names, map(np.asarray, element), strict=False))
    else:
        columns["image"] = np.asarray(element)
    images = columns["image"]
    if images.ndim < 2:
        raise ValueError(
            "Images must come in batches, (batch, height, width, channels). "
            f"Received shape: {images.shape}"
        )
    for name, column in columns.items():
        if column.ndim == 0 or len(column) != len(images):
            raise ValueError(
                f"There must be one {name!r} for every image. Received shape "
                f"{column.shape} for {len(images)} images."
            )
    return columns
