import math

import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from reference import bounds as reference_bounds
from reference import projection as reference_projection

import keras_dim
from keras_dim.mutual_information import bounds


@pytest.fixture(scope="module")
def images():
    return tiny.images()


def make(variational=False, **arguments):
    arguments = {"critic_units": 8, "seed": 0, "gamma": 0.0} | arguments
    return keras_dim.DeepInfoMax(
        tiny.encoder(variational=variational), **arguments
    )


def terms_and_features(model, images):
    """The terms of a training step, and the features that it saw."""
    features = model.encoder(images, training=True)
    outputs = model(images, training=True)
    terms = model.loss_terms(images, outputs)
    return (
        {name: float(term) for name, term in terms.items()},
        {name: np.array(feature) for name, feature in features.items()},
    )


def same_image(num_images):
    return np.eye(num_images)[:, :, None]


@pytest.mark.parametrize("bound", bounds.BOUNDS)
def test_local_information_equals_loops(bound, images):
    model = make(bound=bound, temperature=4.0)
    terms, features = terms_and_features(model, images)
    summaries = reference_projection.critic_projection(
        features["global"], model.local_critic.summary_projection
    )
    parts = reference_projection.critic_projection(
        features["local"], model.local_critic.part_projection
    )
    scores = np.einsum(
        "iu,jlu->ijl", summaries / 4.0, parts.reshape(len(images), -1, 8)
    )
    same = same_image(len(images))
    expected = reference_bounds.BOUNDS[bound](scores, same, 1 - same)
    assert terms == {"local_information": pytest.approx(expected, rel=1e-4)}


@pytest.mark.parametrize("bound", ["jensen_shannon", "donsker_varadhan"])
def test_global_information_equals_loops(bound, images):
    model = make(alpha=1.0, beta=0.0, bound=bound)
    terms, features = terms_and_features(model, images)
    critic = model.global_critic
    parts = critic.part_projection(features["local"], training=True)
    kernel, bias = critic.summary_projection.get_weights()
    summaries = features["global"] @ kernel + bias
    scores = (summaries @ np.transpose(parts))[:, :, None]
    same = same_image(len(images))
    expected = reference_bounds.BOUNDS[bound](scores, same, 1 - same)
    assert terms == {"global_information": pytest.approx(expected, rel=1e-4)}


def test_concatenated_information_equals_loops(images):
    model = make(
        alpha=1.0,
        beta=1.0,
        bound="jensen_shannon",
        critic="concatenate",
        num_negatives=2,
    )
    terms, features = terms_and_features(model, images)
    num_images = len(images)
    parts = features["local"].reshape(num_images, -1, 4)

    def score(critic, summary, part):
        x = np.concatenate([summary, part])
        for kernel in critic.get_weights():
            x = np.maximum(x, 0) if kernel.shape[1] == 1 else x
            x = x @ kernel
            x = np.maximum(x, 0) if kernel.shape[1] > 1 else x
        return x[0]

    def information(critic, parts_of):
        joint, product = [], []
        for image, summary in enumerate(features["global"]):
            for step in range(3):
                for part in parts_of((image + step) % num_images):
                    value = score(critic, summary, part)
                    (product if step else joint).append(value)
        joint = np.mean([math.log(2) - np.logaddexp(0, -s) for s in joint])
        product = np.mean([np.logaddexp(0, s) - math.log(2) for s in product])
        return joint - product

    assert terms == {
        "local_information": pytest.approx(
            information(model.local_critic, lambda image: parts[image]),
            rel=1e-4,
        ),
        "global_information": pytest.approx(
            information(
                model.global_critic, lambda image: [parts[image].ravel()]
            ),
            rel=1e-4,
        ),
    }


def test_several_summaries_of_an_image_are_all_anchors(images):
    image = keras.Input(tiny.IMAGE_SHAPE)
    local = keras.layers.Conv2D(4, 2, 2)(image)
    summaries = keras.layers.Conv2D(6, 2, 2)(local)
    encoder = keras.Model(image, {"local": local, "global": summaries})
    model = keras_dim.DeepInfoMax(encoder, critic_units=8, gamma=0.1, seed=0)
    terms, features = terms_and_features(model, images[:6])
    summaries = reference_projection.critic_projection(
        features["global"], model.local_critic.summary_projection
    ).reshape(-1, 8)
    parts = reference_projection.critic_projection(
        features["local"], model.local_critic.part_projection
    ).reshape(6, -1, 8)
    scores = np.einsum("mu,jlu->mjl", summaries, parts)
    same = np.repeat(same_image(6), 4, axis=0)
    expected = reference_bounds.info_nce(scores, same, 1 - same)
    assert terms["local_information"] == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(terms["prior_fooling"])


