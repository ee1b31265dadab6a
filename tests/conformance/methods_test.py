"""Every method keeps the promises of `SelfSupervisedModel`."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim import layers
from keras_dim import methods

NUM_EPOCHS = 2
# Two methods, each with most options switched on.
WHOLE = ["amdim_mixtures", "deep_infomax_sampled_and_chunked"]
# One instance of each method. `make test-slow` tests the other instances, too.
EACH = [name for name in methods.METHODS if name in tiny.METHODS]
EACH = [*WHOLE, *(name for name in EACH if name != "amdim")]
# Those with their own state, collectives, or random views.
OWN = ["byol", "cmc", "corinfomax", "cpc", "deep_infomax_local", "moco"]
OWN = [*OWN, "simclr"]
# In half precision: a sum over locations, a teacher, and a queue.
HALF = ["byol", "deep_infomax_sampled_and_chunked", "moco"]
# For promises that the base class keeps for all methods.
FEW = ["moco"]


def slow_but(quick, names):
    """Returns names, with all but the quick ones marked slow."""
    return [
        name if name in quick else pytest.param(name, marks=pytest.mark.slow)
        for name in names
    ]


every = pytest.mark.parametrize(
    "name", slow_but(EACH, tiny.METHODS), indirect=True
)
own = pytest.mark.parametrize(
    "name", slow_but(OWN, tiny.METHODS), indirect=True
)
half = pytest.mark.parametrize("name", slow_but(HALF, EACH), indirect=True)
few = pytest.mark.parametrize(
    "name", slow_but(FEW, [*FEW, "byol", *WHOLE]), indirect=True
)


@pytest.fixture(params=tiny.METHODS)
def name(request):
    return request.param


def run(model, **fit_arguments):
    """Returns the history and the weights after two epochs."""
    arguments = {"epochs": NUM_EPOCHS, "verbose": 0} | fit_arguments
    history = model.fit(tiny.batches(), **arguments).history
    return history, model.get_weights()


def evaluate(model):
    return model.evaluate(tiny.batches(), verbose=0, return_dict=True)


def evaluate_eagerly(model):
    """Evaluates without compiling a step, which would take longer."""
    was_eager, model.run_eagerly = model.run_eagerly, True
    model.make_test_function(force=True)
    logs = evaluate(model)
    model.run_eagerly, model.test_function = was_eager, None
    return logs


def run_and_evaluate(model, evaluate=evaluate):
    history, weights = run(model)
    evaluation = evaluate(model)
    return history, weights, evaluation, model.get_weights()


@functools.cache
def plain_run(name):
    """The results on one device, which all other runs must equal."""
    return run_and_evaluate(tiny.make(name), evaluate_eagerly)


def assert_runs_agree(model, got, expected, rtol=1e-4, atol=1e-4):
    history, weights = got[:2]
    expected_history, expected_weights = expected[:2]
    assert set(history) == set(expected_history)
    for term, values in expected_history.items():
        np.testing.assert_allclose(
            history[term], values, rtol=rtol, atol=1e-5, err_msg=term
        )
    assert len(weights) == len(expected_weights) == len(model.weights)
    for variable, weight, expected_weight in zip(
        model.weights, weights, expected_weights, strict=True
    ):
        np.testing.assert_allclose(
            weight, expected_weight, atol=atol, err_msg=variable.path
        )


def random_states(model):
    return {
        variable.path: np.array(variable)
        for variable in model.variables
        if "seed_generator" in variable.path
    }


def test_every_method_has_a_tiny_instance():
    tested = {type(make()) for make in tiny.METHODS.values()}
    assert tested == set(methods.METHODS.values())
    assert {type(tiny.METHODS[name]()) for name in EACH} == tested


def is_frozen(model, weight):
    """Whether a weight belongs to a teacher that is never trained."""
    teacher = getattr(model, "teacher", None)
    return isinstance(teacher, layers.FrozenNetwork) and any(
        weight is each for each in teacher.weights
    )


def has_no_effect(name, weight):
    """Whether a weight is a bias that batch norm removes."""
    return name.startswith("amdim") and weight.path.endswith("shortcut/bias")


def test_every_trainable_weight_receives_gradient(name):
    model = tiny.make(name)
    batch = next(iter(tiny.batches()))
    with tf.GradientTape() as tape:
        outputs = model(batch, training=True)
        loss = model.compute_loss(batch, None, outputs)
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(
        model.trainable_weights, gradients, strict=True
    ):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        if not has_no_effect(name, weight):
            assert np.abs(gradient).max() > 0, weight.path


@every
def test_every_weight_is_trained(name):
    model = tiny.make(name)
    before = model.get_weights()
    after = plain_run(name)[1]
    for variable, old, new in zip(model.weights, before, after, strict=True):
        if is_frozen(model, variable):
            np.testing.assert_array_equal(new, old, variable.path)
        elif not has_no_effect(name, variable):
            assert np.abs(old - new).max() > 0, variable.path


@every
def test_every_term_is_logged_and_the_loss_is_their_weighted_sum(name):
    history = plain_run(name)[0]
    model = tiny.make(name)
    for epoch in range(NUM_EPOCHS):
        logged = {term: values[epoch] for term, values in history.items()}
        loss = logged.pop("loss")
        weighted = [
            weight * logged.pop(term)
            for term, weight in model.term_weights.items()
        ]
        assert loss == pytest.approx(sum(weighted), rel=1e-4)
        assert not logged


def test_init_arguments_are_attributes(name):
    model = tiny.make(name)
    for argument in inspect.signature(type(model).__init__).parameters:
        if argument not in ("self", "kwargs"):
            assert hasattr(model, argument), argument


def test_config_builds_the_same_model(name):
    model = tiny.make(name)
    config = model.get_config()
    copy = type(model).from_config(config)
    assert [weight.shape for weight in copy.weights] == [
        weight.shape for weight in model.weights
    ]
    for argument in inspect.signature(type(model).__init__).parameters:
        value = getattr(model, argument, None)
        if isinstance(value, str | int | float | None):
            assert getattr(copy, argument, None) == value, argument


def test_unknown_arguments_are_refused(name):
    config = tiny.make(name).get_config()
    with pytest.raises((TypeError, ValueError), match="no_such_argument"):
        tiny.make(name).from_config(config | {"no_such_argument": 1})


@own
def test_equal_seeds_and_a_stop_give_equal_runs(name, tmp_path):
    expected_history, expected_weights = plain_run(name)[:2]
    stopped = tiny.make(name)
    # Nothing may depend on the state of the process.
    keras.utils.set_random_seed(54321)
    first, _ = run(stopped, epochs=1)
    stopped.save(tmp_path / "model.keras")
    keras.utils.set_random_seed(12345)
    restored = keras.models.load_model(tmp_path / "model.keras")
    for one, other in zip(stopped.weights, restored.weights, strict=True):
        np.testing.assert_array_equal(one, other, one.path)
    for one, other in zip(
        stopped.optimizer.variables, restored.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(one, other, one.path)
    states = random_states(stopped)
    assert states
    for state, other in zip(
        states.values(), random_states(restored).values(), strict=True
    ):
        np.testing.assert_array_equal(state, other)

    second, weights = run(restored, initial_epoch=1)
    # Equal in all bits.
    for term, values in expected_history.items():
        assert [*first[term], *second[term]] == values, term
    for variable, weight, expected in zip(
        restored.weights, weights, expected_weights, strict=True
    ):
        np.testing.assert_array_equal(weight, expected, variable.path)


def test_a_restored_run_gets_the_batches_of_an_unbroken_one(tmp_path):
    def batches(first_epoch):
        return keras_dim.data.load(
            "digits",
            batch_size=8,
            image_size=8,
            channels=3,
            seed=3,
            first_epoch=first_epoch,
        ).take(5)

    unbroken, stopped = (tiny.make("moco") for _ in range(2))
    expected = unbroken.fit(batches(0), epochs=2, verbose=0).history
    stopped.fit(batches(0), epochs=1, verbose=0)
    stopped.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    history = restored.fit(
        batches(1), initial_epoch=1, epochs=2, verbose=0
    ).history
    assert history == {term: values[1:] for term, values in expected.items()}
    for variable, expected_variable in zip(
        restored.variables, unbroken.variables, strict=True
    ):
        np.testing.assert_array_equal(
            variable, expected_variable, variable.path
        )


def test_a_restored_model_evaluates_to_the_same(name, tmp_path):
    model = tiny.make(name)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    expected = evaluate_eagerly(model)
    assert evaluate_eagerly(restored) == expected


@own
def test_two_replicas_equal_one(name, two_replicas):
    model = tiny.make(name, two_replicas)
    got, expected = run_and_evaluate(model), plain_run(name)
    assert_runs_agree(model, got, expected)
    assert got[2] == pytest.approx(expected[2], rel=1e-4, abs=1e-5)


@few
def test_xla_equals_eager(name, draws_that_xla_shares):
    eager = run(tiny.make(name, run_eagerly=True))
    model = tiny.make(name, jit_compile=True)
    assert_runs_agree(model, run(model), eager)


@few
def test_eager_equals_graph(name):
    model = tiny.make(name, run_eagerly=True)
    assert_runs_agree(model, run(model), plain_run(name))


@few
def test_several_steps_per_execution_equal_single_ones(name):
    model = tiny.make(name, steps_per_execution=2)
    assert_runs_agree(model, run(model), plain_run(name))


@every
def test_evaluation_changes_no_weight(name):
    _, before, _, after = plain_run(name)
    for variable, old, new in zip(
        tiny.make(name).weights, before, after, strict=True
    ):
        np.testing.assert_array_equal(old, new, variable.path)


@half
@pytest.mark.parametrize(
    "policy",
    [
        "mixed_float16",
        pytest.param("mixed_bfloat16", marks=pytest.mark.slow),
    ],
)
def test_mixed_precision_is_finite(name, policy):
    expected = evaluate_eagerly(tiny.make(name))
    keras.config.set_dtype_policy(policy)
    model = tiny.make(name)
    logs = evaluate_eagerly(model)
    assert logs == pytest.approx(expected, rel=0.05, abs=0.05)
    history, weights = run(model)
    assert np.isfinite([*history.values()]).all()
    assert np.isfinite([*evaluate_eagerly(model).values()]).all()
    assert all(np.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        pytest.param("amdim", "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param(
            "deep_infomax_sampled_and_chunked",
            "mixed_float16",
            marks=pytest.mark.slow,
        ),
        ("moco", "mixed_float16"),
    ],
    indirect=["name"],
)
def test_mixed_precision_on_two_replicas_is_finite(name, policy, two_replicas):
    keras.config.set_dtype_policy(policy)
    history, weights = run(tiny.make(name, two_replicas), epochs=1)
    assert np.isfinite([*history.values()]).all()
    assert all(np.isfinite(weight).all() for weight in weights)


@few
def test_options_that_keras_cannot_distribute_are_refused(name, two_replicas):
    model = tiny.make(name, two_replicas, jit_compile=True)
    with pytest.raises(ValueError, match="jit_compile=True.*2 replicas"):
        model.fit(tiny.batches(), verbose=0)
    with two_replicas.scope():
        model.compile(keras.optimizers.SGD(gradient_accumulation_steps=2))
    with pytest.raises(ValueError, match="gradient_accumulation_steps.*2 rep"):
        model.fit(tiny.batches(), verbose=0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("moco", "each of the 2.*drop_remainder"),
        pytest.param(
            "amdim",
            "no negatives.*drop_remainder",
            marks=pytest.mark.slow,
        ),
        ("deep_infomax_local", "no negatives.*drop_remainder"),
    ],
    indirect=["name"],
)
def test_a_replica_without_an_image_is_refused(name, message, two_replicas):
    # A batch of four images, and a last one of one image.
    images = tf.data.Dataset.from_tensor_slices(tiny.images()[:5]).batch(4)
    model = tiny.make(name, two_replicas)
    with pytest.raises(ValueError, match=message):
        model.evaluate(images, verbose=0)
