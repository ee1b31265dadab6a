import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


@pytest.fixture(scope="module")
def arrays():
    return golden.load("contrastive_instdisc")


def published(arrays, **arguments):
    """The authors' sizes, first bank and random rows."""
    arguments = {
        "units": 8,
        "temperature": float(arrays["tau"]),
        "num_noise": int(arrays["m"]),
    } | arguments
    model = keras_dim.InstanceDiscrimination(
        tiny.encoder(), 20, views=tiny.one_view(), seed=1, **arguments
    )
    model.bank.features.assign(arrays["bank_0"])
    return model


def step(model, arrays, number, vectors=None):
    """Returns the terms of a step of the authors, whose vectors are known."""
    if vectors is None:
        vectors = tf.constant(arrays[f"x_{number}"], "float32")
    index = tf.constant(arrays["y"], "int64")
    ratios = None
    if model.num_noise:
        chosen = tf.constant(arrays["idx"], "int64")
        ratios = model.contrast(
            vectors,
            model.bank.read(chosen),
            model.sampler.log_probability(chosen),
            training=True,
        )
    terms = model.loss_terms((vectors, index, ratios))
    model.after_loss((vectors, index, ratios))
    return terms


def test_two_steps_of_nce_equal_the_authors(arrays):
    model = published(arrays)
    for number in (1, 2):
        terms = step(model, arrays, number)
        # Their 1e-7 in both denominators is left out here.
        np.testing.assert_allclose(
            terms["noise_contrastive_loss"],
            arrays[f"loss_{number}"],
            rtol=1e-5,
        )
        np.testing.assert_allclose(
            model.bank.read(), arrays[f"bank_{number}"], rtol=1e-5, atol=1e-6
        )
        # Estimated once, from the first batch.
        found = np.exp(model.contrast.log_average.read())
        np.testing.assert_allclose(found, arrays["Z_1"], rtol=1e-4)


def test_the_slope_equals_the_authors(arrays):
    vectors = tf.Variable(arrays["x_1"], dtype="float32")
    with tf.GradientTape() as tape:
        terms = step(published(arrays), arrays, 1, tf.identity(vectors))
        loss = terms["noise_contrastive_loss"]
    np.testing.assert_allclose(
        tape.gradient(loss, vectors), arrays["grad_x_1"], rtol=1e-4, atol=1e-5
    )


def test_the_normaliser_may_be_averaged_or_given(arrays):
    model = published(arrays, normalizer="moving_average")
    for number in (1, 2):
        step(model, arrays, number)
    found = np.exp(model.contrast.log_average.read())
    np.testing.assert_allclose(found, arrays["Z_ema0.99_after_2"], rtol=1e-4)
    given = published(arrays, normalizer=float(arrays["Z_1"]))
    terms = step(given, arrays, 1)
    np.testing.assert_allclose(
        terms["noise_contrastive_loss"], arrays["loss_1"], rtol=1e-5
    )


def test_the_full_softmax_equals_the_authors(arrays):
    terms = step(published(arrays, num_noise=None), arrays, 1)
    loss = np.log(20) - terms["contrastive_information"]
    np.testing.assert_allclose(loss, arrays["full_softmax_loss_1"], rtol=1e-5)


def test_the_proximal_term_is_that_of_the_paper(arrays):
    terms = step(published(arrays, proximal=1.0), arrays, 1)
    np.testing.assert_allclose(
        terms["distance_to_bank"], arrays["prox_term_1"], rtol=1e-5
    )


def test_a_step_draws_rows_beside_the_own():
    model = tiny.make("instance_discrimination")
    batch = next(iter(tiny.batches()))
    views = model.views_of(batch, training=False)
    vectors, index, ratios = model.outputs(views, training=False)
    assert ratios.shape == (8, 6)
    own = tf.reduce_sum(vectors * model.bank.read(index), axis=-1) / 0.5
    differences = np.diff(np.array(own) - np.array(ratios)[:, 0])
    np.testing.assert_allclose(differences, 0, atol=1e-5)


def test_a_batch_without_indices_is_refused():
    model = tiny.make("instance_discrimination")
    with pytest.raises(ValueError, match="dicts with 'index'.*Received"):
        model.fit(tiny.images(), verbose=0)


def test_more_images_than_rows_are_refused():
    model = tiny.make("instance_discrimination")
    batch = {"image": tiny.images(), "index": np.arange(16) + 1}
    data = tf.data.Dataset.from_tensor_slices(batch).batch(8)
    with pytest.raises(ValueError, match="rows for 16 images.*from 9 to 16"):
        model.fit(data, verbose=0)


def test_an_image_has_its_row_whatever_the_order():
    model = tiny.make("instance_discrimination")
    before = np.array(model.bank.read())
    index = np.array([3, 7])
    data = tf.data.Dataset.from_tensors(
        {"image": tiny.images()[:2], "index": index}
    )
    # Endless: as a whole, a data set of two images would not fit the bank.
    model.fit(data.repeat(), steps_per_epoch=1, verbose=0)
    changed = np.any(before != np.array(model.bank.read()), axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changed), index)


def test_default_views_are_those_of_the_paper():
    model = keras_dim.InstanceDiscrimination(tiny.encoder(32), 4, seed=3)
    images = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3))
    published_views = keras_dim.views.instance_discrimination(32, seed=3)
    expected = published_views(images, training=True)["image"]
    found = model.views(images, training=True)["image"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_noise": 0}, "`num_noise`.*1 or more"),
        ({"temperature": 0.0}, "`temperature`.*above 0"),
        ({"temperature": 0.0, "num_noise": None}, "`temperature`.*above 0"),
        ({"normalizer": "first"}, "normalizer: 'first'.*first_batch"),
        ({"normalizer": 0.0}, "`normalizer`.*above 0"),
        ({"bank_momentum": 2.0}, "`momentum`.*from 0 to 1"),
        ({"noise": [1.0]}, "one frequency for each of 16"),
        ({"noise": [1.0] * 16, "num_noise": None}, "leave `noise` out"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny.instance_discrimination(**arguments)


def test_training_lowers_the_loss():
    model = tiny.instance_discrimination(num_noise=5)
    model.compile(keras.optimizers.SGD(0.05))
    losses = model.fit(tiny.batches(), epochs=10, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
