"""The neural dependency measure (NDM): total correlation of units."""

from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim.evaluation import spread
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import samples

# Masks of the columns of scores: those of features, and of shuffled ones.
_JOINT = np.array([[1.0, 0.0]], "float32")
_SHUFFLED = np.array([[0.0, 1.0]], "float32")
# Where the shuffled images are cut: to train, to choose the step, to report.
_PARTS = (0.6, 0.8)


def total_correlation(
    features: np.ndarray,
    hidden_units: tuple[int, ...] = (1000, 200),
    learning_rate: float = 1e-4,
    batch_size: int = 1000,
    steps: int = 1000,
    every: int = 50,
    seed: int = 0,
) -> dict[str, Any]:
    """Estimates the total correlation of features by a discriminator, NDM.

    The neural dependency measure of Deep InfoMax. A network learns to tell
    features from shuffled features, in which each unit is permuted over the
    images independently. It is trained by the Kullback-Leibler bound of f-GAN;
    the Donsker-Varadhan bound is reported, 0 nats for independent units.

    Args:
        features: float array `(num_images, units)` of 100 images or more and
            two units or more, at most half as many as images. Rows must not
            repeat. They are standardised, which changes no dependence.
        hidden_units: tuple of int. Widths of the discriminator's hidden layers,
            with ReLU. Defaults to `(1000, 200)`.
        learning_rate: float. Of Adam. Defaults to `1e-4`.
        batch_size: int. Images per step; all if there are fewer. Defaults to
            1000.
        steps: int. Most steps. Defaults to 1000.
        every: int. Steps from one evaluation on the second part to the next.
            Defaults to 50.
        seed: int. Of the parts, the weights and the shuffles. Defaults to 0.

    Returns:
        dict: `"nats"`, on the third part; `"error"`, its standard error over
        samples of that size; `"ceiling"`, the logarithm of the number of its
        images, above which the bound cannot be trusted; `"num_steps"`, the
        steps of training; and `"protocol"`, a sentence with every setting.

    Raises:
        ValueError: for other shapes, features that are not finite, units that
            do not vary, repeated rows, and a training that diverges.

    Differs from the authors' code, which reports the bound on training batches:
    here 60 % of the images are trained on, 20 % choose the step, and 20 % are
    reported on. Each step shuffles again.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670), section
    4.1.
    """
    checks.above(0, learning_rate=learning_rate)
    checks.integers(1, batch_size=batch_size, steps=steps, every=every)
    for units in hidden_units:
        checks.integers(1, hidden_units=units)
    features = spread.checked(features)
    half, distinct = len(features) // 2, samples.num_distinct(features)
    if len(features) < 100 or features.shape[1] < 2:
        raise ValueError(
            "The total correlation takes 100 images or more, and two units or "
            f"more. Received: shape {features.shape}"
        )
    deviation = spread.deviations(features)
    if not np.isfinite(features).all() or not deviation.all():
        raise ValueError(
            "Features must be finite, and every unit must vary. Received: "
            f"{np.count_nonzero(deviation == 0)} units that do not vary, "
            f"{np.count_nonzero(~np.isfinite(features))} numbers not finite"
        )
    if features.shape[1] > half:
        raise ValueError(
            f"Of {len(features):,} images at most {half:,} units can be "
            "measured: take more images, or principal components. Received: "
            f"{features.shape[1]:,} units"
        )
    if half <= distinct < len(features):
        raise ValueError(
            f"{len(features) - distinct:,} of {len(features):,} rows repeat "
            "another one, which the discriminator would memorise: leave "
            "repetitions out"
        )
    features = (spread.centred(features) / deviation).astype("float32")
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(features))
    cuts = [round(part * len(order)) for part in _PARTS]
    train, choose, report = (features[p] for p in np.split(order, cuts))
    model = _discriminator(features.shape[1], hidden_units, learning_rate, seed)
    pairs = [(part, shuffled(part, draw)) for part in (choose, report)]
    best, kept, num_steps = -np.inf, model.get_weights(), 0
    for step in range(1, steps + 1):
        rows = train[draw.integers(0, len(train), min(batch_size, len(train)))]
        model.train_on_batch([rows, shuffled(rows, draw)], rows[:, :2])
        if step % every == 0 or step == steps:
            value = _value(model.predict_on_batch(list(pairs[0])))[0]
            if value > best:
                best, kept, num_steps = value, model.get_weights(), step
    if not num_steps:
        raise ValueError(
            "The discriminator diverged: use a lower learning rate. Received: "
            f"learning_rate={learning_rate:g}"
        )
    model.set_weights(kept)
    nats, error = _value(model.predict_on_batch(list(pairs[1])))
    return {
        "nats": nats,
        "error": error,
        "ceiling": float(np.log(len(report))),
        "num_steps": num_steps,
        "protocol": (
            f"discriminator of {'-'.join(map(str, hidden_units))}-1 units on "
            f"{features.shape[1]} standardised features, trained by the KL "
            f"bound on {len(train)} images, Adam (learning rate "
            f"{learning_rate:g}), batches of {min(batch_size, len(train))}, "
            f"{num_steps} of {steps} steps chosen on {len(choose)} images, "
            f"Donsker-Varadhan bound on {len(report)} others, seed {seed}"
        ),
    }


def shuffled(rows: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Returns rows `(images, units)`, each unit permuted independently."""
    return draw.permuted(rows, axis=0)


def dependence_bounds(scores: Any) -> tuple[Any, Any]:
    """Returns the bound that trains the discriminator, and the reported one.

    Args:
        scores: tensor `(images, 2)`: of features, and of shuffled features.

    Returns:
        Two scalars in nats: the Kullback-Leibler bound and Donsker-Varadhan's.
    """
    masks = _JOINT, _SHUFFLED
    return (
        bounds.kullback_leibler(scores, *masks),
        bounds.donsker_varadhan(scores, *masks),
    )


def _value(scores):
    """Returns the Donsker-Varadhan bound and its standard error."""
    nats = float(ops.convert_to_numpy(dependence_bounds(scores)[1]))
    joint, marginal = np.asarray(scores, np.float64).T
    weights = np.exp(marginal - marginal.max())
    # Variances of a mean, and of the logarithm of a mean (delta method).
    variance = joint.var() + weights.var() / weights.mean() ** 2
    return nats, float(np.sqrt(variance / len(joint)))


def _discriminator(units, hidden_units, learning_rate, seed):
    seeds = iter(range(seed, seed + len(hidden_units) + 1))

    def dense(units, activation=None):
        uniform = keras.initializers.GlorotUniform(next(seeds))
        return layers.Dense(
            units, activation, kernel_initializer=uniform, dtype="float32"
        )

    hidden = [dense(each, "relu") for each in hidden_units]
    network = keras.Sequential([*hidden, dense(1)])
    inputs = [keras.Input((units,), dtype="float32") for _ in range(2)]
    scores = layers.Concatenate(dtype="float32")([network(x) for x in inputs])
    model = keras.Model(inputs, scores)
    model.compile(
        keras.optimizers.Adam(learning_rate),
        lambda _, scores: -dependence_bounds(scores)[0],
        auto_scale_loss=False,
    )
    return model
