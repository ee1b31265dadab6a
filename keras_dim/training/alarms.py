"""Stops a training in which a loss or a weight becomes NaN or infinite."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_dim import checks
from keras_dim.methods import base


class NonFiniteError(FloatingPointError):
    """A loss, one of its terms or a weight is NaN or infinite.

    Attributes:
        epoch: int. Counted from 0.
        steps: range. The steps, counted from 0, in one of which it happened.
        terms: tuple of str. The loss terms that are not finite, none if only
            weights are not.
        layer: str or None. The path of the first layer that is not finite, or
            None if it was not found.
    """

    def __init__(self, epoch, steps, terms, where, layer=None):
        self.epoch = epoch
        self.steps = steps
        self.terms = tuple(terms)
        self.layer = layer
        first, last = steps.start + 1, steps.stop
        step = f"step {last}" if first == last else f"steps {first} to {last}"
        names = " and ".join(map(repr, self.terms)) or "weights"
        super().__init__(
            f"Training stopped at {step} of epoch {epoch + 1}: {names} became "
            f"NaN or infinite. {where}. Lower the learning rate, or examine "
            "the layer or loss named here. All checkpoints are from earlier "
            "steps."
        )


class StepCallback(keras.callbacks.Callback):
    """Calls `on_steps_end` after every `steps_per_execution` steps; abstract.

    Args:
        first_step: int. Number of steps of its first epoch that a resumed run
            has done before.

    Attributes:
        epoch: int. The epoch, counted from 0.
        steps: range. The latest steps, counted from 0 in the epoch.
    """

    def __init__(self, first_step: int = 0):
        super().__init__()
        self.epoch = 0
        self.steps = range(0)
        self._next_offset = first_step
        self._offset = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self._offset, self._next_offset = self._next_offset, 0

    def on_train_batch_begin(self, batch, logs=None):
        # `batch` is the first step here. In `on_train_batch_end` it is the
        # first or the last one, depending on Keras's version.
        first = self._offset + batch
        self.steps = range(first, first + self.model.steps_per_execution)

    def on_train_batch_end(self, batch, logs=None):
        self.on_steps_end(logs or {})


class NonFiniteAlarm(StepCallback):
    """Stops `fit` with a `NonFiniteError` when a number is NaN or infinite.

    It checks the logs after each step and, at the end of each epoch, all
    weights, including the optimizer's, since a ReLU can keep a weight that is
    not finite out of the loss. Put it before all other callbacks.

    The error names the first layer whose weights are not finite. If that is so
    for all layers after the step, or for none, as with a loss-scaling
    optimizer, it names the first layer whose output for the images of the step
    is not finite. This needs `batch_at` and, in the first case,
    `model_before`.

    Args:
        batch_at: function of an epoch and a step, both counted from 0, that
            returns the batch of that step; or `None`.
        model_before: function that returns the last saved model; or `None`.
        first_step: int. See `StepCallback`. Defaults to 0.
    """

    def __init__(
        self,
        batch_at: Callable[[int, int], Any] | None = None,
        model_before: Callable[[], keras.Model | None] | None = None,
        first_step: int = 0,
    ):
        super().__init__(first_step)
        self.batch_at = batch_at
        self.model_before = model_before

    def on_steps_end(self, logs):
        terms = [name for name, value in logs.items() if not is_finite(value)]
        if terms:
            # The loss is the sum of the other terms.
            terms = [name for name in terms if name != "loss"] or terms
            try:
                layer, where = self._find_layer()
            except Exception as error:
                # An error of the search must not hide the alarm.
                reason = checks.in_one_line(error)
                layer, where = None, f"The layer was not found: {reason}"
            raise NonFiniteError(self.epoch, self.steps, terms, where, layer)

    def on_epoch_end(self, epoch, logs=None):
        # Other callbacks add NaN on purpose for a probe that was not run.
        own = {"loss", *(metric.name for metric in self.model.metrics)}
        self.on_steps_end({k: v for k, v in (logs or {}).items() if k in own})
        refuse_non_finite(self.model, self.epoch, self.steps)

    def _find_layer(self):
        """Returns the layer, or None, and a clause of the message about it."""
        broken = non_finite_layers(self.model)
        trained = _layers_of(self.model.trainable_variables)
        if broken and not set(trained) <= set(broken):
            return broken[0], _first_of(broken)
        model, state = self.model, "All weights are finite"
        diverged = "it appeared in the loss itself, or in a random view"
        if broken:
            state = "After the step the weights of all layers are not finite"
            model = self.model_before and self.model_before()
        if model is None or self.batch_at is None:
            return None, state
        if broken:
            state += "; with those of the last checkpoint"
            diverged = "training has diverged since"
        for step in self.steps:
            batch = self.batch_at(self.epoch, step)
            layer = first_non_finite_output(model, batch)
            if layer:
                where = "the first layer whose output for these images is not"
                return layer, f"{state}, {where} finite is {layer!r}"
        return None, f"{state}, every layer's output is finite: {diverged}"


def refuse_non_finite(model: keras.Model, epoch: int, steps: range) -> None:
    """Raises a `NonFiniteError` if a model has weights that are not finite."""
    broken = non_finite_layers(model)
    if broken:
        where = f"{_first_of(broken)}, while the loss was still finite"
        raise NonFiniteError(epoch, steps, (), where, broken[0])


def _first_of(layers):
    is_first = "The first layer whose weights are not finite is"
    return f"{is_first} {layers[0]!r}, one of {len(layers)}"


def non_finite_layers(model: keras.Model) -> list[str]:
    """Returns the paths of the layers whose weights are not all finite.

    The optimizer counts as the last layer.
    """
    optimizer = getattr(model, "optimizer", None)
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    return _layers_of(v for v in variables if not is_finite(v.value))


def first_non_finite_output(model: keras.Model, batch: Any) -> str | None:
    """Returns the path of the first layer whose output is not finite.

    An inner layer comes before its outer one; loss terms are computed, too.
    """
    found = []

    def recorded(layer, call, *args, **kwargs):
        outputs = call(*args, **kwargs)
        if not all(map(is_finite, keras.tree.flatten(outputs))):
            found.append(layer.path or layer.name)
        return outputs

    layers = list(model._flatten_layers(include_self=False))
    for layer in layers:
        layer.call = functools.partial(recorded, layer, layer.call)
    try:
        outputs = model(batch, training=True)
        if isinstance(model, base.SelfSupervisedModel):
            model.loss_terms(outputs)
    finally:
        for layer in layers:
            # The attribute hides the method of the class.
            del layer.call
    return found[0] if found else None


def is_finite(value: Any) -> bool:
    """Returns whether a number or tensor has neither NaN nor infinity."""
    if isinstance(value, float):
        return math.isfinite(value)
    dtype = keras.backend.standardize_dtype(getattr(value, "dtype", "int32"))
    if not keras.backend.is_float_dtype(dtype):
        return True
    return bool(ops.convert_to_numpy(ops.all(ops.isfinite(value))))


def _layers_of(variables):
    """Returns the paths of the layers of variables, without duplicates."""
    paths = (v.path.rpartition("/")[0] or v.path for v in variables)
    return list(dict.fromkeys(paths))
