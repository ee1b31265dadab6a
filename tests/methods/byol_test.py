import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


@pytest.fixture(scope="module")
def model():
    return tiny.byol()


def test_loss_and_gradients_equal_the_published_ones(model):
    arrays = golden.load("contrastive_byol_raft")
    predictions, targets = (
        [tf.constant(arrays[f"{letter}{i}"], "float32") for i in (1, 2)]
        for letter in "pz"
    )
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        error = model.loss_terms((predictions, targets))["prediction_error"]
    gradients = tape.gradient(error, predictions)

    np.testing.assert_allclose(error, arrays["loss_symmetric"], rtol=1e-5)
    for gradient, name in zip(gradients, ("grad_p1", "grad_p2"), strict=True):
        np.testing.assert_allclose(gradient, arrays[name], rtol=1e-5, atol=1e-6)


def test_each_prediction_meets_the_target_of_the_other_view(model):
    one, other = np.eye(5, dtype="float32")[:2, None]
    crossed = model.loss_terms(([one, other], [other, one]))
    straight = model.loss_terms(([one, other], [one, other]))

    assert float(crossed["prediction_error"]) == pytest.approx(0.0, abs=1e-6)
    # Two orthogonal pairs, at a squared distance of 2 each.
    assert float(straight["prediction_error"]) == pytest.approx(4.0, rel=1e-6)


def test_each_of_three_predictions_meets_the_targets_of_the_others(model):
    rng = np.random.default_rng(0)
    predictions, targets = rng.normal(size=(2, 3, 7, 5))
    found = model.loss_terms((list(predictions), list(targets)))

    def unit(vectors):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    expected = 0.0
    for i in range(3):
        for j in range(3):
            if i != j:
                gap = unit(predictions[i]) - unit(targets[j])
                expected += 2 * np.mean(np.sum(gap**2, axis=-1)) / 6
    np.testing.assert_allclose(found["prediction_error"], expected, rtol=1e-5)


def test_random_vectors_have_an_error_of_four(model):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4, 1000, 64)).astype("float32")
    terms = model.loss_terms((list(vectors[:2]), list(vectors[2:])))

    # The mean cosine of 1,000 pairs in 64 dimensions deviates by 0.004, twice.
    assert float(terms["prediction_error"]) == pytest.approx(4.0, abs=0.06)


def test_the_teacher_starts_from_weights_of_its_own(model):
    student = [*model.encoder.weights, *model.projector.weights]
    slow = [w for net in model.teacher.networks for w in net.weights]
    kernels = [
        (fast, other)
        for fast, other in zip(student, slow, strict=True)
        if fast.path.endswith("kernel")
    ]
    assert kernels
    for fast, other in kernels:
        assert not np.array_equal(fast, other)


def test_the_predictor_has_no_teacher(model):
    shapes = [
        tuple(w.shape) for net in model.teacher.networks for w in net.weights
    ]
    student = [*model.encoder.weights, *model.projector.weights]
    assert shapes == [tuple(weight.shape) for weight in student]


def test_the_loss_is_the_error_alone(model):
    outputs = model(tiny.images()[:4])
    error = float(model.loss_terms(outputs)["prediction_error"])
    loss = model.compute_loss(y_pred=outputs, training=False)
    assert 0 < error == pytest.approx(float(loss), rel=1e-6)


def test_projector_and_predictor_have_no_biases(model):
    for head, num_inputs in ((model.projector, 6), (model.predictor, 5)):
        shapes = [tuple(weight.shape) for weight in head.trainable_weights]
        # A layer, its batch norm, and a layer.
        assert shapes == [(num_inputs, 8), (8,), (8,), (8, 5)]
    assert model.projector.name == "projector"
    assert model.predictor.name == "predictor"


def test_default_views_are_the_published_ones():
    model = keras_dim.BYOL(tiny.encoder(32), units=4, hidden_units=4, seed=3)
    images = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3))
    published = keras_dim.views.byol(32, seed=3)(images, training=True)
    views = model.views(images, training=True)
    assert set(views) == set(published) == {"view_1", "view_2"}
    for name, view in views.items():
        np.testing.assert_array_equal(view, published[name])


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_the_teacher_moves_once_in_the_steps_of_an_update(policy):
    keras.config.set_dtype_policy(policy)
    model = tiny.byol()
    model.compile(keras.optimizers.SGD(gradient_accumulation_steps=2))
    images = tiny.images()[:4]
    moved = []
    for _ in range(4):
        before = model.teacher.networks[0].get_weights()
        model.fit(images, verbose=0)
        after = model.teacher.networks[0].get_weights()
        # The first weight is a kernel; moving statistics change in each step.
        moved.append(not np.array_equal(before[0], after[0]))

    # At the start of a step, once the two steps before it made an update.
    assert moved == [False, False, True, False]
