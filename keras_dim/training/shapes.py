"""A line about the way of images through a model, before work begins."""

from collections.abc import Sequence

import keras


def of_training(
    num_images: int, image_shape: Sequence[int | None], model: keras.Model
) -> str:
    """Returns e.g. `2,000 images 96x96x3 -> views 32x32x3 -> encoder 32x32x3`.

    Args:
        num_images: int.
        image_shape: sequence of ints. `(height, width, channels)`.
        model: method with an `encoder` and perhaps `views`, which give what
            the encoder takes.
    """
    encoder = size(model.encoder.input_shape[1:])
    parts = [f"{num_images:,} images {size(image_shape)}", f"encoder {encoder}"]
    if getattr(model, "views", None) is not None:
        parts.insert(1, f"views {encoder}")
    return " -> ".join(parts)


def of_embedding(
    num_images: int,
    image_shape: Sequence[int | None],
    encoder_shape: Sequence[int | None],
    feature: str,
) -> str:
    """Returns e.g. `2,000 images 32x32x3 -> encoder 32x32x3 -> global`.

    Args:
        num_images: int.
        image_shape: sequence of ints. `(height, width, channels)` of images
            as they are read: resized to what the encoder takes.
        encoder_shape: the same of the encoder's input.
        feature: str. Name of the feature.
    """
    return (
        f"{num_images:,} images {size(image_shape)} -> encoder "
        f"{size(encoder_shape)} -> {feature}"
    )


def size(shape: Sequence[int | None]) -> str:
    """Returns e.g. `32x32x3`; `?` stands for any size."""
    return "x".join("?" if axis is None else str(axis) for axis in shape)
