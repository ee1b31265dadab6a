import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from reference import bounds as reference_bounds
from reference import projection as reference_projection

import keras_dim
from keras_dim import layers
from keras_dim.mutual_information import bounds


@pytest.fixture(scope="module")
def images():
    return tiny.images()


def critic(temperature=1.0):
    return layers.DotProductCritic(units=8, temperature=temperature)


def make(variational=False, **arguments):
    arguments = {"critic": critic(), "seed": 0, "gamma": 0.0} | arguments
    return keras_dim.DeepInfoMax(
        tiny.encoder(variational=variational), **arguments
    )


def terms_and_features(model, images):
    """The terms of a training step, and the features that it saw."""
    features = model.encoder(images, training=True)
    outputs = model(images, training=True)
    terms = model.loss_terms(outputs)
    return (
        {name: float(term) for name, term in terms.items()},
        {name: np.array(feature) for name, feature in features.items()},
    )


def same_image(num_images):
    return np.eye(num_images)[:, :, None]


@pytest.mark.parametrize("bound", bounds.BOUNDS)
def test_local_information_equals_loops(bound, images):
    model = make(bound=bound, critic=critic(temperature=4.0))
    terms, features = terms_and_features(model, images)
    local_critic = model.critics["local_information"]
    summaries = reference_projection.projection(
        features["global"], local_critic.summary_projection
    )
    parts = reference_projection.projection(
        features["local"], local_critic.map_projection
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
    global_critic = model.critics["global_information"]
    parts = global_critic.map_projection(features["local"], training=True)
    kernel, bias = global_critic.summary_projection.get_weights()
    summaries = features["global"] @ kernel + bias
    scores = (summaries @ np.transpose(parts))[:, :, None]
    same = same_image(len(images))
    expected = reference_bounds.BOUNDS[bound](scores, same, 1 - same)
    assert terms == {"global_information": pytest.approx(expected, rel=1e-4)}


@pytest.mark.parametrize("prior", [None, "variational"])
def test_summaries_paired_with_themselves_equal_loops(prior, images):
    model = make(
        variational=True,
        alpha=1.0,
        beta=0.0,
        gamma=0.1,
        prior=prior,
        global_pairing="summary",
        bound="jensen_shannon",
    )
    features = model.encoder(images, training=True)
    drawn = np.array(features["global"])
    if prior:
        # Both sides of a pair are the same draw.
        state = np.array(model.prior.seed_generator.state)
        drawn = np.array(model.prior(features)[0])
        model.prior.seed_generator.state.assign(state)
        assert np.abs(drawn - features["global"]).min() > 0
    terms, _ = terms_and_features(model, images)
    global_critic = model.critics["global_information"]
    anchors, candidates = (
        reference_projection.projection(drawn, projection)
        for projection in (
            global_critic.summary_projection,
            global_critic.map_projection,
        )
    )
    scores = (anchors @ candidates.T)[:, :, None]
    same = same_image(len(images))
    expected = reference_bounds.jensen_shannon(scores, same, 1 - same)
    assert terms["global_information"] == pytest.approx(expected, rel=1e-4)


def test_concatenated_information_equals_loops(images):
    model = make(
        alpha=1.0,
        beta=1.0,
        bound="jensen_shannon",
        critic=layers.ConcatenateCritic(units=8, num_negatives=2),
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
            information(
                model.critics["local_information"], lambda image: parts[image]
            ),
            rel=1e-4,
        ),
        "global_information": pytest.approx(
            information(
                model.critics["global_information"],
                lambda image: [parts[image].ravel()],
            ),
            rel=1e-4,
        ),
    }


def test_several_summaries_of_an_image_are_all_anchors(images):
    image = keras.Input(tiny.IMAGE_SHAPE)
    local = keras.layers.Conv2D(4, 2, 2)(image)
    summaries = keras.layers.Conv2D(6, 2, 2)(local)
    encoder = keras.Model(image, {"local": local, "global": summaries})
    model = keras_dim.DeepInfoMax(encoder, critic=critic(), gamma=0.1, seed=0)
    terms, features = terms_and_features(model, images[:6])
    local_critic = model.critics["local_information"]
    summaries = reference_projection.projection(
        features["global"], local_critic.summary_projection
    ).reshape(-1, 8)
    parts = reference_projection.projection(
        features["local"], local_critic.map_projection
    ).reshape(6, -1, 8)
    scores = np.einsum("mu,jlu->mjl", summaries, parts)
    same = np.repeat(same_image(6), 4, axis=0)
    expected = reference_bounds.info_nce(scores, same, 1 - same)
    assert terms["local_information"] == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(terms["prior_fooling"])


