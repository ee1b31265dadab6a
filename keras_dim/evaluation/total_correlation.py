"""How far the units of a representation are from independent: NDM."""

from typing import Any

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim.evaluation import spread
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import samples

# The columns of scores: rows as they are, and rows of shuffled units.
_AS_THEY_ARE = np.array([[1.0, 0.0]], "float32")
_SHUFFLED = np.array([[0.0, 1.0]], "float32")
# Training, choice of the step, and report.
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

    The neural dependency measure of Deep InfoMax: a network learns to tell
    features from features of which every unit was shuffled over the images on
    its own, by the Kullback-Leibler bound of f-GAN; the Donsker-Varadhan bound
    is reported. It is 0 for independent units.

    Args:
        features: float array `(num_images, units)`, 100 images or more, two
            units or more, at most half as many as images, and no row twice.
            They are standardised, which changes no dependence.
        hidden_units: tuple of int. Of the discriminator, with ReLU. Defaults
            to `(1000, 200)`.
        learning_rate: float. Of Adam. Defaults to `1e-4`.
        batch_size: int. Images to a step; all, where there are fewer. Defaults
            to 1000.
        steps: int. Most steps. Defaults to 1000.
        every: int. Steps between looks at the second part. Defaults to 50.
        seed: int. Of the parts, the weights and the shuffles. Defaults to 0.

    Returns:
        dict: `"nats"`, on the third part; `"error"`, its standard error from
        that part's size; `"ceiling"`, the logarithm of the number of its
        images, above which the bound is not to be trusted; `"num_steps"`,
        those trained; and `"protocol"`, a sentence with every setting.

    Differs from the authors' code, which reports on the batches it trains on:
    here six tenths of the images are trained on, two choose the step, and two
    are reported on. Shuffles are drawn anew for each step.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670), 4.1.
    """
    checks.above(0, learning_rate=learning_rate)
    checks.integers(1, batch_size=batch_size, steps=steps, every=every)
    features = spread.checked(features)
    half, distinct = len(features) // 2, samples.num_distinct(features)
    if len(features) < 100 or features.shape[1] < 2:
        raise ValueError(
            "The total correlation takes 100 images or more, and two units or "
            f"more. Received: shape {features.shape}"
        )
    deviation = features.std(axis=0)
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
            "another one, which the discriminator would know by heart: leave "
            "repetitions out"
        )
    features = (features - features.mean(axis=0)) / deviation
    features = features.astype("float32")
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
    """Returns rows `(images, units)`, each unit permuted on its own."""
    return draw.permuted(rows, axis=0)


def dependence_bounds(scores: Any) -> tuple[Any, Any]:
    """Returns the bound that trains the discriminator, and the reported one.

    Args:
        scores: tensor `(images, 2)`: of rows as they are, and of shuffled ones.

    Returns:
        Two scalars in nats: the Kullback-Leibler bound and Donsker-Varadhan's.
    """
    masks = _AS_THEY_ARE, _SHUFFLED
    return (
        bounds.kullback_leibler(scores, *masks),
        bounds.donsker_varadhan(scores, *masks),
    )


def _value(scores):
    """Returns the Donsker-Varadhan bound and its standard error."""
    nats = float(ops.convert_to_numpy(dependence_bounds(scores)[1]))
    joint, marginal = np.asarray(scores, np.float64).T
    weights = np.exp(marginal - marginal.max())
    # Of a mean, and of the logarithm of a mean.
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
