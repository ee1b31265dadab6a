"""The images of a source, unshuffled, on any backend."""

from collections.abc import Iterator

import numpy as np

from keras_dim.data.order import Order
from keras_dim.data.source import Source


def batches_in_order(
    source: Source, batch_size: int, rows: range | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """Yields images of a source once, as arrays.

    Args:
        source: `Source`. What it cannot decode is added to its `skipped`.
        batch_size: int. Images in a batch; the last may have fewer.
        rows: range or `None`. The indices of the images, which then come in
            the order of these. `None` is all of them, in the source's own
            order, which for several record files is another.

    Raises:
        ValueError: if a record file is damaged.
    """
    order = Order(rows=rows)
    if source.uses_tensorflow:
        from keras_dim.data.damage import damage_in_one_line
        from keras_dim.data.untuned import untuned

        batches = source.batches(order, batch_size, drop_remainder=False)
        with damage_in_one_line(source.name):
            yield from untuned(batches).as_numpy_iterator()
    else:
        from keras_dim.data.numpy_batches import Pass

        yield from Pass(source, order, batch_size, fill=False)