@pytest.mark.parametrize("bound", ["info_nce", "donsker_varadhan"])
def test_chunks_change_nothing(bound, images):
    models = []
    for chunk_size in (None, 5):
        keras.utils.set_random_seed(0)
        models.append(make(bound={"name": bound, "chunk_size": chunk_size}))
    whole, chunked = (terms_and_features(model, images)[0] for model in models)
    assert chunked == pytest.approx(whole, rel=1e-5)


GLOBAL, LOCAL = "global_information", "local_information"


@pytest.mark.parametrize(
    "weights, networks, terms",
    [
        (
            {"alpha": 1.0, "beta": 0.0, "gamma": 0.0},
            {"global_information_critic"},
            {GLOBAL: -1.0},
        ),
        (
            {"alpha": 0.0, "beta": 1.0, "gamma": 0.0},
            {"local_information_critic"},
            {LOCAL: -1.0},
        ),
        (
            {"alpha": 0.0, "beta": 1.0, "gamma": 1.0, "prior": None},
            {"local_information_critic"},
            {LOCAL: -1.0},
        ),
        (
            # Only fooling concerns the encoder; the discriminator learns
            # unweighted.
            {"alpha": 0.5, "beta": 2.0, "gamma": 0.1},
            {
                "global_information_critic",
                "local_information_critic",
                "prior",
            },
            {
                GLOBAL: -0.5,
                LOCAL: -2.0,
                "prior_discrimination": 1.0,
                "prior_gradient_penalty": 1.0,
                "prior_fooling": 0.1,
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
    if model.prior:
        built = built - {model.prior.name} | {"prior"}
    assert built == networks
    assert model.term_weights == terms
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    logs = model.evaluate(images, verbose=0, return_dict=True)
    assert set(logs) == set(terms) | {"loss"}


def test_loss_weighs_the_terms(images):
    prior = layers.AdversarialPrior(gradient_penalty=0.7)
    model = make(alpha=0.5, beta=2.0, gamma=0.1, prior=prior)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    logs = model.evaluate(images, verbose=0, return_dict=True)
    assert logs["prior_gradient_penalty"] > 0
    assert logs["loss"] == pytest.approx(
        -0.5 * logs[GLOBAL]
        - 2.0 * logs[LOCAL]
        + 0.1 * logs["prior_fooling"]
        + logs["prior_discrimination"]
        + 0.7 * logs["prior_gradient_penalty"],
        rel=1e-5,
    )


def gradients_of(model, images, terms):
    """Each weight's path, and whether those terms move it."""
    with tf.GradientTape() as tape:
        outputs = model(images, training=True)
        values = model.loss_terms(outputs)
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
        assert is_moved == path.startswith(f"{model.prior.name}/"), path


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


@pytest.mark.parametrize("term", ["prior_divergence", "local_information"])
def test_gradients_reach_mean_and_variance(term, images):
    model = make(variational=True, gamma=1.0, prior="variational")
    mean_and_variance = [
        model.encoder.layers[-2].kernel,
        model.encoder.layers[-1].kernel,
    ]
    with tf.GradientTape() as tape:
        value = model.loss_terms(model(images, training=True))[term]
    for gradient in tape.gradient(value, mean_and_variance):
        assert np.abs(gradient).max() > 0


def test_variational_prior_needs_a_variational_encoder():
    with pytest.raises(ValueError, match="variational=True"):
        make(gamma=1.0, prior="variational")


def test_locations_are_sampled_in_training_only(images):
    model = make(num_local_samples=3)
    sampled, whole = (
        model(images, training=training)[0][LOCAL].scores
        for training in (True, False)
    )
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


@functools.cache
def history_of_fit(kind):
    images = tiny.images()
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    data = INPUTS[kind](images)
    arguments = data if kind == "pair_of_arrays" else {"x": data}
    if not isinstance(data, tf.data.Dataset):
        arguments |= {"batch_size": 8, "shuffle": False}
    return model.fit(**arguments, verbose=0).history


@pytest.mark.parametrize("kind", INPUTS)
def test_fit_takes_images_in_many_forms(kind):
    history, expected = history_of_fit(kind), history_of_fit("dicts")
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
    model = make(
        num_local_samples=3, bound=bounds.InfoNCE(chunk_size=4), gamma=0.1
    )
    model.compile(keras.optimizers.SGD(0.01), jit_compile=False)
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
        ({"bound": "nce"}, "Unknown bound: 'nce'.*Expected one of.*'info_nce'"),
        ({"prior": "beta"}, "Unknown prior: 'beta'.*'uniform'"),
        ({"critic": "bilinear"}, "Unknown critic: 'bilinear'.*'dot_product'"),
        ({"alpha": 0.0, "beta": 0.0}, "`alpha` or `beta` must be above 0"),
        ({"gamma": -1.0}, "`gamma` must be 0 or more. Received: -1.0"),
        ({"num_local_samples": 17}, "from 1 to 16.*17"),
        ({"num_local_samples": 0}, "`num_samples`.* 1 or more.*0"),
        ({"global_pairing": "sum"}, "'sum'.*'map', 'summary'"),
        (
            {"critic": {"name": "dot_product", "units": 0}},
            "`units` must be an integer, 1 or more.*: 0",
        ),
        ({"critic_units": 0, "critic": "dot_product"}, "`units` must.*: 0"),
        ({"critic_units": 9}, "units=8 already: leave out `critic_units`"),
        (
            {"critic": {"name": "concatenate", "num_negatives": 0}},
            "`num_negatives` must be an integer, 1 or more.*: 0",
        ),
        (
            {"critic": {"name": "dot_product", "temperature": 0.0}},
            "`temperature` must be above 0.*: 0.0",
        ),
        (
            {"gamma": 1, "prior": {"name": "uniform", "gradient_penalty": -1}},
            "`gradient_penalty` must be 0 or more.*: -1",
        ),
        (
            {"bound": {"name": "donsker_varadhan", "chunk_size": 0}},
            "`chunk_size` must be an integer, 1 or more.*: 0",
        ),
        (
            {"bound": {"name": "jensen_shannon", "own_image_score": -10.0}},
            "'jensen_shannon' has no argument 'own_image_score'",
        ),
        (
            {
                "critic": "concatenate",
                "bound": {"name": "info_nce", "chunk_size": 4},
            },
            "`chunk_size` needs a DotProductCritic.*ConcatenateCritic",
        ),
        ({"bound": "contrastive_margin"}, "compares cosines"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("name", ["dot_product", "concatenate"])
def test_critics_by_name_have_the_width_given(name):
    model = make(alpha=1.0, critic=name, critic_units=8)
    assert model.critic_units == 8
    assert {critic.units for critic in model.critics.values()} == {8}


def test_a_batch_with_too_few_negatives_is_refused(images):
    model = make(critic=layers.ConcatenateCritic(units=8, num_negatives=4))
    with pytest.raises(ValueError, match="more images.*which is 4.*: 4"):
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
    prior = model.prior.seed_generator
    states = [
        tuple(np.array(generator.state).tolist())
        for generator in (
            crop.seed_generator,
            flip.seed_generator,
            prior,
            model.sampler.seed_generator,
        )
    ]
    assert len(set(states)) == 4


def test_an_unknown_argument_is_refused():
    with pytest.raises((TypeError, ValueError), match="temprature"):
        make(temprature=0.1)


def test_an_encoder_without_the_outputs_is_refused():
    image = keras.Input((8, 8, 3))
    encoder = keras.Model(image, {"global": keras.layers.Flatten()(image)})
    with pytest.raises(ValueError, match="no feature 'local'.*global"):
        keras_dim.DeepInfoMax(encoder)


def test_training_raises_the_information():
    # Flat images of 16 greys, a little noisy: easily told apart.
    greys = np.linspace(0, 255, 16)[:, None, None, None]
    noise = np.random.default_rng(0).normal(0, 2, (16, *tiny.IMAGE_SHAPE))
    images = np.clip(greys + noise, 0, 255).astype("uint8")
    keras.utils.set_random_seed(0)
    model = make(bound="info_nce", critic=critic(temperature=3.0))
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    history = model.fit(images, batch_size=16, epochs=40, verbose=0).history
    information = history["local_information"]
    # From next to nothing to a good part of what 15 * 16 negatives allow.
    assert information[0] < 0.5
    assert information[-1] > 1.5