def test_chunks_change_nothing(images):
    models = []
    for chunk_size in (None, 5):
        keras.utils.set_random_seed(0)
        models.append(make(chunk_size=chunk_size))
    whole, chunked = (terms_and_features(model, images)[0] for model in models)
    assert chunked == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize(
    "weights, networks, terms",
    [
        (
            {"alpha": 1.0, "beta": 0.0, "gamma": 0.0},
            {"global_critic"},
            {"global_information"},
        ),
        (
            {"alpha": 0.0, "beta": 1.0, "gamma": 0.0},
            {"local_critic"},
            {"local_information"},
        ),
        (
            {"alpha": 0.0, "beta": 1.0, "gamma": 1.0, "prior": None},
            {"local_critic"},
            {"local_information"},
        ),
        (
            {"alpha": 1.0, "beta": 1.0, "gamma": 0.1},
            {"global_critic", "local_critic", "adversarial_prior"},
            {
                "global_information",
                "local_information",
                "prior_discrimination",
                "prior_gradient_penalty",
                "prior_fooling",
            },
        ),
    ],
    ids=["global", "local", "no_prior", "all"],
)
def test_what_has_no_weight_is_not_built(weights, networks, terms, images):
    model = make(**weights)
    own = {weight.path for weight in model.encoder.weights}
    built = {
        weight.path.split("/")[0]
        for weight in model.weights
        if weight.path not in own
    }
    assert built == networks
    model.compile(keras.optimizers.SGD(0.01))
    logs = model.evaluate(images, verbose=0, return_dict=True)
    assert set(logs) == terms | {"loss"}


def test_objective_weighs_the_terms():
    model = make(alpha=0.5, beta=2.0, gamma=0.1)
    terms = {
        "global_information": 1.0,
        "local_information": 10.0,
        "prior_fooling": 100.0,
        "prior_discrimination": 1000.0,
        "prior_gradient_penalty": 5000.0,
    }
    # Only fooling concerns the encoder; the discriminator learns unweighted.
    assert model.objective(terms) == pytest.approx(
        -0.5 * 1.0 - 2.0 * 10.0 + 0.1 * 100.0 + 1000.0 + 5000.0
    )


def gradients_of(model, images, terms):
    """Each weight's path, and whether those terms move it."""
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        values = model.loss_terms(images, outputs)
        value = tf.add_n([values[term] for term in terms])
    gradients = tape.gradient(value, model.trainable_weights)
    return {
        weight.path: gradient is not None and bool(np.abs(gradient).max() > 0)
        for weight, gradient in zip(
            model.trainable_weights, gradients, strict=True
        )
    }


def test_discriminator_learns_from_its_own_terms_only(images):
    model = make(alpha=1.0, gamma=0.1)
    moved = gradients_of(
        model, images, ["prior_discrimination", "prior_gradient_penalty"]
    )
    for path, is_moved in moved.items():
        assert is_moved == path.startswith("adversarial_prior/"), path


def test_encoder_learns_from_fooling_and_discriminator_does_not(images):
    model = make(alpha=1.0, gamma=0.1)
    moved = gradients_of(model, images, ["prior_fooling"])
    before_summaries = {
        weight.path
        for layer in model.encoder.layers
        for weight in layer.trainable_weights
    }
    for path, is_moved in moved.items():
        assert is_moved == (path in before_summaries), path


def test_variational_divergence_equals_reference_numbers():
    arrays = golden.load("contrastive_kl_prior")
    model = make(variational=True, gamma=1.0, prior="variational")
    mean, log_variance = (
        arrays[name].astype("float32") for name in ("mu", "logvar")
    )
    same = np.eye(4)
    terms = model.loss_terms(
        None,
        {
            "global": mean,
            "global_log_variance": log_variance,
            "local_pairs": (np.zeros((4, 4)), same, 1 - same),
        },
    )
    assert float(terms["prior_divergence"]) == pytest.approx(
        float(arrays["kl_mean_over_batch"]), rel=1e-5
    )


