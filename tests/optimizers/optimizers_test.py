"""The optimizers do what the published code's do."""

import golden
import keras
import numpy as np
import pytest
from keras import ops
from tiny_optimizers import EACH
from tiny_optimizers import fit
from tiny_optimizers import model
from tiny_optimizers import schedule

from keras_dim import optimizers
from keras_dim.optimizers import published

START = np.array([1.0, -2.0, 0.3], "float32")
GRADIENTS = np.random.default_rng(0).normal(size=(5, 3))


def run(optimizer, gradients=GRADIENTS, start=START):
    """Returns the variable after a step with each gradient."""
    variable = keras.Variable(start)
    for gradient in gradients:
        gradient = ops.convert_to_tensor(gradient, "float32")
        optimizer.apply([gradient], [variable])
    return ops.convert_to_numpy(variable)


def torch_adam(
    gradients, rate, beta_1, beta_2, epsilon=1e-8, l2=0.0, decay=0.0
):
    """PyTorch's single-tensor Adam and AdamW, in float64."""
    variable, first, second = START.astype("float64"), 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        variable = variable * (1 - rate * decay)
        gradient = gradient + l2 * variable
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * gradient**2
        denominator = np.sqrt(second) / np.sqrt(1 - beta_2**step) + epsilon
        variable = variable - rate / (1 - beta_1**step) * first / denominator
    return variable


def torch_sgd(gradients, rates, momentum, nesterov, l2):
    """PyTorch's SGD, in float64."""
    variable, velocity = START.astype("float64"), 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        gradient = gradient + l2 * variable
        velocity = momentum * velocity + gradient
        step = gradient + momentum * velocity if nesterov else velocity
        variable = variable - rate * step
    return variable


# From ordinary gradients down to those of the size of epsilon, where it
# matters when epsilon is added.
@pytest.mark.parametrize("size", [1.0, 1e-6, 1e-8])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_adam_is_that_of_pytorch(size, l2):
    optimizer = optimizers.Adam(0.1, beta_1=0.8, l2=l2)

    moved = run(optimizer, size * GRADIENTS) - START

    expected = torch_adam(size * GRADIENTS, 0.1, 0.8, 0.999, l2=l2) - START
    np.testing.assert_allclose(moved, expected, rtol=3e-6, atol=1e-7)


def test_keras_still_adds_epsilon_before_the_bias_is_corrected():
    # Once this fails, keras.optimizers.Adam can be used again.
    moved = run(keras.optimizers.Adam(0.1, epsilon=1e-8), 1e-6 * GRADIENTS[:1])

    expected = torch_adam(1e-6 * GRADIENTS[:1], 0.1, 0.9, 0.999)
    assert np.abs(moved - expected).max() > 0.02


def test_adamw_is_that_of_pytorch():
    optimizer = optimizers.get("adamw", learning_rate=0.1, weight_decay=0.2)

    expected = torch_adam(GRADIENTS, 0.1, 0.9, 0.999, decay=0.2)
    np.testing.assert_allclose(run(optimizer), expected, rtol=3e-6)


def test_adamw_decays_unless_told_otherwise():
    assert optimizers.get("adamw").weight_decay == 0.01
    assert optimizers.get("adam").weight_decay is None


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_that_of_pytorch_while_the_rate_changes(momentum, nesterov):
    schedule = optimizers.Schedule(0.1, "steps", boundaries=[1, 3])
    optimizer = optimizers.SGD(schedule, momentum, nesterov, l2=0.3)
    rates = [0.1, 0.01, 0.01, 0.001, 0.001]

    expected = torch_sgd(GRADIENTS, rates, momentum, nesterov, 0.3)
    np.testing.assert_allclose(run(optimizer), expected, rtol=1e-6)


