"""Any probe as a callback: scores while a model trains."""

import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from keras_dim import checks
from keras_dim.evaluation import scoring
from keras_dim.evaluation.encoder_callback import EncoderCallback


class ProbeCallback(EncoderCallback):
    """Scores features of the model in training at the end of epochs.

    The features are those of `model.encoder`, or of the model itself where it
    has none. The accuracy goes to the logs as `"<probe>_<feature>"`, e.g.
    `"linear_probe_global"`. A score is due in the first epoch of `fit`, every
    `every` epochs, and in the last epoch. In the others the logs repeat the
    last score, so that `EarlyStopping` and `ModelCheckpoint` with `mode="max"`
    see a number that is no better. Put the probe before callbacks that read
    the logs.

    Args:
        probe: str or callable. A name of `evaluation.PROBES`; or a function of
            training features, training labels, test features and test labels
            that returns a dict with `"accuracy"`.
        train: labelled images that the probe is fitted to: a pair of arrays
            `(images, labels)`, a dict of arrays with `"image"` and `"label"`,
            or a data set of batches of either.
        test: labelled images that are scored.
        feature: str or sequence of str. Which of the encoder's features.
            Defaults to `encoders.default_feature(encoder)`.
        every: int. Epochs from score to score. Defaults to `1`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.
        **arguments: arguments of the probe; with a name, all that
            `evaluation.run_probe` takes, e.g. `labels_per_class=10`.
            A function takes those of the names above, too:
            `functools.partial(mlp_probe, batch_size=32)`.

    Attributes:
        results: list of dicts, one for each score: `"epoch"` (from 0),
            `"feature"`, and the probe's results.

    Raises:
        ValueError: for an unknown probe or argument; before the first epoch
            for an unknown feature, and for images or labels that
            `keras_dim.batches` refuses.

    Example:
    ```python
    probe = ProbeCallback("nearest_neighbors", train, test, every=5, k=10)
    history = model.fit(unlabelled, epochs=20, callbacks=[probe])
    history.history["nearest_neighbors_global"]
    ```
    """

    def __init__(
        self,
        probe: str | Callable[..., dict[str, Any]],
        train: Any,
        test: Any,
        feature: str | Sequence[str] | None = None,
        every: int = 1,
        batch_size: int = 256,
        **arguments: Any,
    ):
        self.train = train
        self.test = test
        super().__init__(feature, batch_size)
        checks.integers(1, every=every)
        if isinstance(probe, str):
            scoring.check_arguments(probe, arguments)
            self.name = probe
            self._score = functools.partial(
                scoring.run_probe, probe=probe, arguments=arguments
            )
        else:
            function = getattr(probe, "func", probe)
            self.name = getattr(function, "__name__", type(probe).__name__)
            self._score = functools.partial(probe, **arguments)
        self.every = every
        self.results = []

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._last = {}

    def on_epoch_end(self, epoch, logs=None):
        is_last = epoch + 1 == (self.params or {}).get("epochs")
        if not self._last or is_last or (epoch + 1) % self.every == 0:
            train, test = self.extract(self.train), self.extract(self.test)
            labels = self.labels(train, "train"), self.labels(test, "test")
            for name in self._features:
                result = self._score(
                    train.pop(name), labels[0], test.pop(name), labels[1]
                )
                self._last[f"{self.name}_{name}"] = result["accuracy"]
                self.results.append({"epoch": epoch, "feature": name, **result})
        if logs is not None:
            logs.update(self._last)
