"""Training that meets NaN or infinity stops, and says where it came from."""

import contextlib
import math
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from keras_dim.methods import base
from keras_dim.training import executions


class NonFiniteError(FloatingPointError):
    """A loss, a term of it or a weight is NaN or infinite.

    Args:
        epoch: int. From 0.
        steps: range. Steps of that epoch, from 0, of which one was the first
            that went wrong: with `steps_per_execution` there are several.
        terms: sequence of str. What of the loss is not finite, perhaps
            nothing.
        where: str. In words, what is known of the place.
        layer: str or None. The layer that is named there.

    Attributes:
        epoch, steps, terms, layer: the same.
    """

    def __init__(self, epoch, steps, terms, where, layer=None):
        self.epoch = epoch
        self.steps = steps
        self.terms = tuple(terms)
        self.layer = layer
        step = f"step {steps.start + 1}"
        if len(steps) > 1:
            step = f"steps {steps.start + 1} to {steps.stop}"
        what = "weights" if not terms else " and ".join(map(repr, self.terms))
        super().__init__(
            f"Training stopped at {step} of epoch {epoch + 1}: {what} came to "
            f"be NaN or infinite. {where}. Lower the learning rate, or look at "
            "what is named here; checkpoints are from before."
        )


class NonFiniteAlarm(keras.callbacks.Callback):
    """Stops `fit` with a `NonFiniteError` once a number is NaN or infinite.

    Keras's own logs of each step are looked at, which costs nothing; weights,
    those of the optimizer too, at the end of each epoch, as a ReLU may hide
    theirs from the loss. Only when the alarm
    goes off is the layer looked for. It is the first one whose weights are not
    finite; where the step has spread that to all layers, or to none (a
    loss-scaling optimizer leaves such steps out), the first one whose output
    for the images of the step is not finite, as far as these can be had again.

    Put it before all other callbacks, those that save above all.

    Args:
        batch_at: function of an epoch and a step, both from 0, that returns
            the batch of the step again; or `None`.
        model_before: function that returns the model as it was last saved, or
            `None`: what outputs are computed with where the weights are lost.
        first_step: int. Steps of the first epoch that were done before, in a
            run that goes on within it. Defaults to 0.

    Raises:
        NonFiniteError: in training, as said.

    Example:
    ```python
    model.fit(images, epochs=10, callbacks=[NonFiniteAlarm()])
    ```
    """

    def __init__(
        self,
        batch_at: Callable[[int, int], Any] | None = None,
        model_before: Callable[[], keras.Model | None] | None = None,
        first_step: int = 0,
    ):
        super().__init__()
        self.batch_at = batch_at
        self.model_before = model_before
        self.first_step = first_step
        self._epoch = self._done_before = 0
        self._first = 0
        self._steps = range(0)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._done_before, self.first_step = self.first_step, 0

    def on_train_batch_begin(self, batch, logs=None):
        self._first = batch

    def on_train_batch_end(self, batch, logs=None):
        done = executions.steps_done(self.model, self._first, batch)
        self._steps = range(
            self._done_before + self._first, self._done_before + done
        )
        self._check(logs or {})

    def on_epoch_end(self, epoch, logs=None):
        # What others have added may be NaN on purpose, as a probe that was
        # not due is.
        own = {"loss", *(metric.name for metric in self.model.metrics)}
        self._check({k: v for k, v in (logs or {}).items() if k in own})
        refuse_non_finite(self.model, self._epoch, self._steps)

    def _check(self, logs):
        terms = [name for name, value in logs.items() if not _is_finite(value)]
        if terms:
            # The loss is made of the others.
            terms = [name for name in terms if name != "loss"] or terms
            try:
                layer, where = self._place()
            except Exception as error:
                # What is known is told, whatever comes up in the search.
                reason = " ".join(str(error).split())[:200]
                layer, where = None, f"The layer was not found: {reason}"
            raise NonFiniteError(self._epoch, self._steps, terms, where, layer)

    def _place(self):
        """Returns the layer that it came from, if found, and a sentence."""
        hit = non_finite_layers(self.model)
        trained = _layers(self.model.trainable_variables)
        if hit and not set(trained) <= set(hit):
            return hit[0], (
                f"The first layer whose weights are not finite is {hit[0]!r}, "
                f"one of {len(hit)}"
            )
        model, whose = self.model, "All weights are finite"
        if hit:
            whose = "The step has spread it to the weights of all layers"
            model = self.model_before() if self.model_before else None
        if model is None or self.batch_at is None:
            return None, whose
        if hit:
            whose += "; with those of the last checkpoint"
        for step in self._steps:
            layer = first_non_finite_output(
                model, self.batch_at(self._epoch, step)
            )
            if layer:
                return layer, (
                    f"{whose}, the first layer whose output for these images "
                    f"is not finite is {layer!r}"
                )
        rest = (
            "training has diverged since"
            if hit
            else "it comes up in the loss itself, or in a random view"
        )
        return None, f"{whose}, every layer's output is finite: {rest}"


