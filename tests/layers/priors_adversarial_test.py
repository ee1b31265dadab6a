import numpy as np
import pytest
import tensorflow as tf

from keras_dim.layers import AdversarialPrior
from keras_dim.layers import priors

TERMS = ("prior_discrimination", "prior_gradient_penalty", "prior_fooling")


def build(prior="normal", units=3, **kwargs):
    layer = AdversarialPrior(prior, seed=0, **kwargs)
    layer.build({"global": (None, units)})
    return layer


def terms_of(layer, features):
    return layer({"global": features})[1]


def random_features(num=5, units=3):
    features = np.random.default_rng(0).normal(size=(num, units))
    return tf.constant(features, "float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


def score_of(layer, sample):
    """The discriminator's logit of one sample, in float64."""
    x = np.asarray(sample, "float64")
    weights = [np.array(weight, "float64") for weight in layer.weights[:6]]
    for index in range(3):
        kernel, bias = weights[2 * index : 2 * index + 2]
        x = np.maximum(x, 0) if index else x
        x = x @ kernel + bias
    return x[0]


def gradient_of(layer, sample, step=1e-5):
    """Gradient of the logit by differences."""
    sample = np.asarray(sample, "float64")
    return np.array(
        [
            (
                score_of(layer, sample + step * direction)
                - score_of(layer, sample - step * direction)
            )
            / (2 * step)
            for direction in np.eye(len(sample))
        ]
    )


def terms_and_draws(layer, features):
    """The terms, and the draws of the prior that went into them."""
    state = np.array(layer.seed_generator.state)
    draws = layer.draw(*features.shape)
    layer.seed_generator.state.assign(state)
    terms = terms_of(layer, features)
    terms = {name: float(term) for name, term in terms.items()}
    return terms, np.array(draws)


def test_discriminator_has_the_published_size():
    layer = build(units=64)
    counts = [np.prod(weight.shape) for weight in layer.trainable_weights]
    assert sum(counts) == 265_401


@pytest.mark.parametrize("prior", priors.DISTRIBUTIONS)
def test_terms_equal_loops(prior):
    layer = build(prior, gradient_penalty=0.7)
    features = random_features()
    terms, draws = terms_and_draws(layer, features)
    samples = np.array(features)
    samples = sigmoid(samples) if prior == "uniform" else samples
    of_draws = [score_of(layer, draw) for draw in draws]
    of_samples = [score_of(layer, sample) for sample in samples]
    # Every sample counts, not only the last one of the batch.
    penalty = np.mean(
        [(gradient_of(layer, draw) ** 2).sum() for draw in draws]
    ) + np.mean([(gradient_of(layer, s) ** 2).sum() for s in samples])
    expected = {
        "prior_discrimination": np.mean([softplus(-s) for s in of_draws])
        + np.mean([softplus(s) for s in of_samples]),
        # Its weight is not in the term; see `term_weights`.
        "prior_gradient_penalty": penalty / 2,
        "prior_fooling": np.mean([softplus(-s) for s in of_samples]),
    }
    assert terms == pytest.approx(expected, rel=1e-4)


def test_input_gradient_equals_automatic_differentiation():
    layer = build()
    samples = random_features(20)
    with tf.GradientTape() as tape:
        tape.watch(samples)
        score = tf.reduce_sum(layer.score_and_input_gradient(samples)[0])
    np.testing.assert_allclose(
        layer.score_and_input_gradient(samples)[1],
        tape.gradient(score, samples),
        rtol=1e-5,
        atol=1e-7,
    )


def test_penalty_can_be_differentiated_by_the_weights():
    layer = build()
    samples = random_features(20)

    def penalty(gradients):
        return tf.reduce_mean(tf.reduce_sum(gradients**2, -1))

    with tf.GradientTape() as tape:
        _, gradients = layer.score_and_input_gradient(samples)
        written_out = penalty(gradients)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(samples)
            scores, _ = layer.score_and_input_gradient(samples)
            score = tf.reduce_sum(scores)
        automatic = penalty(inner.gradient(score, samples))
    kernels = layer.trainable_weights[::2]
    for one, other in zip(
        tape.gradient(written_out, kernels),
        outer.gradient(automatic, kernels),
        strict=True,
    ):
        assert np.abs(other).max() > 0
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("prior", priors.DISTRIBUTIONS)
@pytest.mark.parametrize("term", TERMS)
def test_each_term_trains_one_side_only(term, prior):
    layer = build(prior)
    encoder_output = tf.Variable(random_features())
    with tf.GradientTape() as tape:
        value = terms_of(layer, encoder_output)[term]
    to_encoder, *to_weights = tape.gradient(
        value, [encoder_output, *layer.trainable_weights]
    )
    if term == "prior_fooling":
        assert np.abs(to_encoder).max() > 0
        assert all(gradient is None for gradient in to_weights)
        return
    assert to_encoder is None
    for weight, gradient in zip(
        layer.trainable_weights, to_weights, strict=True
    ):
        # The slope of a piecewise linear network has no gradient by biases.
        sees_it = term == "prior_discrimination" or "bias" not in weight.name
        reached = gradient is not None and np.abs(gradient).max() > 0
        assert reached == sees_it, weight.path


def test_fooling_pushes_features_up_the_slope_of_their_score():
    layer = build()
    features = random_features()
    with tf.GradientTape() as tape:
        tape.watch(features)
        fooling = terms_of(layer, features)["prior_fooling"]
    expected = [
        -sigmoid(-score_of(layer, sample)) * gradient_of(layer, sample)
        for sample in np.array(features)
    ]
    np.testing.assert_allclose(
        tape.gradient(fooling, features),
        np.array(expected) / len(features),
        rtol=1e-3,
        atol=1e-8,
    )


def test_uniform_draws_fill_the_unit_cube():
    draws = np.array(build("uniform").draw(20_000, 3))
    assert 0 <= draws.min() < 0.001 and 0.999 < draws.max() <= 1
    # Deviations of a mean of 20,000: 0.29 / 141 = 0.002.
    np.testing.assert_allclose(draws.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(draws.var(0), 1 / 12, atol=0.005)


def test_normal_draws_are_standard():
    draws = np.array(build("normal").draw(20_000, 3))
    np.testing.assert_allclose(draws.mean(0), 0.0, atol=0.036)
    np.testing.assert_allclose(draws.std(0), 1.0, atol=0.025)


def test_every_call_draws_anew():
    layer = build()
    assert np.abs(layer.draw(4, 3) - layer.draw(4, 3)).min() > 0


def test_equal_seeds_draw_equally():
    np.testing.assert_array_equal(build().draw(4, 3), build().draw(4, 3))


def test_half_precision_features_are_scored_in_float32():
    layer = build("uniform")
    features = tf.cast(random_features(), "bfloat16")
    in_half = terms_of(layer, features)
    layer.seed_generator.state.assign([0, 0])
    rounded = tf.cast(features, "float32")
    layer.seed_generator.state.assign(build("uniform").seed_generator.state)
    for name, term in terms_of(layer, rounded).items():
        assert term.dtype == "float32"
        np.testing.assert_allclose(term, in_half[name], rtol=1e-6)


def test_summaries_stay_as_they_are():
    features = random_features()
    summaries, _ = build("uniform")({"global": features})
    np.testing.assert_array_equal(summaries, features)


def test_each_of_several_summaries_of_an_image_is_a_sample():
    layer = build()
    features = random_features(12)
    of_rows = terms_of(layer, features)
    layer.seed_generator.state.assign(build().seed_generator.state)
    of_maps = terms_of(layer, tf.reshape(features, (3, 2, 2, 3)))
    for name, term in of_rows.items():
        np.testing.assert_allclose(of_maps[name], term, rtol=1e-5)


def test_only_fooling_takes_the_weight_of_the_prior():
    layer = build(gradient_penalty=0.7)
    assert layer.term_weights(0.1) == {
        "prior_discrimination": 1.0,
        "prior_gradient_penalty": 0.7,
        "prior_fooling": 0.1,
    }


def test_config_builds_the_same_prior():
    layer = build("uniform", gradient_penalty=0.7)
    copy = AdversarialPrior.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()


@pytest.mark.parametrize("name", priors.DISTRIBUTIONS)
def test_priors_are_made_by_name(name):
    layer = priors.get({"name": name, "gradient_penalty": 10.0}, seed=3)
    assert (layer.prior, layer.seed, layer.gradient_penalty) == (name, 3, 10.0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"prior": "beta"}, "'beta'.*'uniform', 'normal'"),
        ({"gradient_penalty": -1.0}, "`gradient_penalty`.*0 or more.*-1.0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdversarialPrior(**arguments)
