"""A slowly moving copy of a network, which gives targets to its student."""

import math

from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim.layers import memory


class NeverTrained(layers.Layer):
    """A layer whose weights stay frozen when its model is set to trainable."""

    @property
    def trainable(self):
        return False

    @trainable.setter
    def trainable(self, value):
        # `method.trainable = True` would unfreeze the weights.
        pass


class Teacher(memory.StateLayer, NeverTrained):
    """Follows a network by an exponential moving average of its parameters.

    At each step, `teacher = momentum * teacher + (1 - momentum) * student` for
    all trainable weights. The moving statistics of batch normalization are the
    teacher's own, of its calls with `training=True`. No gradient flows through
    its outputs.

    Call `follow()` at the start of each training step. This equals moving the
    teacher after the optimizer's step, as the authors do, except that after
    the last step the teacher has not moved yet.

    Args:
        networks: layer or model, or a list of them that are applied in turn.
            All are built.
        momentum: float, from 0 (the teacher equals the student) to 1 (the
            teacher never moves). Defaults to 0.999.
        num_steps: int, or None for a constant momentum. Number of updates of
            the student over which the momentum rises to 1 along half a cosine,
            `1 - (1 - momentum) * (cos(pi * step / num_steps) + 1) / 2`.
        fresh_start: bool. Whether the teacher starts from new weights drawn by
            the layers' initializers (BYOL), rather than from a copy of the
            student's (MoCo). An initializer with a seed draws the student's
            weights again. Defaults to `False`.
        feature: str. If a network returns a dict, the feature that the next
            network gets, or that is returned. Defaults to `"global"`.

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
                # On JAX, a variable on several devices would share the buffer
                # of its source, which a step cannot donate twice.
                slow.assign(ops.copy(fast))
            # Not the layer, whose batch normalization would then run in
            # inference mode.
            slow.trainable = False
        # Number of steps begun. Keras keeps "int" on accelerators, too.
        self.step = self.add_state("step", dtype="int")

    def call(self, inputs, training=False):
        outputs = inputs
        for network in self.networks:
            outputs = network(outputs, training=training)
            if isinstance(outputs, dict):
                outputs = outputs[self.feature]
        return ops.stop_gradient(outputs)

    def follow(self, every=1):
        """Counts a step, and moves the teacher unless it is the first step.

        Args:
            every: int. Number of steps from one move to the next: those over
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

    It is a float32 layer, so that mixed precision reads the variables in
    float32, even within the call of a float16 model.
    """

    def __init__(self, pairs):
        super().__init__(dtype="float32")
        # Behind a function, so that Keras does not track the student's
        # variables as weights of this layer.
        self._pairs = lambda: pairs
        self.built = True

    def call(self, rate):
        for slow, fast in self._pairs():
            slow.assign(slow + rate * (fast - slow))
        return rate


def clone(network):
    """Returns a copy of a built network with new weights.

    Raises a `ValueError` for a network that is not built.
    """
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
