"""A slow copy of a network, which makes the targets of its student."""

import math

from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim.layers import memory


class NeverTrained(layers.Layer):
    """A layer whose weights stay frozen whatever its method is set to."""

    @property
    def trainable(self):
        return False

    @trainable.setter
    def trainable(self, value):
        # `method.trainable = True` would thaw them.
        pass


class Teacher(memory.StateLayer, NeverTrained):
    """Follows a network by an exponential moving average of its parameters.

    At each step, `teacher = momentum * teacher + (1 - momentum) * student`,
    over parameters alone. Moving statistics of batch normalization are the
    teacher's own, gathered where it is called with `training=True`. No
    gradient flows through its outputs.

    Call `follow()` at the start of each training step. This equals moving the
    teacher after the optimizer's step, as the authors do, except that after
    the last step the teacher has not moved yet.

    Args:
        networks: layer or model, or list of them to be applied one after the
            other. All are built.
        momentum: float. From 0, where the teacher equals the student, to 1,
            where it never moves. Defaults to 0.999.
        num_steps: int, or None for a constant momentum. Number of updates of
            the student over which it rises to 1 along half a cosine,
            `1 - (1 - momentum) * (cos(pi * step / num_steps) + 1) / 2`.
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
        super().__init__(**kwargs)
        checks.between(0, 1, momentum=momentum)
        checks.integers(1, **checks.given(num_steps=num_steps))
        if not isinstance(networks, list | tuple):
            networks = [networks]
        self.momentum = momentum
        self.num_steps = num_steps
        self.fresh_start = fresh_start
        self.feature = feature
        self.networks = [clone(student) for student in networks]
        pairs = []
        for own, student in zip(self.networks, networks, strict=True):
            pairs += zip(own.weights, student.weights, strict=True)
        self._move = _MoveTowards([pair for pair in pairs if pair[0].trainable])
        for slow, fast in pairs:
            if not (fresh_start and slow.trainable):
                # A copy: on JAX, variables of several devices would share
                # one buffer, which a step cannot give up twice.
                slow.assign(ops.copy(fast))
            # Not the layer, whose batch normalization would then run in
            # inference mode.
            slow.trainable = False
        # How many training steps have begun. "int" is the integer that Keras
        # keeps on an accelerator, too.
        self.step = self.add_state("step", dtype="int")

    def call(self, inputs, training=False):
        outputs = inputs
        for network in self.networks:
            outputs = network(outputs, training=training)
            if isinstance(outputs, dict):
                outputs = outputs[self.feature]
        return ops.stop_gradient(outputs)

    def follow(self, every=1):
        """Counts the step, and moves the teacher unless it is the first one.

        Args:
            every: int. The teacher moves once in so many steps: those over
                which the optimizer accumulates gradients. Defaults to 1.
        """
        rate = 1.0 - self.momentum
        if self.num_steps is not None:
            num_moves = ops.cast(self.step // every - 1, "float32")
            share = ops.minimum(num_moves / self.num_steps, 1.0)
            rate *= (ops.cos(math.pi * share) + 1.0) / 2.0
        is_due = ops.logical_and(ops.equal(self.step % every, 0), self.step > 0)
        self._move(ops.where(is_due, rate, 0.0))
        self.step.assign(self.step + 1)


class _MoveTowards(layers.Layer):
    """Moves variables towards others.

    Calling a float32 layer has mixed precision read variables in float32, even
    amid the call of a model that computes in float16.
    """

    def __init__(self, pairs):
        super().__init__(dtype="float32")
        # In a function, where Keras does not track the student's variables as
        # weights of this layer.
        self._pairs = lambda: pairs
        self.built = True

    def call(self, rate):
        for slow, fast in self._pairs():
            slow.assign(slow + rate * (fast - slow))
        return rate


def clone(network):
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
