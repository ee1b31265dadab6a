"""Estimates from few samples, and inputs that are refused."""

import math

import keras
import numpy as np
import pytest

from keras_dim.mutual_information import critics
from keras_dim.mutual_information import estimate
from keras_dim.mutual_information import estimation
from keras_dim.mutual_information import samples

FAST = {"folds": 3, "members": 1, "epochs": 4, "batch_size": 64}
# A pair of normals of this correlation shares ln(2) nats.
CORRELATION = math.sqrt(0.75)


def normals(num_samples=600, units=1, seed=0):
    generator = np.random.default_rng(seed)
    x, noise = generator.normal(size=(2, num_samples, units))
    return x, CORRELATION * x + 0.5 * noise


def test_gaussians_have_their_known_information():
    found = estimate(*normals(1200), **FAST)

    # Four deviations: the log-ratio of such a pair deviates by 0.87.
    assert abs(found.nats - math.log(2)) < 4 * 0.87 / math.sqrt(1200)
    assert found.low < found.nats < found.high
    assert not found.is_saturated
    assert len(found.history["objective"]) <= FAST["epochs"]


def test_of_many_units_the_principal_components_are_enough():
    shared = normals(600, units=4)
    generator = np.random.default_rng(1)
    mixing = generator.normal(size=(2, 4, 100))
    noise = generator.normal(size=(2, 600, 100))
    x, z = np.matmul(shared, mixing) + 0.3 * noise
    few = estimate(x, z, **FAST).nats
    every = estimate(x, z, components=100, **FAST).nats

    # Four pairs of ln(2) nats each.
    assert 0.5 < few / (4 * math.log(2)) < 1.1
    # By all 100, critics learn the noise.
    assert every < 0.5 * few
    with pytest.raises(ValueError, match="components.*0"):
        estimate(x, z, components=0)


@pytest.mark.slow
@pytest.mark.parametrize("nats", [2.0, 4.0, 6.0])
@pytest.mark.parametrize("estimator", ["noise_contrastive", "info_nce", "nwj"])
def test_ten_gaussian_pairs_share_their_sum(estimator, nats):
    rho = math.sqrt(1 - math.exp(-nats / 5))
    generator = np.random.default_rng(0)
    x, noise = generator.normal(size=(2, 5000, 10))
    z = rho * x + math.sqrt(1 - rho**2) * noise
    found = estimate(x, z, estimator=estimator, epochs=8, members=1)

    # InfoNCE of 500 candidates cannot exceed log(500) = 6.2, and is lower.
    least = 0.85 if estimator != "info_nce" or nats < 6 else 0.7
    assert least * nats < found.nats < 1.05 * nats


@pytest.mark.slow
@pytest.mark.parametrize("estimator", estimation.ESTIMATORS)
def test_every_estimator_finds_two_nats_of_five_gaussian_pairs(estimator):
    square = 1 - math.exp(-4 / 5)
    x, noise = np.random.default_rng(0).normal(size=(2, 2000, 5))
    z = math.sqrt(square) * x + math.sqrt(1 - square) * noise
    found = estimate(x, z, estimator, folds=5, members=1, epochs=8)

    # Four deviations: the log-ratio of such a pair deviates by its correlation.
    error = 4 * math.sqrt(5 * square / 2000)
    if estimator == "club":
        # The true density gives the information and the divergence of the
        # product from the joint distribution.
        reverse = 0.5 * math.log(1 - square) + square / (1 - square)
        assert abs(found.nats - 2 - 5 * reverse) < 0.1 * found.nats
    else:
        # Loose bounds are lower, by a fifth with this critic and few samples.
        assert 2 - max(error, 0.5) < found.nats < 2 + error
    assert estimator in str(found) and found.side in str(found)


@pytest.mark.slow
@pytest.mark.parametrize("critic", ["separable", "joint", "bilinear"])
def test_every_critic_learns_a_linear_dependence(critic):
    found = estimate(*normals(), critic=critic, **FAST | {"epochs": 15})

    # A bilinear critic lacks the squares of the log-ratio.
    assert 0.3 < found.nats < 0.85


@pytest.mark.slow
def test_independent_samples_have_no_information():
    x, _ = normals()
    z, _ = normals(seed=1)

    assert abs(estimate(x, z, **FAST).nats) < 0.05


@pytest.mark.slow
def test_integer_labels_are_classes():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 600)
    x = 20.0 * labels + generator.normal(size=600)
    found = estimate(x, labels, **FAST | {"epochs": 30})

    assert 0.8 * math.log(2) < found.nats < 1.05 * math.log(2)


