import golden
import numpy as np
import pytest

from keras_dim.evaluation import total_correlation
from keras_dim.evaluation.total_correlation import dependence_bounds
from keras_dim.evaluation.total_correlation import shuffled


def gaussians(rho, num_images=4000):
    """Two units of correlation rho, and one beside them."""
    x, y, z = np.random.default_rng(0).normal(size=(3, num_images))
    return np.stack([x, rho * x + np.sqrt(1 - rho**2) * y, z], axis=1)


def small(features, **changes):
    arguments = {"hidden_units": (32,), "learning_rate": 1e-2, "steps": 150}
    return total_correlation(
        features, **arguments | {"batch_size": 500} | changes
    )


def test_the_bounds_are_the_published_ones():
    arrays = golden.load("contrastive_mine_ndm")
    scores = np.stack([arrays["ndm_t_pos"], arrays["ndm_t_neg"]], axis=1)
    training, reported = dependence_bounds(scores.astype("float32"))
    expected = arrays["ndm_train_objective_kl"]
    assert float(training) == pytest.approx(expected, rel=1e-5)
    assert float(reported) == pytest.approx(arrays["ndm_dv"], rel=1e-5)


def test_units_are_shuffled_independently():
    rows = np.arange(300).reshape(100, 3)
    found = shuffled(rows, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(found, axis=0), rows)
    moved = found // 3
    assert not (moved[:, 0] == moved[:, 1]).all()


def test_gaussians_have_their_known_total_correlation():
    found = small(gaussians(0.9))
    # 0.83 nats. The bound is lower, up to the sampling error of 800 images.
    truth = -np.log(1 - 0.9**2) / 2
    assert truth - 0.15 < found["nats"] < truth + 3 * found["error"]
    assert 0 < found["error"] < 0.1
    assert found["ceiling"] == np.log(800)
    assert found["num_steps"] <= 150


def test_independent_units_have_none():
    found = small(gaussians(0.0), steps=100)
    assert abs(found["nats"]) < 0.05


@pytest.mark.filterwarnings("ignore:(overflow|invalid):RuntimeWarning")
def test_a_training_that_diverges_is_refused():
    # The discriminator before the training would find no dependence.
    with pytest.raises(ValueError, match="diverged: use a lower learning rate"):
        small(gaussians(0.9, 200), learning_rate=1e30, steps=3)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.ones((99, 3)), "100 images or more"),
        (np.ones((200, 1)), "two units"),
        (np.ones((200, 2)), "2 units that do not vary"),
        # The mean of equal numbers is rounded.
        (np.stack([np.arange(200), np.full(200, 0.1)], 1), "1 units that do"),
        (np.full((200, 2), np.nan), "400 numbers not finite"),
        (np.random.default_rng(0).normal(size=(200, 101)), "at most 100 units"),
        (
            np.tile(np.random.default_rng(0).normal(size=(100, 2)), (2, 1)),
            "100 of 200 rows repeat",
        ),
    ],
)
def test_wrong_features_are_refused(features, words):
    with pytest.raises(ValueError, match=words):
        total_correlation(features)
