"""Warns when a bound has reached its ceiling too early to teach more."""

from collections.abc import Mapping

import keras
from absl import logging

from keras_dim import checks

# The share of a ceiling that may be missing, and the epochs that are early.
WITHIN = 0.03
EPOCHS = 3


class CeilingReport(keras.callbacks.Callback):
    """Warns once of a bound at its ceiling in the first three epochs.

    A bound such as InfoNCE cannot exceed the logarithm of the number of
    candidates. One that is within 3 % of it after an epoch or two has nothing
    left to learn: pairs are told apart by something simple, and the features
    stay poor.

    Args:
        ceilings: mapping from a name in the logs to its ceiling, above 0, in
            the same unit, or to None where there is none.

    Example:
    ```python
    report = CeilingReport({"local_information": math.log(64)})
    model.fit(images, epochs=10, callbacks=[report])
    ```
    """

    def __init__(self, ceilings: Mapping[str, float | None]):
        super().__init__()
        self.ceilings = checks.given(**ceilings)
        checks.above(0, **self.ceilings)
        self._warned = set()

    def on_epoch_end(self, epoch, logs=None):
        for name, ceiling in self.ceilings.items():
            value = (logs or {}).get(name, float("nan"))
            is_early = epoch < EPOCHS and name not in self._warned
            if is_early and value >= (1 - WITHIN) * ceiling:
                self._warned.add(name)
                logging.warning(
                    "%r is %.2f of at most %.2f by the end of epoch %d: the "
                    "pairs are too easy to tell apart to teach more. Take a "
                    "map with more and smaller fields as the local one, larger "
                    "batches for more negatives, or stronger views.",
                    name,
                    value,
                    ceiling,
                    epoch + 1,
                )