def refuse_non_finite(model: keras.Model, epoch: int, steps: range) -> None:
    """Raises a `NonFiniteError` if a model has weights that are not finite.

    Args:
        model: `keras.Model`.
        epoch: int. From 0, for the message.
        steps: range. The last steps, for the message.
    """
    hit = non_finite_layers(model)
    if hit:
        where = (
            f"The first layer of them is {hit[0]!r}, one of {len(hit)}, while "
            "the loss was still finite"
        )
        raise NonFiniteError(epoch, steps, (), where, hit[0])


def non_finite_layers(model: keras.Model) -> list[str]:
    """Returns the layers with weights that are NaN or infinite, in order.

    Args:
        model: `keras.Model`. Its optimizer counts as the last layer.

    Returns:
        list of str. The paths of the layers.
    """
    variables = list(model.variables)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        variables += optimizer.variables
    return _layers(
        variable
        for variable in variables
        if keras.backend.is_float_dtype(variable.dtype)
        and not _is_finite(variable.value)
    )


def first_non_finite_output(model: keras.Model, batch: Any) -> str | None:
    """Returns the first layer whose output for a batch is not finite.

    A layer within a layer comes first.

    Args:
        model: `keras.Model`. A method's terms are computed too.
        batch: what the model is called with, as in training.

    Returns:
        str or None. The layer's path.
    """
    found: list[str] = []
    with _watched(model, found):
        outputs = model(batch, training=True)
        if isinstance(model, base.SelfSupervisedModel):
            model.loss_terms(inputs=batch, outputs=outputs)
    return found[0] if found else None


@contextlib.contextmanager
def _watched(model: keras.Model, found: list[str]) -> Iterator[None]:
    """Has each layer add its path to `found` if its output is not finite."""
    layers = list(model._flatten_layers(include_self=False))

    def watch(layer):
        call = layer.call

        def watched(*args, **kwargs):
            outputs = call(*args, **kwargs)
            if not all(map(_is_finite, keras.tree.flatten(outputs))):
                found.append(layer.path or layer.name)
            return outputs

        layer.call = watched

    for layer in layers:
        watch(layer)
    try:
        yield
    finally:
        for layer in layers:
            # What the class has comes to light again.
            del layer.call


def _layers(variables):
    """The paths of the layers of variables, each once."""
    return list(
        dict.fromkeys(
            variable.path.rpartition("/")[0] or variable.path
            for variable in variables
        )
    )


def _is_finite(value):
    if isinstance(value, float):
        return math.isfinite(value)
    if not hasattr(value, "dtype"):
        # Scores that are not computed yet, numbers of pairs.
        return True
    if not keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(value.dtype)
    ):
        return True
    return bool(ops.convert_to_numpy(ops.all(ops.isfinite(value))))
