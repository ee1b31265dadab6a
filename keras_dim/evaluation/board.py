"""A board of measures without labels, logged during training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from absl import logging

from keras_dim import batches
from keras_dim import checks
from keras_dim.evaluation import callbacks
from keras_dim.evaluation import features as features_lib
from keras_dim.evaluation import measures
from keras_dim.views import show

UNCHANGED = (
    "No measure of the board has changed by more than %g %% for %d epochs, up "
    "to epoch %d: further epochs may change the features little. Probe the "
    "features, and consider stopping."
)
NO_VIEWS = (
    "The board has no alignment and no LiDAR: %s. They need two random views "
    "of each image."
)


class Board(callbacks.CollapseReport):
    """Logs measures that need no labels, and warns of collapse.

    For each feature it logs the numbers of `CollapseReport`,
    `"rank_me_<feature>"`, `"alpha_req_<feature>"`, `"uniformity_<feature>"`;
    with two views `"alignment_<feature>"`; and, if there are also more images
    than units, `"lidar_<feature>"`. See `evaluation.measures`. An info line
    compares them with the values of random and of collapsed features. A
    warning suggests stopping when no measure changes any more. Put this
    callback before callbacks that read the logs.

    Args:
        images: array `(num_images, height, width, channels)` as the encoder
            takes them, a few hundred, from the training images or others.
        every: int. Epochs from one measurement to the next; the logs of the
            epochs between repeat the last measurement. Defaults to 1.
        views: layer from images to views, two arrays like `images`, or None
            for the model's own views. Views are drawn once, before the first
            epoch. Without alignment and LiDAR if both views are equal.
        patience: int. Epochs without a change before the warning. Defaults to
            10.
        tolerance: float. Relative change of a measure that does not count as
            one. Defaults to 0.02.
        feature, batch_size, values: see `CollapseReport`.

    Attributes:
        references: dict of dicts. For each measure in the logs, its value for
            `"random"` features (independent standard normal numbers in each
            view) and for `"collapsed"` ones (all equal); None where it is not
            defined.

    Raises:
        ValueError: as `CollapseReport`, for arrays of views, too.
    """

    def __init__(
        self,
        images: np.ndarray,
        every: int = 1,
        views: Any = None,
        feature: str | Sequence[str] | None = None,
        batch_size: int = 256,
        patience: int = 10,
        tolerance: float = 0.02,
        values: batches.ValueRange | None = None,
    ):
        checks.integers(1, every=every, patience=patience)
        checks.at_least(0, tolerance=tolerance)
        self.every = every
        self.views = views
        self.patience = patience
        self.tolerance = tolerance
        self.references = {}
        super().__init__(images, feature, batch_size, values)

    def check(self, image_shape, values=None):
        super().check(image_shape, values)
        if not isinstance(self.views, tuple | list):
            return
        sizes = [len(view) for view in self.views]
        if sizes != 2 * [len(self.images)]:
            raise ValueError(
                "Board takes two arrays of views, each with as many images as "
                f"`images`, {len(self.images)}. Received: {sizes} images"
            )
        for view in self.views:
            expected = image_shape, 2, "Board", "as many as images"
            batches.check(view, *expected, values or self.values)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.references, self._values, self._last_change = {}, {}, 0
        views = self.views
        if views is None:
            views = getattr(self.model, "views", None)
        self._views, why = (), "the model has no views"
        if isinstance(views, tuple | list):
            self._views = tuple(views)
        elif views is not None:
            shape = features_lib.input_shape(self._encoder)
            self._views = two_views(views, self.images, shape)
        if self._views and np.array_equal(*self._views):
            self._views, why = (), "both views of each image are equal"
        if not self._views:
            logging.info(NO_VIEWS % why)

    def on_epoch_end(self, epoch, logs=None):
        if self.is_due(epoch):
            found = self.extract(self.images)
            self._last = self.measure(epoch, found)
            views = [self.extract(view) for view in self._views]
            for name in self._features:
                values = board(found[name], [view[name] for view in views])
                self._log_values(epoch, name, values, found[name].shape)
                self._last |= {f"{key}_{name}": v for key, v in values.items()}
            self._warn_if_unchanged(epoch)
        if logs is not None:
            logs.update(self._last)

    def _log_values(self, epoch, name, values, shape):
        """Logs the values of a feature beside their references."""
        if f"rank_me_{name}" not in self.references:
            random = np.random.default_rng(0).normal(size=(2, *shape))
            ends = {
                "random": board(random[0], random),
                "collapsed": board(np.ones(shape), np.ones((2, *shape))),
            }
            for key in values:
                # A collapsed spectrum has no slope.
                self.references[f"{key}_{name}"] = {
                    end: found[key] if np.isfinite(found[key]) else None
                    for end, found in ends.items()
                }
        texts = []
        for key, value in values.items():
            ends = self.references[f"{key}_{name}"]
            beside = "; ".join(
                "none" if end is None else f"{end:.2f}" for end in ends.values()
            )
            texts.append(f"{key} {value:.2f} ({beside})")
        logging.info(
            f"Epoch {epoch + 1}, {name!r} (random; collapsed features): "
            + ", ".join(texts)
        )

    def _warn_if_unchanged(self, epoch):
        for name in self.references:
            value = self._last[name]
            before = self._values.get(name)
            is_first = before is None
            if is_first or abs(value - before) > self.tolerance * abs(before):
                self._values[name] = value
                self._last_change = epoch
        num_epochs = epoch - self._last_change
        if num_epochs >= self.patience:
            share = 100 * self.tolerance
            logging.warning(UNCHANGED, share, num_epochs, epoch + 1)
            # No second warning before another change.
            self._last_change = np.inf


def board(
    features: np.ndarray, views: Sequence[np.ndarray] = ()
) -> dict[str, float]:
    """Returns the measures of one feature by their names.

    Args:
        features: float array `(num_images, units)`.
        views: two such arrays of the images' views, or none, which leaves out
            `"alignment"` and `"lidar"`. LiDAR also needs more images than
            units.
    """
    values = {
        "rank_me": measures.rank_me(features),
        "uniformity": measures.uniformity(features),
    }
    if min(features.shape[1], len(features) - 1) > 1:
        values["alpha_req"] = measures.alpha_req(features)
    if len(views):
        values["alignment"] = measures.alignment(*views)
        if len(features) > features.shape[1]:
            values["lidar"] = measures.lidar(np.stack(views, axis=1))
    return values


def two_views(
    views: Any, images: np.ndarray, image_shape: Sequence[int | None] | None
) -> tuple[np.ndarray, ...]:
    """Returns two views of each image as an encoder takes them, or `()`.

    Args:
        views: layer from images to views. It draws the same views at each
            call, and its random state is restored.
        images: array `(num_images, height, width, channels)`.
        image_shape: `(height, width, channels)` of the encoder, or None where
            it is not known. Views of other shapes, such as a single channel,
            are left out.
    """
    drawn = [
        _of_type(view, images.dtype)
        for _, view in show.draw_views(views, images, seed=0)
        if all(
            size in (None, own)
            for size, own in zip(
                image_shape or (), view.shape[1:], strict=False
            )
        )
    ]
    return tuple(drawn[:2]) if len(drawn) > 1 else ()


def _of_type(view, dtype):
    """Rounds views of integer images: a network is traced for each dtype."""
    if dtype.kind not in "iu":
        return view
    limits = np.iinfo(dtype)
    return np.clip(np.round(view), limits.min, limits.max).astype(dtype)