def test_variational_summaries_are_drawn_from_their_distribution():
    model = make(variational=True, gamma=1.0, prior="variational")
    mean = np.tile([[0.0, 3.0, -2.0]], (20_000, 1))
    log_variance = np.tile(np.log([[1.0, 0.25, 9.0]]), (20_000, 1))
    draws = np.array(model._draw_summaries(mean, log_variance))
    # Five deviations of means of 20,000.
    np.testing.assert_allclose(
        draws.mean(0), [0.0, 3.0, -2.0], atol=5 * 3 / 141
    )
    np.testing.assert_allclose(draws.std(0), [1.0, 0.5, 3.0], rtol=0.025)
    correlations = np.corrcoef(draws.T) - np.eye(3)
    np.testing.assert_allclose(correlations, 0.0, atol=0.036)


@pytest.mark.parametrize("term", ["prior_divergence", "local_information"])
def test_gradients_reach_mean_and_variance(term, images):
    model = make(variational=True, gamma=1.0, prior="variational")
    mean_and_variance = [
        model.encoder.layers[-2].kernel,
        model.encoder.layers[-1].kernel,
    ]
    with tf.GradientTape() as tape:
        value = model.loss_terms(None, model(images, training=True))[term]
    for gradient in tape.gradient(value, mean_and_variance):
        assert np.abs(gradient).max() > 0


def test_variational_prior_needs_a_variational_encoder():
    with pytest.raises(ValueError, match="variational=True"):
        make(gamma=1.0, prior="variational")


def test_sampled_locations_are_equally_likely_and_never_repeated():
    num_images, num_locations, num_samples = 3000, 12, 5
    model = make(num_local_samples=num_samples)
    # Every location bears its own number.
    parts = np.arange(num_images * num_locations, dtype="float32")
    parts = parts.reshape(num_images, 3, 4, 1)
    drawn = np.array(model._draw_locations(parts))
    assert drawn.shape == (num_images, num_samples, 1, 1)
    drawn = drawn.reshape(num_images, num_samples).astype(int)
    assert (drawn // num_locations == np.arange(num_images)[:, None]).all()
    assert all(len(set(row)) == num_samples for row in drawn)
    counts = np.bincount(drawn.ravel() % num_locations)
    share = num_samples / num_locations
    deviation = math.sqrt(num_images * share * (1 - share))
    assert np.abs(counts - num_images * share).max() < 5 * deviation


def test_locations_are_sampled_in_training_only(images):
    model = make(num_local_samples=3)
    sampled = model(images, training=True)["local_pairs"].scores
    whole = model(images, training=False)["local_pairs"].scores
    assert sampled.candidates.shape[1] == 3
    assert whole.candidates.shape[1] == 16


def labelled(images):
    return tf.data.Dataset.from_tensor_slices(
        (images, np.arange(len(images)))
    ).batch(8)


INPUTS = {
    "array": lambda images: images,
    "floats": lambda images: images.astype("float32"),
    "pair_of_arrays": lambda images: {
        "x": images,
        "y": np.arange(len(images)),
    },
    "dict_of_arrays": lambda images: {"image": images},
    "images": lambda images: tf.data.Dataset.from_tensor_slices(images).batch(
        8
    ),
    "pairs": labelled,
    "dicts": lambda images: tiny.batches(),
}


def history_of_fit(kind, images):
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    data = INPUTS[kind](images)
    arguments = data if kind == "pair_of_arrays" else {"x": data}
    if not isinstance(data, tf.data.Dataset):
        arguments |= {"batch_size": 8, "shuffle": False}
    return model.fit(**arguments, verbose=0).history


@pytest.mark.parametrize("kind", INPUTS)
def test_fit_takes_images_in_many_forms(kind, images):
    history = history_of_fit(kind, images)
    expected = history_of_fit("dicts", images)
    assert set(history) == set(expected)
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-5), name


@pytest.mark.parametrize("kind", ["array", "images", "pairs", "dicts"])
def test_predict_gives_the_global_vectors(kind, images):
    model = make()
    vectors = model.predict(INPUTS[kind](images), verbose=0)
    expected = model.encoder(images, training=False)["global"]
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)


