"""Critics of `estimate`: networks that score all pairs of vectors.

A critic holds several networks, its members, which do not share weights. It is
called as `critic(x, z)` with `(n, members, units of x)` and `(m, members, units
of z)`, and returns scores `(members, n, m)`, float32.
"""

import math

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable


class Perceptrons(layers.Layer):
    """A network per member, `(members, n, in)` to `(members, n, units)`.

    Args:
        widths: tuple of ints. Units of the hidden layers.
        units: int. Units of the output.
        from_zero: bool. Whether the output starts at 0. Defaults to True.
    """

    def __init__(self, widths, units, from_zero=True):
        super().__init__(dtype="float32")
        self.sizes = (*widths, units)
        self.from_zero = from_zero

    def build(self, shape):
        members, _, size = shape
        self.kernels, self.biases = [], []
        for i, units in enumerate(self.sizes):
            is_zero = self.from_zero and i == len(self.sizes) - 1
            deviation = 0.0 if is_zero else math.sqrt(2.0 / size)
            start = keras.initializers.RandomNormal(stddev=deviation)
            self.kernels.append(self.add_weight((members, size, units), start))
            self.biases.append(self.add_weight((members, 1, units), "zeros"))
            size = units

    def call(self, values):
        for i, (kernel, bias) in enumerate(
            zip(self.kernels, self.biases, strict=True)
        ):
            values = ops.silu(values) if i else values
            values = ops.matmul(values, kernel) + bias
        return values


