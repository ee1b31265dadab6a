"""Stops a training in which a number becomes NaN or infinite."""

from collections.abc import Callable
from typing import Any

import keras

from keras_dim.training import non_finite
from keras_dim.training import step_callback


class NonFiniteError(FloatingPointError):
    """A loss, one of its terms or a weight is NaN or infinite.

    Args:
        epoch: int. From 0.
        steps: range. Steps of that epoch, from 0. It happened in one of them;
            with `steps_per_execution` there are several.
        terms: sequence of str. The terms that are not finite. Empty if only
            weights are not.
        where: str. A clause about the layer in which it appeared.
        layer: str or None. The path of that layer, if it was found.

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
        names = " and ".join(map(repr, self.terms)) or "weights"
        super().__init__(
            f"Training stopped at {step} of epoch {epoch + 1}: {names} became "
            f"NaN or infinite. {where}. Lower the learning rate, or examine "
            "the layer or loss named here. All checkpoints are from before."
        )


class NonFiniteAlarm(step_callback.StepCallback):
    """Stops `fit` with a `NonFiniteError` when a number is NaN or infinite.

    It reads the logs that Keras computes anyway after each step, and at the
    end of each epoch all weights, including those of the optimizer: a ReLU
    can hide a weight that is not finite from the loss.

    Only then is the layer searched for. If some layers have weights that are
    not finite, it is the first of them. If all layers do, since the step has
    spread NaN to all of them, or none does, since a loss-scaling optimizer
    skips such steps, it is the first layer whose output for the images of the
    step is not finite. That needs `batch_at` and, in the first case,
    `model_before`.

    Put it before all other callbacks, in particular before those that save.

    Args:
        batch_at: function of an epoch and a step, both from 0, that returns
            the batch of that step again; or `None`.
        model_before: function that returns the model as it was last saved, or
            `None`.
        first_step: int. Number of steps of the first epoch that a run had
            done before it was resumed. Defaults to 0.

    Raises:
        NonFiniteError: in training.

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
        super().__init__(first_step)
        self.batch_at = batch_at
        self.model_before = model_before

    def on_steps_end(self, logs):
        self._check(logs)

    def on_epoch_end(self, epoch, logs=None):
        # Other callbacks may add NaN on purpose, for a probe that was not due.
        own = {"loss", *(metric.name for metric in self.model.metrics)}
        self._check({k: v for k, v in (logs or {}).items() if k in own})
        refuse_non_finite(self.model, self.epoch, self.steps)

    def _check(self, logs):
        terms = [
            name
            for name, value in logs.items()
            if not non_finite.is_finite(value)
        ]
        if terms:
            # The loss is the sum of the other terms.
            terms = [name for name in terms if name != "loss"] or terms
            try:
                layer, where = self._find_layer()
            except Exception as error:
                # The search must not hide the error itself.
                reason = " ".join(str(error).split())[:200]
                layer, where = None, f"The layer was not found: {reason}"
            raise NonFiniteError(self.epoch, self.steps, terms, where, layer)

    def _find_layer(self):
        """Returns the layer, or None, and a clause about it."""
        broken = non_finite.non_finite_layers(self.model)
        trained = non_finite.layers_of(self.model.trainable_variables)
        if broken and not set(trained) <= set(broken):
            return broken[0], (
                "The first layer whose weights are not finite is "
                f"{broken[0]!r}, one of {len(broken)}"
            )
        model, state = self.model, "All weights are finite"
        if broken:
            state = "The step has spread it to the weights of all layers"
            model = self.model_before() if self.model_before else None
        if model is None or self.batch_at is None:
            return None, state
        if broken:
            state += "; with those of the last checkpoint"
        for step in self.steps:
            layer = non_finite.first_non_finite_output(
                model, self.batch_at(self.epoch, step)
            )
            if layer:
                return layer, (
                    f"{state}, the first layer whose output for these images "
                    f"is not finite is {layer!r}"
                )
        cause = (
            "training has diverged since"
            if broken
            else "it appeared in the loss itself, or in a random view"
        )
        return None, f"{state}, every layer's output is finite: {cause}"


def refuse_non_finite(model: keras.Model, epoch: int, steps: range) -> None:
    """Raises a `NonFiniteError` if a model has weights that are not finite.

    Args:
        model: `keras.Model`.
        epoch: int. From 0, for the message.
        steps: range. The last steps, for the message.
    """
    broken = non_finite.non_finite_layers(model)
    if broken:
        where = (
            f"The first layer with such weights is {broken[0]!r}, one of "
            f"{len(broken)}, while the loss was still finite"
        )
        raise NonFiniteError(epoch, steps, (), where, broken[0])
