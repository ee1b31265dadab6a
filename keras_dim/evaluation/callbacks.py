"""Probes that run while a model trains, on labelled data of their own."""

import abc
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim.evaluation import features as features_lib
from keras_dim.evaluation.linear_probe import linear_probe
from keras_dim.evaluation.mlp_probe import mlp_probe
from keras_dim.evaluation.nearest_neighbors import nearest_neighbors


class Probe(keras.callbacks.Callback, abc.ABC):
    """Scores features of the model in training at the end of epochs.

    An interface: use `LinearProbe`, `MLPProbe` or `NearestNeighborsProbe`.
    The features are those of `model.encoder`, or of the model itself where it
    has none. The accuracy goes to the logs as `"<probe>_<feature>"`, e.g.
    `"linear_probe_global"`, in every epoch: NaN where no score was due. Put
    the probe before callbacks that read the logs, such as `CSVLogger`.

    Args:
        train: labelled images that the probe is fitted to: a pair of arrays
            `(images, labels)`, a dict of arrays with `"image"` and `"label"`,
            or a data set of batches of either.
        test: labelled images that are scored.
        feature: str or sequence of str. Which of the encoder's features.
            Defaults to `"global"`.
        every: int. A score is due every so many epochs, and in the last one.
            Defaults to `1`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.

    Attributes:
        results: list of dicts, one for each score: `"epoch"` (from 0),
            `"feature"`, and what the probe returned.
    """

    def __init__(
        self,
        train: Any,
        test: Any,
        feature: str | Sequence[str] = "global",
        every: int = 1,
        batch_size: int = 256,
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"`every` must be at least 1. Received: {every}")
        for part, images in (("train", train), ("test", test)):
            unlabelled = hasattr(images, "shape") or (
                isinstance(images, dict) and "label" not in images
            )
            if unlabelled:
                raise _no_labels(part)
        self.train = train
        self.test = test
        self.feature = features_lib.feature_names(feature)
        self.every = every
        self.batch_size = batch_size
        self.results: list[dict[str, Any]] = []
        self._source = None
        self._encoder = None

    @property
    @abc.abstractmethod
    def probe_name(self) -> str:
        """What the keys of the logs begin with."""

    @abc.abstractmethod
    def score(
        self,
        train_features: np.ndarray,
        train_labels: np.ndarray,
        test_features: np.ndarray,
        test_labels: np.ndarray,
    ) -> dict[str, Any]:
        """Returns the probe's dict for one feature."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # A wrong feature name shows before the first epoch, not after it.
        self._feature_model()

    def on_epoch_end(
        self, epoch: int, logs: dict[str, Any] | None = None
    ) -> None:
        logs = {} if logs is None else logs
        last = epoch + 1 == (self.params or {}).get("epochs")
        if (epoch + 1) % self.every and not last:
            for name in self.feature:
                logs[f"{self.probe_name}_{name}"] = float("nan")
            return
        train = self._extract(self.train, "train")
        test = self._extract(self.test, "test")
        for name in self.feature:
            result = self.score(
                train.pop(name), train["label"], test.pop(name), test["label"]
            )
            logs[f"{self.probe_name}_{name}"] = result["accuracy"]
            self.results.append({"epoch": epoch, "feature": name, **result})

    def _feature_model(self) -> keras.Model:
        encoder = getattr(self.model, "encoder", self.model)
        # Kept from epoch to epoch: a new one would be traced anew.
        if self._source is not encoder:
            self._encoder = features_lib.feature_model(encoder, self.feature)
            self._source = encoder
        return self._encoder

    def _extract(self, images: Any, part: str) -> dict[str, np.ndarray]:
        found = features_lib.extract(
            self._feature_model(), images, self.feature, self.batch_size
        )
        if "label" not in found:
            raise _no_labels(part)
        return found


class LinearProbe(Probe):
    """Logs the test accuracy of a logistic regression on frozen features.

    Args:
        train: labelled images that the probe is fitted to; see `Probe`.
        test: labelled images that are scored.
        feature: str or sequence of str. Defaults to `"global"`.
        every: int. Epochs from score to score. Defaults to `1`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.
        c: float. See `linear_probe`. Defaults to `1.0`.
        max_iterations: int. See `linear_probe`. Defaults to `1000`.

    Example:
    ```python
    probe = LinearProbe((images, labels), (test_images, test_labels))
    history = model.fit(unlabelled, epochs=10, callbacks=[probe])
    history.history["linear_probe_global"]
    ```
    """

    probe_name = "linear_probe"

    def __init__(
        self,
        train: Any,
        test: Any,
        feature: str | Sequence[str] = "global",
        every: int = 1,
        batch_size: int = 256,
        c: float = 1.0,
        max_iterations: int = 1000,
    ):
        super().__init__(train, test, feature, every, batch_size)
        self.c = c
        self.max_iterations = max_iterations

    def score(self, train_features, train_labels, test_features, test_labels):
        return linear_probe(
            train_features,
            train_labels,
            test_features,
            test_labels,
            c=self.c,
            max_iterations=self.max_iterations,
        )


class MLPProbe(Probe):
    """Logs the test accuracy of the paper's probe on frozen features.

    Args:
        train: labelled images that the probe is fitted to; see `Probe`.
        test: labelled images that are scored.
        feature: str or sequence of str. Defaults to `"global"`.
        every: int. Epochs from score to score. Defaults to `1`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.
        units: int. See `mlp_probe`. Defaults to `200`.
        dropout: float. See `mlp_probe`. Defaults to `0.1`.
        learning_rate: float. See `mlp_probe`. Defaults to `1e-4`.
        beta_1: float. See `mlp_probe`. Defaults to `0.9`.
        probe_batch_size: int. Rows per step of the probe. Defaults to `64`.
        epochs: int. Of the probe. Defaults to `120`.
        milestones: sequence of int. See `mlp_probe`. Defaults to `(50, 100)`.
        decay: float. See `mlp_probe`. Defaults to `0.1`.
        seed: int. See `mlp_probe`. Defaults to `0`.

    Example:
    ```python
    probe = MLPProbe(train, test, feature="fc", every=10, epochs=20)
    model.fit(unlabelled, epochs=60, callbacks=[probe])
    ```
    """

    probe_name = "mlp_probe"

    def __init__(
        self,
        train: Any,
        test: Any,
        feature: str | Sequence[str] = "global",
        every: int = 1,
        batch_size: int = 256,
        units: int = 200,
        dropout: float = 0.1,
        learning_rate: float = 1e-4,
        beta_1: float = 0.9,
        probe_batch_size: int = 64,
        epochs: int = 120,
        milestones: Sequence[int] = (50, 100),
        decay: float = 0.1,
        seed: int = 0,
    ):
        super().__init__(train, test, feature, every, batch_size)
        self.units = units
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.probe_batch_size = probe_batch_size
        self.epochs = epochs
        self.milestones = tuple(milestones)
        self.decay = decay
        self.seed = seed

    def score(self, train_features, train_labels, test_features, test_labels):
        return mlp_probe(
            train_features,
            train_labels,
            test_features,
            test_labels,
            units=self.units,
            dropout=self.dropout,
            learning_rate=self.learning_rate,
            beta_1=self.beta_1,
            batch_size=self.probe_batch_size,
            epochs=self.epochs,
            milestones=self.milestones,
            decay=self.decay,
            seed=self.seed,
        )


class NearestNeighborsProbe(Probe):
    """Logs how well the nearest training images tell an image's class.

    Args:
        train: labelled images among which neighbours are sought; see `Probe`.
        test: labelled images that are scored.
        feature: str or sequence of str. Defaults to `"global"`.
        every: int. Epochs from score to score. Defaults to `1`.
        batch_size: int. Most images per call of the encoder. Defaults to
            `256`.
        k: int. See `nearest_neighbors`. Defaults to `20`.
        temperature: float or `None`. See `nearest_neighbors`. Defaults to
            `0.07`.

    Example:
    ```python
    probe = NearestNeighborsProbe(train, test, feature=("fc", "global"))
    model.fit(unlabelled, epochs=10, callbacks=[probe])
    ```
    """

    probe_name = "nearest_neighbors"

    def __init__(
        self,
        train: Any,
        test: Any,
        feature: str | Sequence[str] = "global",
        every: int = 1,
        batch_size: int = 256,
        k: int = 20,
        temperature: float | None = 0.07,
    ):
        super().__init__(train, test, feature, every, batch_size)
        self.k = k
        self.temperature = temperature

    def score(self, train_features, train_labels, test_features, test_labels):
        return nearest_neighbors(
            train_features,
            train_labels,
            test_features,
            test_labels,
            k=self.k,
            temperature=self.temperature,
        )


def _no_labels(part: str) -> ValueError:
    return ValueError(
        f"A probe needs labels. Received `{part}` without any. Pass a pair "
        "(images, labels), or a data set with 'label'."
    )