class Critic(configurable.Configurable, layers.Layer):
    """Scores all pairs; see the module. Abstract: `score` is the formula.

    Args:
        widths: int or tuple of ints. Units of each network's hidden layers.
            Defaults to `(64, 64)`.
    """

    # Anchors scored at a time in inference, which bounds the memory.
    anchors_at_once = 1024

    def __init__(self, widths=(64, 64), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.widths = (widths,) if isinstance(widths, int) else tuple(widths)
        for width in self.widths:
            checks.integers(1, widths=width)

    def call(self, x, z):
        x, z = (ops.transpose(each, (1, 0, 2)) for each in (x, z))
        return self.score(x, z)

    def score(self, x, z):
        """Returns the scores of `(members, n, units)` vectors."""
        raise NotImplementedError

    def start(self, correlations, least=0.0):
        """Starts from canonical correlations `(members, k)`, if it can.

        Some of them are raised to `least`, so that they can be trained.
        """


def with_norm(values):
    """Appends the mean square, standardised as for normal vectors."""
    size = values.shape[-1]
    norm = ops.mean(ops.square(values), axis=-1, keepdims=True) - 1.0
    return ops.concatenate([values, norm * math.sqrt(size / 2.0)], axis=-1)


def log_norm(values):
    """Returns the log mean square, about standardised for normal vectors."""
    size = values.shape[-1]
    square = ops.mean(ops.square(values), axis=-1, keepdims=True)
    return (ops.log(square + 0.01) + 1.0 / size) * math.sqrt(size / 2.0)


@keras.saving.register_keras_serializable(package="keras_dim")
class GaussianCritic(Critic):
    """The log-ratio of densities of jointly normal units, of mapped vectors.

    Vectors are mapped by `f = x + network(x)` and `g = z + network(z)`. Pairs
    of units are scored by `log p(f, g) / (p(f) p(g))` of two standard normals
    with a learned correlation. This is exact from the start for jointly normal
    x and z, and can be learned for others that some maps make jointly normal.
    One more unit starts as the length of the vector, which heavy tails share.
    """

    def build(self, x_shape, z_shape):
        members = x_shape[1]
        self.num_own = min(x_shape[-1], z_shape[-1])
        units = self.num_own + 1
        self.of_x = Perceptrons(self.widths, units)
        self.of_z = Perceptrons(self.widths, units)
        self.line_x = Perceptrons((), units)
        self.line_z = Perceptrons((), units)
        start = keras.initializers.Constant(0.2)
        self.slopes = self.add_weight((members, units), start)

    def start(self, correlations, least=0.0):
        slopes = ops.convert_to_numpy(self.slopes).copy()
        units = min(self.num_own, correlations.shape[1])
        slopes[:, :units] = correlations[:, :units]
        # A map whose correlation is 0 has no gradient. A few can be trained.
        slopes[:, :4] = np.maximum(slopes[:, :4], least)
        slopes[:, self.num_own :] = least
        self.slopes.assign(np.arctanh(np.minimum(slopes, 0.99)))

    def score(self, x, z):
        f = self._mapped(x, self.of_x, self.line_x)
        g = self._mapped(z, self.of_z, self.line_z)
        r = 0.999 * ops.tanh(self.slopes)[:, None, :]
        rest = 1.0 - ops.square(r)
        alone = -0.5 * ops.square(r) / rest
        of_x = ops.sum(alone * ops.square(f) - 0.5 * ops.log(rest), axis=-1)
        of_z = ops.sum(alone * ops.square(g), axis=-1)
        both = ops.matmul(f * r / rest, ops.transpose(g, (0, 2, 1)))
        return both + of_x[:, :, None] + of_z[:, None, :]

    def _mapped(self, values, network, line):
        own = [values[..., : self.num_own], log_norm(values)]
        normed = with_norm(values)
        return ops.concatenate(own, axis=-1) + network(normed) + line(normed)


@keras.saving.register_keras_serializable(package="keras_dim")
class SeparableCritic(Critic):
    """Inner products of encodings of x and z, and a learned bias of each x.

    Args:
        widths: see `Critic`.
        units: int. Units of the encodings. Defaults to 32.
    """

    def __init__(self, widths=(64, 64), units=32, **kwargs):
        super().__init__(widths, **kwargs)
        checks.integers(1, units=units)
        self.units = units

    def build(self, x_shape, z_shape):
        self.of_x = Perceptrons(self.widths, self.units + 1)
        self.of_z = Perceptrons(self.widths, self.units, from_zero=False)

    def score(self, x, z):
        f, g = self.of_x(with_norm(x)), self.of_z(with_norm(z))
        both = ops.matmul(f[..., 1:], ops.transpose(g, (0, 2, 1)))
        return both / math.sqrt(self.units) + f[:, :, :1]


@keras.saving.register_keras_serializable(package="keras_dim")
class BilinearCritic(Critic):
    """`x W z` plus a bias: scores linear dependence only."""

    def build(self, x_shape, z_shape):
        sizes = (x_shape[1], x_shape[-1], z_shape[-1])
        self.kernel = self.add_weight(sizes, "zeros")
        self.bias = self.add_weight((x_shape[1], 1, 1), "zeros")

    def score(self, x, z):
        mapped = ops.matmul(x, self.kernel)
        return ops.matmul(mapped, ops.transpose(z, (0, 2, 1))) + self.bias


@keras.saving.register_keras_serializable(package="keras_dim")
class JointCritic(Critic):
    """A network of both vectors, run for each pair.

    It is the most general and the slowest: its work grows with the square of
    the batch. It needs one hidden layer or more.
    """

    anchors_at_once = 16

    def __init__(self, widths=(64, 64), **kwargs):
        super().__init__(widths, **kwargs)
        checks.integers(1, **{"number of widths": len(self.widths)})

    def build(self, x_shape, z_shape):
        self.of_x = Perceptrons((), self.widths[0], from_zero=False)
        self.of_z = Perceptrons((), self.widths[0], from_zero=False)
        self.of_both = Perceptrons(self.widths[1:], 1)

    def score(self, x, z):
        f, g = self.of_x(with_norm(x)), self.of_z(with_norm(z))
        both = ops.silu(f[:, :, None, :] + g[:, None, :, :])
        members, n, m, units = ops.shape(both)
        scores = self.of_both(ops.reshape(both, (members, n * m, units)))
        return ops.reshape(scores, (members, n, m))


@keras.saving.register_keras_serializable(package="keras_dim")
class ConditionalCritic(Critic):
    """The log-density of z given x: a normal whose moments are networks of x.

    For the upper bounds `club` and `leave_one_out`.
    """

    def build(self, x_shape, z_shape):
        self.of_x = Perceptrons(self.widths, 2 * z_shape[-1])
        self.shortcut = Perceptrons((), z_shape[-1])

    def score(self, x, z):
        mean, log_scale = ops.split(self.of_x(with_norm(x)), 2, axis=-1)
        mean = mean + self.shortcut(x)
        log_scale = 3.0 * ops.tanh(log_scale / 3.0)
        precision = ops.exp(-2.0 * log_scale)
        transposed = ops.transpose(z, (0, 2, 1))
        square = ops.matmul(precision, ops.square(transposed))
        square = square - 2.0 * ops.matmul(precision * mean, transposed)
        of_x = ops.sum(precision * ops.square(mean) + 2.0 * log_scale, axis=-1)
        constant = z.shape[-1] * math.log(2.0 * math.pi)
        return -0.5 * (square + of_x[:, :, None] + constant)


CRITICS = {
    "gaussian": GaussianCritic,
    "separable": SeparableCritic,
    "joint": JointCritic,
    "bilinear": BilinearCritic,
    "conditional": ConditionalCritic,
}
