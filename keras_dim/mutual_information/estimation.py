"""Estimates the mutual information of samples, in nats."""

import dataclasses
import functools
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_dim import batches
from keras_dim import checks
from keras_dim import parts
from keras_dim.mutual_information import critics
from keras_dim.mutual_information import readings
from keras_dim.mutual_information import references
from keras_dim.mutual_information import samples


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Mutual information in nats, and its uncertainty.

    Attributes:
        nats: float. The estimate.
        low, high: floats. 95 % confidence interval for other samples. It does
            not include what the critic failed to learn. NaN for references.
        ceiling: float, or None. The greatest value of the estimator.
        is_saturated: bool. Whether the truth may be far greater: the estimate
            is near its ceiling or near the logarithm of the number of samples,
            or x and z have a number in common, which is infinite information.
        side: str. Whether `nats` is on average a lower bound, an estimate, or
            an upper bound if the conditional density is right; see `readings`.
        estimator: str. Its name.
        num_samples: int.
        history: dict of lists. `"objective"` is the mean objective of each
            epoch on samples that the critics are not trained on.
    """

    nats: float
    low: float
    high: float
    ceiling: float | None
    is_saturated: bool
    side: str
    estimator: str
    num_samples: int
    history: dict = dataclasses.field(repr=False)

    def __str__(self):
        text = f"{self.nats:.3f} nats"
        if not math.isnan(self.low):
            text += f" (95 % of samples: {self.low:.3f} to {self.high:.3f})"
        text += f", {self.side} by {self.estimator}"
        text += f" from {self.num_samples:,} samples"
        if self.ceiling is not None:
            text += f", at most {self.ceiling:.3f}"
        if self.is_saturated:
            text += ". Saturated: the truth may be far greater"
        return text


@dataclasses.dataclass(frozen=True)
class Estimator:
    """How a critic is trained and evaluated: functions of `readings`."""

    objective: Callable
    reading: Callable = readings.density_ratio
    side: str = "estimate"
    critic: str = "gaussian"


_LOWER, _UPPER = "lower bound", "upper bound if its density is right"

# The best critic of those without a reading is the log-ratio of densities.
# Scores are calibrated, and their mean is the divergence of the calibrated
# scores, which cannot exceed that of the samples. As few samples do not
# calibrate them exactly, the result is called an estimate.
ESTIMATORS = {
    "noise_contrastive": Estimator(readings.noise_contrastive),
    "jensen_shannon": Estimator(readings.jensen_shannon),
    "kullback_leibler": Estimator(readings.kullback_leibler),
    "reverse_kullback_leibler": Estimator(readings.reverse_kullback_leibler),
    "squared_hellinger": Estimator(readings.squared_hellinger),
    "pearson_chi_squared": Estimator(readings.pearson_chi_squared),
    "info_nce": Estimator(readings.info_nce, readings.info_nce, _LOWER),
    "donsker_varadhan": Estimator(
        readings.donsker_varadhan, readings.donsker_varadhan
    ),
    "mine": Estimator(readings.mine, readings.donsker_varadhan),
    "nwj": Estimator(readings.nwj, readings.nwj, _LOWER),
    "tuba": Estimator(readings.tuba, readings.tuba, _LOWER),
    "interpolated": Estimator(
        readings.interpolated, readings.interpolated, _LOWER
    ),
    "smile": Estimator(readings.jensen_shannon, readings.smile),
    "club": Estimator(
        readings.density_ratio, readings.club, _UPPER, "conditional"
    ),
    "leave_one_out": Estimator(
        readings.density_ratio, readings.leave_one_out, _UPPER, "conditional"
    ),
}
REFERENCES = {
    "canonical_correlations": references.canonical_correlations,
    "nearest_neighbors": references.nearest_neighbors,
}
_HAS_BASELINE = ("tuba", "interpolated")
# Checks of the arguments of estimators.
_OPTIONS = {
    "interpolated": {"alpha": functools.partial(checks.between, 0, 1)},
    "nearest_neighbors": {"k": functools.partial(checks.integers, 1)},
    "smile": {"limit": functools.partial(checks.above, 0)},
}
# Least samples in a part.
_MIN_PART = 10
# Training ends after so many epochs without an improvement of any critic.
_PATIENCE = 5


def estimate(
    x,
    z=None,
    estimator="noise_contrastive",
    critic=None,
    encoder=None,
    feature=None,
    components=None,
    folds=10,
    members=3,
    epochs=15,
    batch_size=64,
    learning_rate=4e-3,
    seed=0,
    **options,
):
    """Estimates the mutual information of two variables from samples, in nats.

    The units of x and of z are mapped by their ranks to a normal distribution,
    and decorrelated. Of many units, the principal components are used. The
    samples are cut into parts. For each part, critics are trained on the others
    except one, by which training is stopped, and then evaluated on the part
    itself, which they have never seen.

    Args:
        x, z: arrays `(samples, ...)`; the i-th sample of x belongs to the i-th
            of z. Integers `(samples,)` of at most 100 values are class labels.
            Or `x` is a data set of batches `(x, z)`, and `z` None.
        estimator: str. One of `ESTIMATORS`, or of `REFERENCES`, which train
            nothing. Defaults to `"noise_contrastive"`.
        critic: str, one of `critics.CRITICS`; a dict of a name and arguments; a
            critic; or None for the estimator's own.
        encoder: `keras.Model`, or None. If given, x are raw pixels, of which
            its features are used. It is not trained. Features never have more
            information than their images.
        feature: str, or None for `"global"` or the only one. The feature of the
            encoder.
        components: int, or None for one per 50 samples, but 10 or more. The
            most principal components of x and of z that the critics see; the
            information of the others is lost. References use all.
        folds: int, 3 or more. Number of parts, of 10 samples or more each.
            Defaults to 10.
        members: int. Critics per part, whose scores are averaged. Defaults
            to 3.
        epochs: int. Most epochs. Defaults to 15.
        batch_size: int. Samples in a step, of which all pairs are scored.
            Defaults to 64.
        learning_rate: float. Of Adam at the first step; it falls to 0 along
            half a cosine. Defaults to 4e-3.
        seed: int. Of the parts and the critics, set by
            `keras.utils.set_random_seed`. Defaults to 0.
        **options: arguments of the estimator: `k` of `nearest_neighbors`,
            `limit` of `smile`, `alpha` of `interpolated`.

    Returns:
        `Estimate`.

    Raises:
        ValueError: for too few samples, NaN, constants, repeated samples,
            different lengths, more units than half the samples, discrete
            samples for `nearest_neighbors`, or an unknown name.

    Example:
    ```python
    shared = keras_dim.mutual_information.estimate(features, labels)
    print(shared)     # nats, interval, ceiling
    ```

    The default is trained by [noise contrast](
    https://jmlr.org/papers/v13/gutmann12a.html) and read by the density ratio.
    """
    checks.one_of([*ESTIMATORS, *REFERENCES], estimator=estimator)
    if critic is not None and estimator in REFERENCES:
        raise ValueError(
            f"The estimator {estimator!r} has no critic. Received: {critic!r}"
        )
    checks.integers(0, seed=seed)
    checks.integers(3, folds=folds)
    given = checks.given(components=components)
    checks.integers(1, epochs=epochs, members=members, **given)
    checks.integers(2, batch_size=batch_size)
    checks.above(0, learning_rate=learning_rate)
    for name, value in options.items():
        known = _OPTIONS.get(estimator, {})
        if name not in known:
            raise ValueError(
                f"The estimator {estimator!r} has no argument {name!r}. "
                f"Expected some of {list(known)}"
            )
        known[name](**{name: value})
    if z is None:
        pairs = [] if batches.is_whole(x) else list(x)
        is_pair = [
            isinstance(p, tuple | list)
            and len(p) == 2
            and np.shape(p[0])[:1] == np.shape(p[1])[:1] != ()
            for p in pairs
        ]
        if not pairs or not all(is_pair):
            raise ValueError(
                "`estimate` takes two arrays, x and z, or a data set of "
                "batches (x, z) of equal lengths. Received: "
                f"{type(x).__name__} alone"
            )
        x, z = (
            np.concatenate([ops.convert_to_numpy(part) for part in side])
            for side in zip(*pairs, strict=True)
        )
    if encoder is not None:
        x = _features(encoder, x, feature)
    elif feature is not None:
        raise ValueError(
            "`feature` is one of an encoder. Received no encoder and: "
            f"feature={feature!r}"
        )
    x, z = samples.vectors("x", x), samples.vectors("z", z)
    samples.check_pair(x, z)
    is_infinite = samples.share_a_number(x, z)
    if estimator in REFERENCES:
        ceiling = None
        if estimator == "nearest_neighbors":
            ceiling = references.neighbors_ceiling(len(x), **options)
        nats = REFERENCES[estimator](x, z, **options)
        found = nats, math.nan, ceiling
        return _summary(estimator, len(x), is_infinite, *found, {})
    checks.integers(3, len(x) // _MIN_PART, folds=folds)
    how = ESTIMATORS[estimator]
    critic = parts.build("critic", critics.CRITICS, critic or how.critic)
    is_density = isinstance(critic, critics.ConditionalCritic)
    if is_density != (how.critic == "conditional"):
        raise ValueError(
            "club and leave_one_out take the critic 'conditional', a "
            "log-density, and other estimators take others. Received: "
            f"{type(critic).__name__} with {estimator!r}"
        )
    if options:
        reading = functools.partial(how.reading, **options)
        is_read = how.objective is how.reading
        objective = reading if is_read else how.objective
        how = dataclasses.replace(how, objective=objective, reading=reading)
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    most = components or max(10, len(x) // 50)
    x, z = (
        samples.whitened(samples.normal_scores(each))[order, -most:]
        for each in (x, z)
    )
    folded = _Folds(x, z, folds, members)
    model = Trained(critic, how, estimator, folded.correlations)
    size = min(batch_size, len(folded.train[0]))
    num_train = len(folded.train[0]) // size * size
    model([part[:2] for part in folded.train])
    model.start()
    steps = epochs * (num_train // size)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        ),
        steps_per_execution=num_train // size,
        # XLA would compile for longer than the training takes.
        jit_compile=False,
    )
    stopper = _BestOfEach(folded.stop)
    model.fit(
        [part[:num_train] for part in folded.train],
        batch_size=size,
        epochs=epochs,
        callbacks=[stopper],
        verbose=0,
    )
    if not np.isfinite(stopper.values).any():
        raise ValueError(
            "The critics diverged: use a lower learning rate. Received: "
            f"learning_rate={learning_rate:g}"
        )
    joint, product = model.split_scores(folded.report, members)
    if how.reading is readings.density_ratio:
        joint, product = _calibrated(
            *model.split_scores(folded.stop, members), joint, product
        )
    of_folds = ops.convert_to_numpy(model.read(joint, product))
    joint = ops.convert_to_numpy(joint)
    error = 1.96 * float(joint.std() / math.sqrt(joint.size))
    ceiling = None
    if estimator == "info_nce":
        ceiling = math.log(joint.shape[1])
    history = {"objective": stopper.values}
    found = float(of_folds.mean()), error, ceiling
    return _summary(estimator, len(x), is_infinite, *found, history)


def _summary(
    estimator, num_samples, is_infinite, nats, error, ceiling, history
):
    how = ESTIMATORS.get(estimator)
    # Beyond this, a single sample dominates the mean of exponentials.
    limit = math.log(num_samples) - 1.0
    if ceiling is not None:
        limit = min(limit, 0.9 * ceiling)
    return Estimate(
        nats,
        nats - error,
        nats + error,
        ceiling,
        is_infinite or nats > limit,
        how.side if how else "estimate",
        estimator,
        num_samples,
        history,
    )


def _features(encoder, images, feature):
    images = np.asarray(images)
    batches.check(images, encoder.input_shape[1:], who="`estimate`")
    features = encoder.predict(images, verbose=0)
    if not isinstance(features, dict):
        features = {"output": features}
    default = next(iter(features)) if len(features) == 1 else "global"
    name = feature or default
    checks.one_of(features, feature=name)
    return features[name]


class _Folds:
    """Samples in parts, in the coordinates of each critic.

    Attributes:
        train, stop, report: pairs of float32 arrays `(n, critics, units)`.
        correlations: float32 `(critics, k)`, canonical correlations of the
            training samples.
    """

    def __init__(self, x, z, folds, members):
        generator = np.random.default_rng(0)
        rows = np.arange(len(x) // folds * folds).reshape(folds, -1)
        parts, self.correlations = [], []
        for fold in range(folds):
            report, stop, *rest = np.roll(rows, -fold, axis=0)
            train = np.concatenate(rest)
            found, *turns = samples.canonical(x[train], z[train])
            self.correlations.append(found)
            turned = [
                side @ turn for side, turn in zip((x, z), turns, strict=True)
            ]
            for _ in range(members):
                # Members of a part also differ in the order of their samples.
                ordered = generator.permutation(train), stop, report
                parts.append([[side[r] for side in turned] for r in ordered])
        self.train, self.stop, self.report = (
            [
                np.stack([part[which][side] for part in parts], 1).astype("f4")
                for side in range(2)
            ]
            for which in range(3)
        )
        found = np.stack(self.correlations).astype("f4")
        self.correlations = np.repeat(found, members, axis=0)


class Trained(keras.Model):
    """A critic with the moving averages and baselines of its estimator."""

    def __init__(self, critic, how, name, correlations):
        super().__init__()
        self.critic = critic
        self.how = how
        self.estimator = name
        self.correlations = correlations
        critics = (len(correlations),)
        # NaN before the first step.
        self.log_average = self.add_weight(
            critics,
            keras.initializers.Constant(math.nan),
            trainable=False,
            name="log_average",
        )
        self.log_baseline = self.add_weight(
            critics,
            "zeros",
            trainable=name in _HAS_BASELINE,
            name="log_baseline",
        )

    def start(self, least=0.0):
        """Starts the critic from canonical correlations, if it can."""
        self.critic.start(self.correlations, least)

    def call(self, pairs):
        return self.critic(*pairs)

    def split_scores(self, pairs, members=1):
        """Returns joint and product scores of `(n, critics, units)` pairs.

        The scores of each `members` consecutive critics are averaged.
        """
        x, z = (ops.convert_to_tensor(part) for part in pairs)
        size = self.critic.anchors_at_once
        rows = [self.critic(x[i : i + size], z) for i in range(0, len(x), size)]
        scores = ops.concatenate(rows, axis=1)
        scores = ops.reshape(scores, (-1, members, *ops.shape(scores)[1:]))
        return self.split(ops.mean(scores, axis=1))

    def split(self, scores):
        """Returns joint and product scores of all pairs."""
        if self.estimator == "leave_one_out":
            scores = ops.transpose(scores, (0, 2, 1))
        return readings.split(scores)

    def read(self, joint, product, function=None):
        """Returns the nats of each fold."""
        function = function or self.how.reading
        if self.estimator in _HAS_BASELINE:
            # Scores averaged over members take the mean of their baselines.
            of_parts = ops.reshape(self.log_baseline, (ops.shape(joint)[0], -1))
            baseline = ops.mean(of_parts, axis=1, keepdims=True)
            baseline = baseline + ops.zeros_like(joint)
            return function(joint, product, baseline)
        return function(joint, product)

    def objective(self, joint, product):
        """Returns the objective of each fold, to be maximised."""
        if self.estimator == "mine":
            return readings.mine(joint, product, self.log_average)
        return self.read(joint, product, self.how.objective)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        joint, product = self.split(y_pred)
        if self.estimator == "mine" and training:
            now = readings.log_mean_exp(product, (-2, -1))
            past = ops.convert_to_tensor(self.log_average)
            past = ops.where(ops.isnan(past), now, past)
            self.log_average.assign(
                ops.logaddexp(past + math.log(0.99), now + math.log(0.01))
            )
        return -ops.sum(self.objective(joint, product))


class _BestOfEach(keras.callbacks.Callback):
    """Keeps the best weights of each critic, by the stopping part.

    Ends the training when no critic has improved for five epochs.
    """

    def __init__(self, pairs):
        super().__init__()
        self.pairs = pairs
        self.values = []

    def on_train_begin(self, logs=None):
        self.best = self._objective()
        self.weights = self._weights()
        self.waited = 0
        # The weights before any training may turn out to be the best.
        self.model.start(least=0.2)

    def on_epoch_end(self, epoch, logs=None):
        value = self._objective()
        self.values.append(float(value.mean()))
        better = value > self.best
        self.best = np.where(better, value, self.best)
        # The first axis of every weight is that of the critics.
        self.weights = [
            np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for new, old in zip(self._weights(), self.weights, strict=True)
        ]
        self.waited = 0 if better.any() else self.waited + 1
        if self.waited >= _PATIENCE:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.model.set_weights(self.weights)

    def _weights(self):
        return [weight.copy() for weight in self.model.get_weights()]

    def _objective(self):
        pairs = self.model.split_scores(self.pairs)
        # The value of MINE's own objective has no meaning.
        function = self.model.how.objective
        if function is readings.mine:
            function = readings.donsker_varadhan
        return ops.convert_to_numpy(self.model.read(*pairs, function))


def _calibrated(stop_joint, stop_product, joint, product):
    """Scales and shifts scores so that they are log-ratios of densities.

    By a logistic regression of each fold's scores on the stopping part, which
    reduces scores that are too confident.
    """
    stop = (ops.convert_to_numpy(each) for each in (stop_joint, stop_product))
    lines = [_logistic_line(*fold) for fold in zip(*stop, strict=True)]
    scale, shift = np.stack(lines).astype("f4").T[:, :, None]
    return joint * scale + shift, product * scale[..., None] + shift[..., None]


def _logistic_line(joint, product):
    """Returns the scale and shift of a logistic regression.

    A small penalty keeps them near 1 and 0.
    """
    from scipy import optimize
    from scipy import special

    scores = np.concatenate([joint, product.reshape(-1)]).astype("float64")
    design = np.stack([scores, np.ones_like(scores)], axis=1)
    is_joint = np.arange(len(scores)) < len(joint)
    signs = np.where(is_joint, -1.0, 1.0)
    weights = np.where(is_joint, 1.0 / len(joint), 1.0 / product.size)
    start = np.array([1.0, 0.0])

    def loss_and_slope(line):
        wrong, far = signs * (design @ line), line - start
        loss = weights @ np.logaddexp(0.0, wrong) + 5e-4 * far @ far
        slope = design.T @ (weights * signs * special.expit(wrong))
        return loss, slope + 1e-3 * far

    options = {"gtol": 1e-8}
    found = optimize.minimize(loss_and_slope, start, jac=True, options=options)
    return found.x
