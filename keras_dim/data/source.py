"""What every source of images promises to the pipeline."""

import abc
from collections.abc import Sequence

import tensorflow as tf
from absl import logging

from keras_dim.data.order import Order


class Source(abc.ABC):
    """A set of images that can be read again and again in a given order.

    Args:
        name: str. How messages call the source.
        num_images: int. Number of images. Exact where `exact`; otherwise
            images whose bodies turn out not to decode still count.
        image_shape: tuple. `(height, width, channels)` of what is delivered.
        has_labels: bool. Whether batches carry `"label"`.
        class_names: sequence of str or `None`. The name of each label.
        paths: sequence of str or `None`. The file of each index, for sources
            that have one file per image.
        exact: bool. Whether all `num_images` images are certain to decode.

    Attributes:
        skipped: list of str. The files (or places in files) that were left
            out because they are not whole images. It grows while images are
            decoded for the first time.
    """

    def __init__(
        self,
        name: str,
        num_images: int,
        image_shape: tuple[int, int, int],
        *,
        has_labels: bool,
        class_names: Sequence[str] | None = None,
        paths: Sequence[str] | None = None,
        exact: bool = True,
    ):
        self.name = name
        self.num_images = int(num_images)
        self.image_shape = tuple(int(size) for size in image_shape)
        self.has_labels = has_labels
        self.class_names = None if class_names is None else tuple(class_names)
        self.paths = None if paths is None else tuple(paths)
        self.exact = exact
        self.skipped: list[str] = []

    @property
    def decoded(self) -> bool:
        """Whether images can be delivered without any work on each."""
        return False

    @abc.abstractmethod
    def batches(
        self, order: Order, batch_size: int, drop_remainder: bool
    ) -> tf.data.Dataset:
        """One pass over one shard of the images, in batches.

        Args:
            order: `Order`. Which images, in which order.
            batch_size: int. Images in a batch.
            drop_remainder: bool. Whether to leave out a last, smaller batch.

        Returns:
            A dataset of dicts: `"image"` uint8 `(batch, height, width,
            channels)`, `"index"` int64 `(batch,)` and, where there are
            labels, `"label"` int64 `(batch,)`.
        """

    def skip(self, place: str, reason: str) -> None:
        """Notes that the image at `place` is left out; logs it once."""
        if place in self.skipped:
            return
        self.skipped.append(place)
        logging.warning(
            "Skipped %s: %s (skipped so far in %s: %d).",
            place,
            reason,
            self.name,
            len(self.skipped),
        )

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.image_shape))
        return f"<Source {self.name}: {self.num_images} images of {shape}>"
