"""A slow copy of a network, which makes the targets of its student."""

import math

from keras import layers
from keras import ops


class Teacher(layers.Layer):
    """Follows a network by an exponential moving average of its parameters.

    At each step, `teacher = momentum * teacher + (1 - momentum) * student`,
    over parameters alone. Moving statistics of batch normalization are the
    teacher's own: called with `training=True`, it normalizes by its batch and
    updates them.

    The teacher's parameters are frozen one by one: they get no gradient and
    are unknown to the optimizer. (A frozen layer, `trainable = False`, would
    run its batch normalization in inference mode.) No gradient flows through
    its outputs.

    Call `follow()` at the start of each training step. This equals moving the
    teacher after the optimizer's step, as the authors do, except that after
    the last step the teacher has not moved yet.

    A method builds its teacher in `__init__`, from its own networks, which is
    why a teacher has no config. Its weights and its step are saved with the
    method.

    Args:
        networks: layer or model, or list of them to be applied one after the
            other. All are built.
        momentum: float. From 0, where the teacher equals the student, to 1,
            where it never moves. Defaults to 0.999.
        num_steps: int, or None for a constant momentum. Number of training
            steps over which it rises to 1, by `cosine_momentum`.
        fresh_start: bool. Whether the teacher starts from parameters drawn by
            the layers' own initializers (BYOL), rather than from a copy of the
            student's (MoCo). An initializer with a seed draws the student's
            again. Defaults to `False`.
        feature: str. Where a network returns a dict, the feature that the
            next one takes, or that is returned last. Defaults to `"global"`.

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722), Eq. 2;
    [Grill et al., 2020](https://arxiv.org/abs/2006.07733), Eq. 1.
    """

    def __init__(
        self,
        networks,
        momentum=0.999,
        num_steps=None,
        fresh_start=False,
        feature="global",
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(
                f"`momentum` must be from 0 to 1. Received: {momentum}"
            )
        if num_steps is not None and num_steps < 1:
            raise ValueError(
                "`num_steps` must be 1 or more, or None for a constant "
                f"momentum. Received: {num_steps}"
            )
        students = (
            networks if isinstance(networks, list | tuple) else [networks]
        )
        self.momentum = momentum
        self.num_steps = num_steps
        self.fresh_start = fresh_start
        self.feature = feature
        self.networks = [_clone(student) for student in students]
        pairs = []
        for network, student in zip(self.networks, students, strict=True):
            for slow, fast in zip(
                network.weights, student.weights, strict=True
            ):
                is_parameter = slow.trainable
                if not (fresh_start and is_parameter):
                    slow.assign(fast)
                if is_parameter:
                    slow.trainable = False
                    pairs.append((slow, fast))
        self._move = _MoveTowards(pairs)
        # How many training steps have begun. "int" is the integer that Keras
        # keeps on an accelerator, too.
        self.step = self.add_weight(
            name="step",
            shape=(),
            initializer="zeros",
            dtype="int",
            trainable=False,
        )
        self.built = True

    @property
    def trainable(self):
        return False

    @trainable.setter
    def trainable(self, value):
        # `method.trainable = True` would thaw the parameters.
        pass

    def call(self, inputs, training=False):
        outputs = inputs
        for network in self.networks:
            outputs = network(outputs, training=training)
            if isinstance(outputs, dict):
                outputs = outputs[self.feature]
        return ops.stop_gradient(outputs)

    def follow(self, every=1):
        """Moves the teacher towards the student and counts the step.

        At the very first step there is nothing to follow yet.

        Args:
            every: int. The teacher moves once in so many steps: those over
                which the optimizer accumulates gradients. Defaults to 1.
        """
        num_moves = self.step // every
        rate = 1.0 - self.momentum
        if self.num_steps is not None:
            rate *= _cosine_rate(num_moves - 1, self.num_steps)
        is_due = ops.logical_and(ops.equal(self.step % every, 0), self.step > 0)
        self._move(ops.where(is_due, rate, 0.0))
        self.step.assign(self.step + 1)


def cosine_momentum(step, momentum, num_steps):
    """Returns the momentum at a step, as it rises along half a cosine to 1.

    `1 - (1 - momentum) * (cos(pi * step / num_steps) + 1) / 2`, and 1 from
    `num_steps` on.

    Args:
        step: int tensor. Number of the optimizer's step, from 0 on.
        momentum: float. Momentum at step 0.
        num_steps: int. Step from which on the momentum is 1.
    """
    return 1.0 - (1.0 - momentum) * _cosine_rate(step, num_steps)


def _cosine_rate(step, num_steps):
    """Returns a rate that falls along half a cosine from 1 to 0."""
    share = ops.minimum(ops.cast(step, "float32") / num_steps, 1.0)
    return (ops.cos(math.pi * share) + 1.0) / 2.0


class _MoveTowards(layers.Layer):
    """Moves variables towards others.

    A layer of its own type, as calling it has mixed precision read variables
    in float32 even amid the call of a model that computes in float16.
    """

    def __init__(self, pairs):
        super().__init__(dtype="float32")
        # In a function, where Keras does not take the student's variables for
        # parts of this layer.
        self._pairs = lambda: pairs
        self.built = True

    def call(self, rate):
        for slow, fast in self._pairs():
            slow.assign(slow + rate * (fast - slow))
        return rate


def _clone(network):
    """Returns a network of the same layers with weights of its own."""
    clone = type(network).from_config(network.get_config())
    if not clone.built:
        clone.build_from_config(network.get_build_config())
    if not network.built or len(clone.weights) != len(network.weights):
        raise ValueError(
            "A teacher needs networks whose weights exist: call them once, or "
            f"`build` them. Received: {network.name!r} with "
            f"{len(network.weights)} weights"
        )
    return clone