@pytest.mark.slow
def test_bijections_of_units_change_nothing():
    x, z = normals()

    first = estimate(x, z, **FAST)
    assert estimate(np.exp(x), z**3, **FAST).nats == first.nats


@pytest.mark.slow
def test_info_nce_states_its_ceiling():
    found = estimate(*normals(), estimator="info_nce", **FAST)

    assert found.ceiling == math.log(200)
    assert "at most 5.298" in str(found)


def test_equal_variables_saturate():
    x, _ = normals()
    found = estimate(x, 2 * x, estimator="canonical_correlations")

    assert found.is_saturated and "far greater" in str(found)
    # The ceiling of neighbours is a difference of digamma functions.
    found = estimate(x, x, estimator="nearest_neighbors")
    assert found.nats == pytest.approx(found.ceiling)
    assert found.is_saturated and "at most 4.144" in str(found)


def test_a_number_in_common_saturates_and_a_class_does_not():
    x, z = normals(units=2)
    mixed = np.concatenate([z, x @ [[1.0], [2.0]]], axis=1)
    arguments = {"estimator": "canonical_correlations"}

    assert estimate(x, mixed, **arguments).is_saturated
    assert not estimate(x, z, **arguments).is_saturated
    labels = np.arange(600) % 3
    both = np.concatenate([z, labels[:, None] == [0]], axis=1)
    assert not samples.share_a_number(samples.vectors("labels", labels), both)


def test_calibration_is_a_logistic_regression():
    generator = np.random.default_rng(0)
    joint, product = generator.normal(2, 1, 300), generator.normal(0, 1, 9000)
    scale, shift = estimation._logistic_line(joint, product.reshape(300, 30))

    # Normals of variance 1 have the log-ratio 2 x - 2; five deviations.
    assert scale == pytest.approx(2, abs=0.5)
    assert shift == pytest.approx(-2, abs=0.7)


def test_calibration_ends_where_scores_are_far_from_log_ratios():
    joint, product = np.random.default_rng(0).normal(size=(2, 100))
    # A critic with great scores, some of which are wrong.
    joint[:5] = -36.0
    scale, shift = estimation._logistic_line(joint, 100.0 * product - 40.0)

    assert 0 < scale < 1 and abs(shift) < 10


def test_images_come_through_an_encoder_and_data_sets_in_batches():
    images = np.random.default_rng(0).uniform(0, 255, (300, 2, 2, 1))
    inputs = keras.Input((2, 2, 1))
    encoder = keras.Model(inputs, {"flat": keras.layers.Flatten()(inputs)})
    z = images[:, 0, 0] + np.random.default_rng(1).normal(size=(300, 1))
    arguments = {"estimator": "canonical_correlations"}
    batches = [(images[:200], z[:200]), (images[200:], z[200:])]

    whole = estimate(images, z, **arguments)
    of_encoder = estimate(images, z, encoder=encoder, **arguments)
    assert estimate(batches, None, **arguments).nats == whole.nats > 2
    assert abs(of_encoder.nats - whole.nats) < 1e-3
    single = keras.Model(inputs, encoder.output["flat"])
    found = estimate(images, z, encoder=single, **arguments)
    assert found.nats == of_encoder.nats
    with pytest.raises(ValueError, match="Unknown feature: 'fc'"):
        estimate(images, z, encoder=single, feature="fc", **arguments)
    with pytest.raises(ValueError, match="`estimate` expects raw pixels"):
        estimate(images / 255, z, encoder=encoder, **arguments)


