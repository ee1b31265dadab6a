import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim.layers import VariationalPrior
from keras_dim.layers import priors


def build():
    layer = VariationalPrior(seed=0)
    layer.build({"global": (None, 3), "global_log_variance": (None, 3)})
    return layer


def test_divergence_equals_reference_numbers():
    arrays = golden.load("contrastive_kl_prior")
    _, terms = build()(
        {
            "global": arrays["mu"].astype("float32"),
            "global_log_variance": arrays["logvar"].astype("float32"),
        }
    )
    assert set(terms) == {"prior_divergence"}
    assert float(terms["prior_divergence"]) == pytest.approx(
        float(arrays["kl_mean_over_batch"]), rel=1e-5
    )


def test_summaries_are_drawn_from_their_distribution():
    mean = np.tile([[0.0, 3.0, -2.0]], (20_000, 1))
    log_variance = np.tile(np.log([[1.0, 0.25, 9.0]]), (20_000, 1))
    draws, _ = build()({"global": mean, "global_log_variance": log_variance})
    draws = np.array(draws)
    # Five deviations of means of 20,000.
    np.testing.assert_allclose(
        draws.mean(0), [0.0, 3.0, -2.0], atol=5 * 3 / 141
    )
    np.testing.assert_allclose(draws.std(0), [1.0, 0.5, 3.0], rtol=0.025)
    correlations = np.corrcoef(draws.T) - np.eye(3)
    np.testing.assert_allclose(correlations, 0.0, atol=0.036)


def test_draws_and_their_gradients_equal_the_formula():
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(2, 5, 3)).astype("float32")
    features = {
        "global": tf.constant(mean),
        "global_log_variance": tf.constant(log_variance),
    }
    with tf.GradientTape() as tape:
        tape.watch(features)
        summaries, _ = build()(features)
    slopes = tape.gradient(summaries, features)
    zeros = {name: np.zeros_like(mean) for name in features}
    # Of mean 0 and variance 1, the same draws are the noise alone.
    noise = np.array(build()(zeros)[0])
    deviation = np.exp(log_variance / 2)
    np.testing.assert_allclose(summaries, mean + deviation * noise, rtol=1e-5)
    np.testing.assert_allclose(slopes["global"], 1.0)
    np.testing.assert_allclose(
        slopes["global_log_variance"], deviation * noise / 2, rtol=1e-5
    )


def test_maps_of_summaries_draw_at_every_location():
    zeros = np.zeros((4, 2, 2, 3), "float32")
    layer = VariationalPrior(seed=0)
    draws, _ = layer({"global": zeros, "global_log_variance": zeros})
    assert draws.shape == (4, 2, 2, 3)
    assert len(np.unique(draws)) == 4 * 2 * 2 * 3


def test_every_call_draws_anew():
    layer = build()
    zeros = np.zeros((4, 3), "float32")
    features = {"global": zeros, "global_log_variance": zeros}
    assert np.abs(layer(features)[0] - layer(features)[0]).min() > 0


def test_half_precision_features_are_drawn_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    features = {
        name: tf.ones((4, 3), "bfloat16")
        for name in ("global", "global_log_variance")
    }
    summaries, terms = build()(features)
    assert summaries.dtype == terms["prior_divergence"].dtype == "float32"


def test_divergence_takes_the_weight_of_the_prior():
    assert build().term_weights(0.1) == {"prior_divergence": 0.1}


def test_config_builds_the_same_prior():
    copy = VariationalPrior.from_config(build().get_config())
    assert copy.get_config() == build().get_config() | {"name": copy.name}


def test_priors_are_made_by_name():
    made = priors.get("variational", seed=3)
    assert isinstance(made, VariationalPrior) and made.seed == 3
    assert priors.get(made, seed=4) is made and made.seed == 3
    assert priors.get(None) is None
