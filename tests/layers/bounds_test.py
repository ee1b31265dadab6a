"""Noise-contrastive estimation with a learned normaliser, as a bound."""

import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim import layers
from keras_dim import optimizers
from keras_dim.layers import bounds
from keras_dim.mutual_information import pairs

# As `tests/mutual_information/known_answers_test.py`: a joint distribution in
# sixteenths, so that means over all pairs of 16 samples are exact.
JOINT = np.array([[6, 1, 1], [1, 3, 4]]) / 16


def discrete_pairs():
    """Log-ratios of all pairs of samples, and masks; all pairs are noise."""
    samples = [
        (x, y)
        for (x, y), share in np.ndenumerate(JOINT)
        for _ in range(round(16 * share))
    ]
    x, y = np.array(samples).T
    product = JOINT.sum(1, keepdims=True) * JOINT.sum(0, keepdims=True)
    ratios = np.log(JOINT / product)[x[:, None], y[None, :]]
    same = np.eye(16, dtype="float32")
    return product, ratios.astype("float32"), same, np.ones_like(same)


@pytest.mark.parametrize("name", ["true", "zero"])
def test_loss_and_slope_equal_the_published_ones(name):
    arrays = golden.load("contrastive_nce_binary")
    data, noise = (
        arrays[f"log_phi_{part}"] - arrays[f"log_pn_{part}"]
        for part in ("data", "noise")
    )
    num_noise = int(arrays["nu"])
    rows = np.concatenate(
        [data[:, None], noise.reshape(-1, num_noise)], axis=1
    ).astype("float32")
    positives = np.eye(1, 1 + num_noise, dtype="float32")
    log_normalizer = -float(arrays["c_true"]) if name == "true" else 0.0
    bound = layers.NoiseContrastiveBound(log_normalizer)

    with tf.GradientTape() as tape:
        value = bound(rows, positives, 1 - positives)
    # Of a loss of 0.
    loss = bound.ceiling(num_noise) - value
    np.testing.assert_allclose(loss, arrays[f"loss_c_{name}"], rtol=1e-5)
    # The published normaliser has the other sign, and so has the loss.
    np.testing.assert_allclose(
        tape.gradient(value, bound.normalizer.value),
        arrays[f"grad_c_{name}"],
        rtol=1e-4,
        atol=1e-6,
    )


def test_equal_scores_carry_no_information():
    same = np.eye(4, dtype="float32")
    value = layers.NoiseContrastiveBound()(0 * same, same, 1 - same)
    np.testing.assert_allclose(value, 0.0, atol=1e-6)


def test_the_ceiling_is_the_value_at_the_best_scores():
    same = np.eye(8, dtype="float32")
    bound = layers.NoiseContrastiveBound()
    value = bound(100 * (2 * same - 1), same, 1 - same)
    np.testing.assert_allclose(value, bound.ceiling(7), rtol=1e-6)


def test_it_reaches_an_exact_divergence_below_the_information():
    product, ratios, *masks = discrete_pairs()
    mixture = (JOINT + 16 * product) / 17
    divergence = np.sum(JOINT * np.log(JOINT / mixture)) + 16 * np.sum(
        product * np.log(product / mixture)
    )

    value = float(layers.NoiseContrastiveBound()(ratios, *masks))

    assert value == pytest.approx(divergence, rel=1e-5)
    information = np.sum(JOINT * np.log(JOINT / product))
    assert 0.8 * information < value < information
    for worse in (ratios + 0.3, 0.7 * ratios):
        assert float(layers.NoiseContrastiveBound()(worse, *masks)) < value


def test_the_learned_normaliser_is_the_log_partition():
    # Exponentials of scores that are 5 times those of the best critic.
    _, ratios, *masks = discrete_pairs()
    scores = ratios + np.float32(np.log(5))
    bound = layers.NoiseContrastiveBound()
    optimizer = keras.optimizers.Adam(0.05)

    for _ in range(300):
        with tf.GradientTape() as tape:
            loss = -bound(scores, *masks)
        optimizer.apply(
            tape.gradient(loss, [bound.normalizer.value]), [bound.normalizer]
        )

    assert float(bound.normalizer) == pytest.approx(np.log(5), abs=1e-3)


def test_scores_that_are_not_computed_yet_give_the_same():
    rng = np.random.default_rng(0)
    summaries = rng.normal(size=(4, 3)).astype("float32")
    maps = rng.normal(size=(4, 2, 3)).astype("float32")
    scores, *masks = pairs.dot_product_pairs(summaries, maps)
    scores = scores._replace(limit=2.0)
    bound = layers.NoiseContrastiveBound(0.3)

    np.testing.assert_allclose(
        bound(scores, *masks), bound(scores.whole(), *masks), rtol=1e-5
    )


def test_simclr_trains_saves_and_restores_it(tmp_path):
    model = tiny.make("simclr_noise_contrastive")
    model.fit(tiny.batches(), epochs=2, verbose=0)
    trained = float(model.bound.normalizer)
    assert abs(trained) > 1e-3

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert float(loaded.bound.normalizer) == trained
    assert isinstance(loaded.bound, layers.NoiseContrastiveBound)


@pytest.mark.parametrize(
    "optimizer", [optimizers.SGD, optimizers.Adam, optimizers.LARS]
)
def test_it_is_not_decayed(optimizer):
    bound = layers.NoiseContrastiveBound(2.0)
    weight = keras.Variable(np.full((2, 2), 2.0), name="kernel")
    variables = [bound.normalizer, weight]

    optimizer(0.1, l2=0.5).apply([0 * v.value for v in variables], variables)

    assert float(bound.normalizer) == 2.0
    assert (np.array(weight) < 2.0).all()


def test_it_has_a_name_in_recipes():
    recipe = keras_dim.recipes.get("simclr_cifar10").replace(
        bound="noise_contrastive", width=2
    )
    model = recipe.build_model((32, 32, 3))
    assert isinstance(model.bound, layers.NoiseContrastiveBound)
    with pytest.raises(ValueError, match="Did you mean 'noise_contrastive'"):
        bounds.get("noise_contrastiv")
    with pytest.raises(ValueError, match="or a callable such as"):
        bounds.get(None)
    with pytest.raises(ValueError, match="bound: 'nce'.*'info_nce'"):
        bounds.get("nce")


def test_a_normaliser_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="`log_normalizer`"):
        layers.NoiseContrastiveBound(float("nan"))