def test_batches_of_different_sizes_are_taken(images):
    model = make(num_local_samples=3, chunk_size=4, gamma=0.1)
    model.compile(keras.optimizers.SGD(0.01))
    history = model.fit(images[:11], batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("kind", ["array", "dataset"])
def test_batches_of_one_image_are_refused(kind, images):
    model = make()
    model.compile(keras.optimizers.SGD(0.01))
    data = {
        "array": {"x": images, "batch_size": 1},
        "dataset": {
            "x": tf.data.Dataset.from_tensor_slices(images).batch(
                1, drop_remainder=True
            )
        },
    }[kind]
    with pytest.raises(ValueError, match="one image has no negatives"):
        model.fit(**data, verbose=0)


def test_a_dict_without_images_is_refused(images):
    model = make()
    with pytest.raises(ValueError, match="under 'image'.*'picture'"):
        model({"picture": images})


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"bound": "nce"}, "Expected one of .*'info_nce'.*Received: 'nce'"),
        ({"prior": "beta"}, "Unknown prior.*'uniform'.*Received: 'beta'"),
        ({"critic": "bilinear"}, "Unknown critic.*'dot_product'.*'bilinear'"),
        ({"alpha": 0.0, "beta": 0.0}, "no information to maximise"),
        ({"gamma": -1.0}, "`gamma` must not be negative. Received: -1.0"),
        ({"num_local_samples": 17}, "from 1 to the 16 locations.*17"),
        ({"critic_units": 0}, "`critic_units` must be 1 or more.*: 0"),
        ({"num_negatives": 0}, "`num_negatives` must be 1 or more.*: 0"),
        ({"temperature": 0.0}, "`temperature` must be above 0.*: 0.0"),
        ({"gradient_penalty": -1.0}, "`gradient_penalty`.*negative.*: -1.0"),
        (
            {"bound": "donsker_varadhan", "chunk_size": 4},
            "chunk_size=4 with bound='donsker_varadhan'",
        ),
        (
            {"bound": "jensen_shannon", "own_image_score": -10.0},
            "option of the bound 'info_nce'",
        ),
        (
            {"critic": "concatenate", "chunk_size": 4},
            "`chunk_size` .*critic='concatenate'",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_a_batch_with_too_few_negatives_is_refused(images):
    model = make(critic="concatenate", num_negatives=4)
    with pytest.raises(ValueError, match="3 negatives.*which is 4"):
        model(images[:4])


def test_parts_of_one_seed_draw_apart():
    model = make(
        views=keras_dim.views.dim(6, crop_padding=2, flip=True, seed=7),
        gamma=1.0,
        num_local_samples=4,
        prior="uniform",
        seed=7,
    )
    crop, flip = model.views.augmentations
    prior = model.adversarial_prior.seed_generator
    states = [
        tuple(np.array(generator.state).tolist())
        for generator in (
            crop.seed_generator,
            flip.seed_generator,
            prior,
            model._draws,
        )
    ]
    assert len(set(states)) == 4


def test_an_unknown_argument_is_refused():
    with pytest.raises((TypeError, ValueError), match="temprature"):
        make(temprature=0.1)


def test_an_encoder_without_the_outputs_is_refused():
    image = keras.Input((8, 8, 3))
    encoder = keras.Model(image, {"global": keras.layers.Flatten()(image)})
    with pytest.raises(ValueError, match="'global', 'local'.*Received.*global"):
        keras_dim.DeepInfoMax(encoder)


def test_training_raises_the_information():
    # Flat images of 16 greys, a little noisy: easily told apart.
    greys = np.linspace(0, 255, 16)[:, None, None, None]
    noise = np.random.default_rng(0).normal(0, 2, (16, *tiny.IMAGE_SHAPE))
    images = np.clip(greys + noise, 0, 255).astype("uint8")
    keras.utils.set_random_seed(0)
    model = make(bound="info_nce", temperature=3.0)
    model.compile(keras.optimizers.Adam(1e-2))
    history = model.fit(images, batch_size=16, epochs=40, verbose=0).history
    information = history["local_information"]
    # From next to nothing to a good part of what 15 * 16 negatives allow.
    assert information[0] < 0.5
    assert information[-1] > 1.5