@pytest.mark.parametrize("definition", published.DEFINITIONS)
def test_lars_equals_published_numbers(definition):
    numbers = golden.load("contrastive_lars")
    kernel = keras.Variable(numbers["w0"].astype("float32"), name="kernel")
    bias = keras.Variable(numbers["b0"].astype("float32"), name="bias")
    rates = [float(rate) for rate in numbers["lrs"]]
    optimizer = optimizers.LARS(
        rates[0],
        momentum=float(numbers["momentum"]),
        l2=float(numbers["weight_decay"]),
        trust=float(numbers["eta"]),
        definition=definition,
    )
    for step, rate in enumerate(rates):
        optimizer.learning_rate = rate
        gradients = [numbers["grad_w"][step], numbers["grad_b"][step]]
        optimizer.apply(
            [ops.convert_to_tensor(each, "float32") for each in gradients],
            [kernel, bias],
        )
        expected = numbers[f"{definition}_w_{step + 1}"]
        np.testing.assert_allclose(kernel, expected, rtol=1e-5)
        # A step of "lightly" for the bias is not in the file.
        expected = numbers.get(f"{definition}_b_{step + 1}")
        if expected is not None:
            np.testing.assert_allclose(bias, expected, rtol=1e-5)


@pytest.mark.parametrize("definition", published.DEFINITIONS)
@pytest.mark.parametrize(
    ("start", "gradients"), [(0 * START, GRADIENTS), (START, 0 * GRADIENTS)]
)
def test_lars_does_not_divide_by_a_norm_of_zero(definition, start, gradients):
    optimizer = optimizers.LARS(0.1, l2=0.0, definition=definition)

    moved = run(optimizer, gradients[:1], start) - start

    np.testing.assert_allclose(moved, -0.1 * gradients[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("definition", "moves"),
    [("simclr", True), ("byol", True), ("lightly", False)],
)
def test_lars_without_a_gradient_decays_as_published(definition, moves):
    optimizer = optimizers.LARS(0.1, l2=0.5, definition=definition)

    moved = run(optimizer, 0 * GRADIENTS[:1]) - START

    assert bool(np.any(moved)) is moves


def excluded_paths(optimizer):
    """Returns the paths that LARS excludes of a model within a model."""
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(name="bn")(hidden)
    hidden = keras.layers.LayerNormalization(name="ln")(hidden)
    trunk = keras.Model(inputs, hidden, name="trunk")
    model = keras.Sequential(
        [trunk, keras.layers.Dense(2, name="norm_free_head")]
    )
    model.build((None, 4))
    variables = model.trainable_variables
    optimizer.build(variables)
    return {
        variable.path.removeprefix(f"{model.name}/")
        for variable, is_excluded in zip(
            variables, optimizer._is_excluded, strict=True
        )
        if is_excluded
    }


def test_lars_excludes_biases_and_normalisations():
    # Their names alone, "gamma" and "kernel", do not tell their layer, and a
    # layer's name that contains "norm" does not make it a normalisation.
    assert excluded_paths(optimizers.LARS()) == {
        "hidden/bias",
        "bn/gamma",
        "bn/beta",
        "ln/gamma",
        "ln/beta",
        "norm_free_head/bias",
    }


def test_lars_excludes_a_layer_by_its_path():
    optimizer = optimizers.LARS(exclude=["norm_free_head/kernel"])

    assert excluded_paths(optimizer) == {"norm_free_head/kernel"}


def test_an_exclude_that_fits_no_variable_is_refused():
    with pytest.raises(ValueError, match="'batch_normalization'.*no variable"):
        excluded_paths(optimizers.LARS(exclude=["batch_normalization"]))


def test_lars_refuses_a_decoupled_weight_decay():
    with pytest.raises(ValueError, match="pass it as `l2`"):
        optimizers.get("lars", weight_decay=1e-4)


def rates_of(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_a_warm_up_rises_to_the_rate_and_stays():
    schedule = optimizers.Schedule(0.8, warmup_steps=4)

    np.testing.assert_allclose(
        rates_of(schedule, range(6)), [0.2, 0.4, 0.6, 0.8, 0.8, 0.8], rtol=1e-6
    )


def test_steps_fall_at_their_boundaries():
    schedule = optimizers.Schedule(
        1.0, "steps", boundaries=[3, 5], factor=0.2, warmup_steps=2
    )

    np.testing.assert_allclose(
        rates_of(schedule, range(7)), [0.5, 1, 1, 0.2, 0.2, 0.04, 0.04], 1e-6
    )


def test_a_cosine_is_that_of_byol():
    # What BYOL's schedule gives for 100 steps of warm-up in 1,000.
    schedule = optimizers.Schedule(
        3.2, "cosine", total_steps=1000, warmup_steps=100, from_zero=True
    )

    np.testing.assert_allclose(
        rates_of(schedule, [0, 1, 50, 99, 100, 550, 1000, 1200]),
        [0.0, 0.032, 1.6, 3.168, 3.2, 1.6, 0.0, 0.0],
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "cosin"}, "Did you mean 'cosine'"),
        ({"kind": "cosine"}, "total_steps"),
        ({"total_steps": 5}, "total_steps"),
        (
            {"kind": "cosine", "total_steps": 5, "warmup_steps": 5},
            "total_steps.*6 or more",
        ),
        ({"kind": "steps"}, "boundaries"),
        ({"boundaries": [4]}, "boundaries"),
        ({"warmup_steps": 0.5}, "warmup_steps.*integer"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"kind": "steps", "boundaries": [4], "factor": 10}, "`factor`"),
    ],
)
def test_a_schedule_refuses_what_it_would_not_use(arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.Schedule(0.1, **arguments)


def test_a_cosine_needs_an_epoch():
    with pytest.raises(ValueError, match="`epochs`.*Received: 0"):
        optimizers.SCHEDULES["cosine"](0.1, epochs=0, steps_per_epoch=5)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("adamm", {}, "Unknown optimizer: 'adamm'. Did you mean 'adam'"),
        ("sgd", {"momentun": 0.9}, "'momentun'. Did you mean 'momentum'"),
        ("sgd", {"momentum": 1.1}, "`momentum` must be from 0 to 1"),
        ("adam", {"momentum": 0.9}, "'adam' has no argument 'momentum'"),
        ("adam", {"beta_1": 1.0}, "`beta_1` must be below 1"),
        ("adam", {"l2": float("nan")}, "`l2` must be 0 or more"),
        ("lars", {"definition": "simclr2"}, "Did you mean 'simclr'"),
        ("lars", {"exclude": "bias"}, "list of names.*'bias'"),
        ("sgd", {"learning_rate": -0.1}, "`learning_rate` must be 0 or more"),
        ("adam", {"learning_rate": float("nan")}, "`learning_rate`"),
        ("adamw", {"weight_decay": -0.1}, "`weight_decay` must be 0 or more"),
    ],
)
def test_get_refuses_unknown_names_and_values(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizers.get(name, **arguments)


def test_get_hands_on_the_options_of_keras():
    assert optimizers.get("sgd", clipnorm=2.0).clipnorm == 2.0


@pytest.mark.parametrize("make", EACH.values(), ids=EACH)
def test_a_saved_run_goes_on_as_an_unbroken_one(make, tmp_path):
    expected = fit(model(make(schedule())), 3)
    stopped = model(make(schedule()))
    fit(stopped, 2)
    stopped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    assert loaded.optimizer.get_config() == stopped.optimizer.get_config()
    for one, other in zip(fit(loaded, 1), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("make", EACH.values(), ids=EACH)
def test_compiled_steps_equal_plain_ones(make):
    plain = fit(model(make(0.1), run_eagerly=True), 2)
    compiled = fit(model(make(0.1), jit_compile=True), 2)

    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", EACH.values(), ids=EACH)
def test_half_precision_trains_in_full_precision_weights(make):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        weights = fit(model(make(0.1)), 3)
    finally:
        keras.config.set_dtype_policy("float32")

    for weight in weights:
        assert weight.dtype == "float32"
        assert np.isfinite(weight).all()
    assert not np.array_equal(weights[0], np.ones((3, 2)))


@pytest.mark.parametrize("make", EACH.values(), ids=EACH)
def test_two_replicas_equal_one(make, two_replicas):
    alone = fit(model(make(0.1)), 2)
    with two_replicas.scope():
        shared = fit(model(make(0.1)), 2)

    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
