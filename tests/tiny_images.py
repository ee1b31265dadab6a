"""Tiny images in every format, for the tests of the data package."""

import io

import numpy as np
from PIL import Image

KINDS = ("jpeg", "png", "gif", "bmp", "webp")


def pixels(number: int, shape=(8, 8, 3)) -> np.ndarray:
    """Noise that differs between numbers and is the same for equal ones."""
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


def encode(image: np.ndarray, kind: str = "png", **options) -> bytes:
    """The bytes of an image file; WebP is lossless."""
    if image.shape[-1] == 1:
        image = image[..., 0]
    if kind == "webp":
        options = {"lossless": True, **options}
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def indices_of(dataset) -> list[int]:
    """The indices of one iteration, in order."""
    return [int(i) for batch in dataset for i in batch["index"]]


def images_by_index(dataset) -> dict[int, np.ndarray]:
    """The images of one iteration, by index."""
    return {
        int(index): image
        for batch in dataset.as_numpy_iterator()
        for index, image in zip(batch["index"], batch["image"], strict=True)
    }
