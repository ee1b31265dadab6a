"""What published recipes need of optimizers and Keras does not have."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_dim")
class L2Adam(keras.optimizers.Adam):
    """Adam with an L2 penalty in the gradient.

    What PyTorch calls the weight decay of Adam: the penalty passes through
    the moments. Keras's own `weight_decay` is that of AdamW, which takes a
    share of the weights at each step, apart from the moments.

    Args:
        learning_rate, beta_1, beta_2, epsilon: see `keras.optimizers.Adam`.
        l2: float. What of each weight is added to its gradient.
        **kwargs: handed on to Keras.
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        l2=1e-5,
        **kwargs,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        gradient = ops.cast(gradient, variable.dtype)
        super().update_step(
            gradient + self.l2 * variable, variable, learning_rate
        )

    def get_config(self):
        return super().get_config() | {"l2": self.l2}


@keras.saving.register_keras_serializable(package="keras_dim")
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises over the first steps, then falls by a factor at each boundary.

    Args:
        learning_rate: float. The highest one.
        boundaries: list of int. After how many steps it falls.
        factor: float. By what it is multiplied then.
        warmup_steps: int. Over how many steps it rises, from the first of
            equal steps. Defaults to 0.
    """

    def __init__(self, learning_rate, boundaries, factor, warmup_steps=0):
        self.learning_rate = learning_rate
        self.boundaries = list(boundaries)
        self.factor = factor
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.learning_rate, "float32")
        for boundary in self.boundaries:
            rate = ops.where(step >= boundary, rate * self.factor, rate)
        if self.warmup_steps:
            rate = rate * ops.minimum(1.0, (step + 1.0) / self.warmup_steps)
        return rate

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "boundaries": self.boundaries,
            "factor": self.factor,
            "warmup_steps": self.warmup_steps,
        }
