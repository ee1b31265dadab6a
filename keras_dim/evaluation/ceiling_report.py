"""Warns when a bound has reached its ceiling too early to teach more."""

from collections.abc import Mapping
from typing import Any

import keras
from absl import logging

from keras_dim import checks


class CeilingReport(keras.callbacks.Callback):
    """Warns of a bound that stands at its ceiling from the first epochs on.

    A bound such as InfoNCE cannot exceed a number that the batch sets, the
    logarithm of the number of candidates. One that is there after an epoch or
    two has nothing left to learn: pairs are told apart by something simple,
    and the features stay poor. Each bound is warned of once.

    Args:
        ceilings: mapping from a name in the logs to its ceiling, above 0, in
            the same unit, or to None where there is none.
        within: float. Share of the ceiling that may be missing. Defaults to
            `0.03`.
        epochs: int. The first epochs, in which a bound at its ceiling is too
            early. Defaults to `3`.

    Attributes:
        results: list of dicts, one for each warning: `"epoch"` (from 0),
            `"name"`, `"value"` and `"ceiling"`.

    Raises:
        ValueError: for a ceiling that is not above 0.

    Example:
    ```python
    report = CeilingReport({"local_information": math.log(64)})
    model.fit(images, epochs=10, callbacks=[report])
    ```
    """

    def __init__(
        self,
        ceilings: Mapping[str, float | None],
        within: float = 0.03,
        epochs: int = 3,
    ):
        super().__init__()
        self.ceilings = checks.given(**ceilings)
        checks.above(0, **self.ceilings)
        self.within = within
        self.epochs = epochs
        self.results: list[dict[str, Any]] = []

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        if epoch >= self.epochs:
            return
        warned = {result["name"] for result in self.results}
        for name, ceiling in self.ceilings.items():
            value = (logs or {}).get(name)
            if (
                name in warned
                or value is None
                or not value >= (1 - self.within) * ceiling
            ):
                continue
            self.results.append(
                {
                    "epoch": epoch,
                    "name": name,
                    "value": float(value),
                    "ceiling": ceiling,
                }
            )
            logging.warning(
                "%r is %.2f of at most %.2f by the end of epoch %d: the pairs "
                "are too easy to tell apart to teach more. Take a map with "
                "more and smaller fields as the local one, larger batches for "
                "more negatives, or stronger views.",
                name,
                value,
                ceiling,
                epoch + 1,
            )
