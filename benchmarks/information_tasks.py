"""The 40 tasks of a public benchmark of mutual information, rebuilt.

Each draws `(x, z)` with known information. The distributions are those of
[Czyz et al., 2023](https://arxiv.org/abs/2306.11078); the truths are closed
forms, unchanged by the bijections that a name begins with.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from scipy import special


@dataclasses.dataclass(frozen=True)
class Task:
    """A pair of random vectors. `draw(generator, n)` returns `(x, z)`."""

    name: str
    nats: float
    draw: Callable

    def sample(self, num_samples, seed):
        """Returns float64 arrays `(samples, units of x)` and of z."""
        return self.draw(np.random.default_rng(seed), num_samples)

    def mapped(self, prefix, of_x, of_z=None, base=None):
        """Returns the task after bijections of x and of z."""

        def draw(generator, num_samples):
            x, z = self.draw(generator, num_samples)
            return of_x(x), (of_z or of_x)(z)

        return Task(f"{prefix}-{base or self.name}", self.nats, draw)


def normal(name, covariance, num_x):
    """Returns a normal task; its information follows from determinants."""

    def log_det(matrix):
        return np.linalg.slogdet(matrix)[1]

    nats = 0.5 * (
        log_det(covariance[:num_x, :num_x])
        + log_det(covariance[num_x:, num_x:])
        - log_det(covariance)
    )
    root = np.linalg.cholesky(covariance)

    def draw(generator, num_samples):
        both = generator.normal(size=(num_samples, len(root))) @ root.T
        return both[:, :num_x], both[:, num_x:]

    return Task(name, nats, draw)


def dense(num_units, correlation):
    """All coordinates of both vectors have the same correlation."""
    size = 2 * num_units
    covariance = np.full((size, size), correlation)
    np.fill_diagonal(covariance, 1.0)
    name = f"multinormal-dense-{num_units}-{num_units}-{correlation}"
    return normal(name, covariance, num_units)


def sparse(num_units):
    """Two pairs of coordinates are correlated by 0.8, all others by 0."""
    covariance = np.eye(2 * num_units)
    for i in range(2):
        covariance[i, num_units + i] = covariance[num_units + i, i] = 0.8
    name = f"multinormal-sparse-{num_units}-{num_units}-2-2.0"
    return normal(name, covariance, num_units)


def student(num_x, num_z, freedom):
    """A multivariate t distribution: uncorrelated, with a common scale."""

    def correction(units):
        half = (freedom + units) / 2
        slope = special.digamma(half) - special.digamma(freedom / 2)
        ratio = special.gammaln(freedom / 2) - special.gammaln(half)
        return ratio + half * slope

    def draw(generator, num_samples):
        both = generator.normal(size=(num_samples, num_x + num_z))
        scale = generator.chisquare(freedom, size=(num_samples, 1)) / freedom
        both = both / np.sqrt(scale)
        return both[:, :num_x], both[:, num_x:]

    nats = correction(num_x) + correction(num_z)
    nats -= correction(num_x + num_z)
    return Task(f"student-identity-{num_x}-{num_z}-{freedom}", nats, draw)


def additive(noise):
    """x is uniform in [0, 1], z is x and uniform noise in [-noise, noise]."""

    def draw(generator, num_samples):
        x = generator.uniform(size=(num_samples, 1))
        return x, x + generator.uniform(-noise, noise, size=x.shape)

    is_small = noise <= 0.5
    nats = noise - np.log(2 * noise) if is_small else 1 / (4 * noise)
    return Task(f"1v1-additive-{noise}", nats, draw)


def half_cube(x):
    """Returns x to the power of 3/2, with its sign: longer tails."""
    return np.sign(x) * np.abs(x) ** 1.5


def spiral(first, x):
    """Rotates a plane of the vectors by an angle that grows with their norm.

    The plane is that of the coordinates `first` and `first + 1`; the angle is
    the mean square of the coordinates.
    """
    angle = np.mean(x**2, axis=1)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = x.copy()
    turned[:, first] = cos * x[:, first] - sin * x[:, first + 1]
    turned[:, first + 1] = sin * x[:, first] + cos * x[:, first + 1]
    return turned


def swiss_roll(x):
    """Maps [0, 1] to a spiral in the plane."""
    angle = 1.5 * np.pi * (1 + 2 * x)
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * angle / 21


def wiggly_x(x):
    """Adds sines to x; the map is increasing."""
    return (
        x
        + 0.4 * np.sin(x)
        + 0.2 * np.sin(1.7 * x + 1)
        + 0.03 * np.sin(3.3 * x - 2.5)
    )


def wiggly_z(z):
    """Adds other sines to z; the map is increasing."""
    return (
        z
        - 0.4 * np.sin(0.4 * z)
        + 0.17 * np.sin(1.3 * z + 3.5)
        + 0.02 * np.sin(4.3 * z - 2.5)
    )


def two_modes(weight, first, second, x):
    """Maps a normal variable to a mixture of two normals, by quantiles."""
    grid = np.linspace(-12.0, 15.0, 20_001)
    cdf = weight * special.ndtr(grid - first)
    cdf += (1 - weight) * special.ndtr(grid - second)
    # In logits, because a cumulative distribution is flat at both ends.
    odds, of_x = (
        special.logit(np.clip(p, 1e-15, 1 - 1e-15))
        for p in (cdf, special.ndtr(x))
    )
    grows = np.diff(odds, prepend=-np.inf) > 0
    return np.interp(of_x, odds[grows], grid[grows])


def _tasks():
    pair = normal("1v1-normal-0.75", np.array([[1, 0.75], [0.75, 1]]), 1)
    sparses = {n: sparse(n) for n in (2, 3, 5, 25)}
    tails = [student(n, m, f) for n, m, f in ((1, 1, 1), (2, 2, 1), (3, 3, 2))]
    tails.append(student(5, 5, 2))
    spirals = functools.partial(spiral, 0), functools.partial(spiral, 1)
    modes = (
        functools.partial(two_modes, 0.3, 0.0, 5.0),
        functools.partial(two_modes, 0.5, -1.0, 3.0),
    )
    uniform = pair.mapped("normal_cdf", special.ndtr)
    yield pair
    yield uniform
    yield pair.mapped("wiggly", wiggly_x, wiggly_z)
    yield pair.mapped("half_cube", half_cube)
    yield uniform.mapped("swissroll_x", swiss_roll, lambda z: z)
    yield pair.mapped("1v1", *modes, base="bimodal-0.75")
    yield from (additive(0.1), additive(0.75))
    yield from (dense(n, 0.5) for n in (2, 3, 5, 25, 50))
    yield from sparses.values()
    for n in (3, 5, 25):
        as_uniform = sparses[n].mapped("normal_cdf", special.ndtr)
        yield as_uniform
        yield sparses[n].mapped("half_cube", half_cube)
        yield sparses[n].mapped("spiral", *spirals)
        yield as_uniform.mapped("spiral", *spirals)
    yield from tails
    yield from (task.mapped("asinh", np.arcsinh) for task in tails)
    yield from (student(2, 2, 2), student(3, 3, 3), student(5, 5, 3))


TASKS = {task.name: task for task in _tasks()}
