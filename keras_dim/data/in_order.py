"""The images of a source in its own order, on any backend."""

from collections.abc import Iterator

import numpy as np

from keras_dim.data.order import Order
from keras_dim.data.source import Source


def batches_in_order(
    source: Source, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Yields all images of a source once, as arrays.

    Args:
        source: `Source`. What it cannot decode is added to its `skipped`.
        batch_size: int. Images in a batch; the last may have fewer.

    Raises:
        ValueError: if a record file is damaged.
    """
    if source.uses_tensorflow:
        from keras_dim.data.damage import damage_in_one_line

        with damage_in_one_line(source.name):
            yield from source.batches(
                Order(), batch_size, drop_remainder=False
            ).as_numpy_iterator()
    else:
        from keras_dim.data.numpy_batches import Pass

        yield from Pass(source, Order(), batch_size, fill=False)