def test_the_gaussian_critic_starts_at_the_closed_form():
    x, z = (
        each[:20, None].astype("float32") for each in normals(units=2, seed=3)
    )
    critic = critics.GaussianCritic((4,))
    critic(x, z)
    critic.start(np.array([[0.8, 0.0]], "float32"))

    f, g = x[:, 0, 0], z[:, 0, 0][:, None]
    # The density of a pair of normals of correlation r = 0.8, over those of
    # both alone, at 0.999 r.
    r = 0.999 * 0.8
    ratio = (2 * r * f[:, None] * g.T - r**2 * (f[:, None] ** 2 + g.T**2)) / 2
    ratio = ratio / (1 - r**2) - 0.5 * math.log(1 - r**2)
    np.testing.assert_allclose(critic(x, z)[0], ratio, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", critics.CRITICS)
def test_critics_score_all_pairs_of_each_member_apart(name):
    critic = critics.CRITICS[name]((4, 4))
    x, z = normals(8, units=6)
    x, z = x.reshape(8, 2, 3)[:5], z.reshape(8, 2, 3)
    x, z = x.astype("float32"), z.astype("float32")
    critic(x, z)
    for weight in critic.trainable_variables:
        weight.assign(weight + 0.1)
    scores = keras.ops.convert_to_numpy(critic(x, z))

    assert scores.shape == (2, 5, 8)
    # Changes of the second member and of the rest of the batch.
    x[:, 1], x[1:], z[:, 1], z[1:] = 0, 0, 0, 0
    again = keras.ops.convert_to_numpy(critic(x, z))
    np.testing.assert_allclose(scores[0, 0, 0], again[0, 0, 0], rtol=1e-4)
    assert abs(scores[1] - again[1]).max() > 1e-3


def test_mine_keeps_its_average_among_the_weights():
    how = estimation.ESTIMATORS["mine"]
    correlations = np.full((2, 1), 0.5, "float32")
    model = estimation.Trained(
        critics.GaussianCritic((4,)), how, "mine", correlations
    )
    x = np.random.default_rng(0).normal(size=(8, 2, 1)).astype("float32")
    model((x, x))
    model.start()
    scores = keras.ops.convert_to_numpy(model((x, x)))
    model.compute_loss(y_pred=scores)
    first = np.exp(scores)[:, ~np.eye(8, dtype=bool)].mean(axis=1)
    names = [weight.name for weight in model.non_trainable_variables]

    assert "log_average" in names
    np.testing.assert_allclose(np.exp(model.log_average), first, rtol=1e-5)
    model.compute_loss(y_pred=scores + 1.0)
    kept = 0.99 * first + 0.01 * np.e * first
    np.testing.assert_allclose(np.exp(model.log_average), kept, rtol=1e-5)


X, Z = normals(200)
REFUSED = {
    "lengths": ((X, Z[1:]), {}, "same row of the other"),
    "few": ((X[:50], Z[:50]), {}, "100 samples or more"),
    "constant": ((X, np.ones(200)), {}, "the same in all samples"),
    "nan": ((np.where(X > 2, np.nan, X), Z), {}, "NaN or infinite"),
    "text": ((X, np.full(200, "a")), {}, "must be numbers"),
    "repeated": (
        (np.concatenate([X[10:], X[:10] * 0 + X[50]]),) * 2,
        {},
        "9 of 200|10 of 200",
    ),
    "wide": ((np.random.default_rng(0).normal(size=(200, 101)), Z), {}, "100"),
    "copies": (
        (np.tile(X[:100], (2, 1)), np.tile(Z[:100], (2, 1))),
        {},
        "100 of 200 pairs repeat",
    ),
    "discrete": (
        (X, np.arange(200) % 3),
        {"estimator": "nearest_neighbors"},
        "continuous",
    ),
    "estimator": ((X, Z), {"estimator": "minee"}, "Did you mean 'mine'"),
    "critic": ((X, Z), {"critic": "joined"}, "Unknown critic"),
    "widths": (
        (X, Z),
        {"critic": {"name": "joint", "widths": ()}},
        "number of widths",
    ),
    "feature": ((X, Z), {"feature": "fc"}, "no encoder"),
    "diverged": (
        (X, Z),
        {"learning_rate": 1e30, **FAST},
        "diverged: use a lower learning rate",
    ),
    "option": ((X, Z), {"limit": 3.0}, "no argument 'limit'"),
    "folds": ((X, Z), {"folds": 2}, "3 or more"),
    "parts": ((X, Z), {"folds": 21}, "from 3 to 20"),
    "own option": (
        (X, Z),
        {"estimator": "tuba", "log_baseline": 1.0},
        "no argument 'log_baseline'",
    ),
    "limit": ((X, Z), {"estimator": "smile", "limit": 0}, "above 0"),
    "alpha": ((X, Z), {"estimator": "interpolated", "alpha": 2}, "from 0 to 1"),
    "neighbours": (
        (X, Z),
        {"estimator": "nearest_neighbors", "k": 200},
        "from 1 to 199",
    ),
    "critic of none": (
        (X, Z),
        {"estimator": "canonical_correlations", "critic": "joint"},
        "has no critic",
    ),
    "seed": ((X, Z), {"seed": -1}, "`seed`"),
    "ratio": ((X, Z), {"critic": "conditional"}, "take others"),
    "density": (
        (X, Z),
        {"estimator": "club", "critic": "joint"},
        "log-density",
    ),
    "one array": ((X,), {}, "two arrays"),
    "dicts": (([{"x": X, "z": Z}],), {}, "two arrays"),
    # Of as many samples in all.
    "shifted": (
        ([(X[:101], Z[:100]), (X[101:], Z[100:])],),
        {},
        "batches .* of equal lengths",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_bad_input_in_one_line(case):
    arguments, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as error:
        estimate(*arguments, **options)
    assert "\n" not in str(error.value)
