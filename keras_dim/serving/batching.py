"""Cuts images into batches that fit into messages."""

import itertools
import os
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import numpy as np


def image_batches(images: Any, batch_size: int) -> Iterator[np.ndarray]:
    """Yields images in batches of at most `batch_size`, in their order.

    Args:
        images: uint8 array `(num_images, height, width, channels)`; or an
            iterable of such batches, such as a `tf.data.Dataset`, of
            `(images, labels)` pairs or of dicts with `"image"`. Batches are
            cut to `batch_size`, never joined.
        batch_size: int.

    Raises:
        ValueError: for anything else, at the batch where it shows.
    """
    is_pair = isinstance(images, tuple) and len(images) == 2
    if isinstance(images, dict) or _is_array(images[0] if is_pair else images):
        images = [images]
    _check_iterable(
        images,
        "Images must be a uint8 array or a data set of such batches; "
        "keras_dim.data.load reads files, and `embed_encoded` takes the bytes "
        "of files.",
    )
    # tf.data says -1 for a data set that repeats for ever.
    cardinality = getattr(images, "cardinality", None)
    if callable(cardinality) and int(cardinality()) == -1:
        raise ValueError(
            "The data set repeats for ever. Leave out `repeat()`, or limit "
            "it with `take(num_batches)`."
        )
    for element in images:
        batch = _pixels(element)
        for start in range(0, len(batch), batch_size):
            yield batch[start : start + batch_size]


def encoded_batches(images: Any, batch_size: int) -> Iterator[list[bytes]]:
    """Yields encoded images in batches of `batch_size`, in their order.

    Args:
        images: iterable of bytes, the contents of image files.
        batch_size: int.

    Raises:
        ValueError: for anything else, at the image where it shows.
    """
    _check_iterable(
        images,
        "Encoded images must be a list of bytes, such as "
        "[pathlib.Path('photo.jpeg').read_bytes()].",
    )
    images = iter(images)
    while batch := list(itertools.islice(images, batch_size)):
        for image in batch:
            if not isinstance(image, bytes | bytearray | memoryview):
                raise ValueError(
                    "Encoded images must be bytes, as pathlib.Path.read_bytes "
                    f"gives them. Received: {type(image).__name__}"
                )
        yield list(map(bytes, batch))


def _check_iterable(images, expected):
    is_file = isinstance(images, str | bytes | os.PathLike)
    if is_file or not isinstance(images, Iterable):
        raise ValueError(f"{expected} Received: {type(images).__name__}")


def _is_array(value):
    return hasattr(value, "shape") and hasattr(value, "dtype")


def _pixels(element):
    if isinstance(element, dict) and "image" not in element:
        raise ValueError(
            "A dict of images must have the entry 'image'. Received the "
            f"entries {sorted(map(str, element))}."
        )
    if isinstance(element, tuple) and len(element) not in (1, 2):
        raise ValueError(
            "A batch must be images or a pair (images, labels). Received "
            f"{len(element)} entries."
        )
    if isinstance(element, dict | tuple):
        element = element["image" if isinstance(element, dict) else 0]
    images = np.asarray(element)
    if images.dtype != np.uint8:
        raise ValueError(
            "Images must be raw pixels of dtype uint8. Received dtype "
            f"{images.dtype}, shape {images.shape}. Floats in [0, 255] become "
            "such by `np.clip(np.rint(images), 0, 255).astype('uint8')`."
        )
    if images.ndim != 4:
        raise ValueError(
            "Images must come in batches, (batch, height, width, channels). "
            f"Received shape: {images.shape}. `images[None]` makes a batch "
            "of one image."
        )
    if 0 in images.shape[1:]:
        raise ValueError(
            f"Images must have pixels. Received shape: {images.shape}"
        )
    return images
