import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_momentum_method
from keras import layers

from keras_dim.layers import norm
from keras_dim.layers.teacher import Teacher


def network(units=3):
    """Two layers of weights with a batch norm between them."""
    return keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(units),
            layers.BatchNormalization(momentum=0.5),
            layers.Dense(1),
        ]
    )


def arrays(layer):
    return [np.array(weight) for weight in layer.weights]


def scale(layer, factor):
    for weight in layer.trainable_weights:
        weight.assign(factor * weight)


def assert_equal(one, other):
    for array, of_other in zip(one, other, strict=True):
        np.testing.assert_array_equal(array, of_other)


def assert_close(one, other, rtol=1e-5, atol=1e-6):
    for array, of_other in zip(one, other, strict=True):
        np.testing.assert_allclose(array, of_other, rtol=rtol, atol=atol)


def test_teacher_starts_as_a_copy_with_weights_of_its_own():
    student = network()
    teacher = Teacher(student)
    inputs = np.ones((4, 2), "float32")
    np.testing.assert_array_equal(teacher(inputs), student(inputs))
    before = arrays(student)
    scale(student, 2)
    assert_equal(arrays(teacher.networks[0]), before)


def test_fresh_teacher_starts_from_its_own_draw():
    student = network()
    student.layers[1].moving_mean.assign([1, 2, 3])
    (own,) = Teacher(student, fresh_start=True).networks
    for index in (0, 2):
        kernel = own.layers[index].kernel
        assert not np.array_equal(kernel, student.layers[index].kernel)
    # Weights that are not trainable are copied.
    np.testing.assert_array_equal(own.layers[1].moving_mean, [1, 2, 3])


def test_parameters_follow_and_moving_statistics_do_not():
    student = network()
    teacher = Teacher(student, momentum=0.9)
    teacher.follow()
    before = arrays(teacher.networks[0])
    scale(student, 3)
    student.layers[1].moving_mean.assign([7, 8, 9])
    teacher.follow()
    trainable = [weight.trainable for weight in student.weights]
    assert trainable.count(False) == 2
    expected = [
        0.9 * old + 0.1 * new if is_trainable else old
        for old, new, is_trainable in zip(
            before, arrays(student), trainable, strict=True
        )
    ]
    assert_close(arrays(teacher.networks[0]), expected)


def test_fresh_teacher_stays_at_the_first_step():
    student = network()
    teacher = Teacher(student, momentum=0.5, fresh_start=True)
    before = arrays(teacher.networks[0])
    teacher.follow()
    assert_equal(arrays(teacher.networks[0]), before)
    teacher.follow()
    (own,) = teacher.networks
    np.testing.assert_allclose(
        own.layers[0].kernel,
        (before[0] + student.layers[0].kernel) / 2,
        rtol=1e-6,
    )


def scalars(values):
    """A layer whose kernel is `values`."""
    layer = layers.Dense(len(values), use_bias=False)
    layer.build((None, 1))
    layer.kernel.assign(values[None])
    return layer


def test_momentum_follows_the_golden_schedule():
    numbers = golden.load("contrastive_byol_raft")
    num_steps = int(numbers["tau_max_steps"])
    teacher = Teacher(
        scalars(np.zeros(1)), float(numbers["tau_base"]), num_steps
    )

    def momentum_at(step):
        # The student is 0 and the teacher 1 before it moves.
        teacher.networks[0].kernel.assign([[1.0]])
        teacher.step.assign(step + 1)
        teacher.follow()
        return float(teacher.networks[0].kernel[0, 0])

    found = [momentum_at(step) for step in numbers["tau_steps"]]
    np.testing.assert_allclose(found, numbers["tau"], rtol=1e-6)
    # Beyond its end it does not fall again.
    assert momentum_at(2 * num_steps) == 1.0


def test_move_at_a_scheduled_step_equals_the_golden_numbers():
    numbers = golden.load("contrastive_byol_raft")
    student = scalars(numbers["online_after_step"])
    teacher = Teacher(
        student, float(numbers["tau_base"]), int(numbers["tau_max_steps"])
    )
    teacher.networks[0].kernel.assign(numbers["target_before"][None])
    # The authors count finished steps, the teacher those that have begun.
    teacher.step.assign(251)
    teacher.follow()
    np.testing.assert_allclose(
        teacher.networks[0].kernel[0],
        numbers["target_after_k250"],
        rtol=1e-6,
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_teacher_equals_the_keys_network_of_the_authors_code(version):
    numbers = golden.load("contrastive_moco")
    student = layers.Dense(4)
    student.build((None, 6))

    def assign(layer, of):
        kernel = numbers[f"{version}_W{of}"].T
        layer.kernel.assign(kernel)

    assign(student, "q_0")
    teacher = Teacher(student, float(numbers[f"{version}_m"]))
    (own,) = teacher.networks
    assign(own, "k_0")
    # Their networks differ at the start, and move at once.
    teacher.step.assign(1)
    for step in range(1, 5):
        assign(student, f"q_{step - 1}")
        teacher.follow()
        np.testing.assert_allclose(
            own.kernel, numbers[f"{version}_Wk_{step}"].T, rtol=1e-6
        )


def test_teacher_moves_once_in_the_steps_of_an_accumulated_gradient():
    student = scalars(np.ones(1))
    teacher = Teacher(student, momentum=0.5, num_steps=2)
    teacher.networks[0].kernel.assign([[0.0]])
    seen = []
    for _ in range(8):
        teacher.follow(every=3)
        seen.append(float(teacher.networks[0].kernel[0, 0]))
    # 1 - momentum is 0.5, then 0.25.
    assert seen == [0, 0, 0, 0.5, 0.5, 0.5, 0.625, 0.625]


def test_teacher_is_not_trained():
    model = tiny_momentum_method.make()
    own = {id(variable) for variable in model.teacher.variables}
    assert model.teacher.trainable_variables == []
    assert own & {id(v) for v in model.trainable_variables} == set()
    assert len(model.trainable_variables) == 5
    assert own < {id(v) for v in model.non_trainable_variables}
    model.trainable = False
    model.trainable = True
    assert not any(variable.trainable for variable in model.teacher.variables)
    assert own & {id(v) for v in model.trainable_variables} == set()
    # The student is no part of the teacher.
    assert not own & {id(v) for v in model.encoder.variables}
    inputs = tf.Variable(tf.ones((4, 6)))
    with tf.GradientTape(persistent=True) as tape:
        outputs = model.teacher(inputs, training=True)
    assert tape.gradient(outputs, inputs) is None
    (own_kernel, *_), (kernel, *_) = (
        model.teacher.weights,
        model.encoder.weights,
    )
    assert (
        tape.gradient(outputs, [own_kernel.value, kernel.value]) == [None] * 2
    )
    tiny_momentum_method.fit(model, epochs=1)
    # The step, the rate, and a momentum for each.
    assert len(model.optimizer.variables) == 2 + 5


def test_batch_norm_of_a_teacher_in_training_takes_its_batch():
    student = network()
    teacher = Teacher(student)
    (own,) = teacher.networks
    inputs = np.random.default_rng(0).normal(3, 2, (64, 2)).astype("float32")
    expected = student(inputs, training=True)
    np.testing.assert_array_equal(teacher(inputs, training=True), expected)
    mean = inputs @ np.array(own.layers[0].kernel)
    np.testing.assert_allclose(
        own.layers[1].moving_mean, mean.mean(0) / 2, rtol=1e-4
    )
    # Inference uses the moving statistics, and changes nothing.
    before = arrays(own)
    assert not np.allclose(teacher(inputs), expected, atol=0.1)
    assert_equal(arrays(own), before)


def test_networks_apply_in_turn_to_the_named_feature():
    inputs = keras.Input((2,))
    encoder = keras.Model(inputs, {"fc": inputs * 2.0, "global": inputs * 3.0})
    head = scalars(np.ones(1))
    image = np.array([[1.0, 5.0]], "float32")
    np.testing.assert_array_equal(Teacher(encoder)(image), 3 * image)
    teacher = Teacher([encoder, layers.Dropout(0.5)], feature="fc")
    np.testing.assert_array_equal(teacher(image), 2 * image)
    assert Teacher([encoder, head])(image[:, :1]).shape == (1, 1)


def test_half_precision_does_not_round_the_move():
    keras.config.set_dtype_policy("mixed_float16")

    class Method(keras.Model):
        def __init__(self):
            super().__init__()
            self.student = scalars(np.array([1.0]))
            self.teacher = Teacher(self.student, momentum=0.9999)

        def call(self, inputs):
            self.teacher.follow()
            return self.teacher(inputs)

    method = Method()
    method.teacher.step.assign(1)
    method.student.kernel.assign([[2.0]])
    outputs = method(np.ones((1, 1), "float32"))
    (own,) = method.teacher.networks
    # Float16 has no number between 1 and 1.00097.
    np.testing.assert_allclose(own.kernel, [[1.0001]], rtol=1e-7)
    assert own.compute_dtype == "float16"
    assert outputs.dtype == "float16"


def recursion(momentum, num_steps=None, num_batches=5):
    """Trains step by step, and moves a teacher after each as papers do.

    Returns:
        The method, and the kernel of such a teacher before each step.
    """
    model = tiny_momentum_method.make(momentum=momentum, num_steps=num_steps)
    data = tiny_momentum_method.examples()
    kernel = np.array(model.projection.kernel)
    expected = []
    found = []
    for step in range(num_batches):
        rows = slice(8 * step, 8 * step + 8)
        expected.append(kernel)
        model.train_on_batch({name: x[rows] for name, x in data.items()})
        found.append(np.array(model.teacher.networks[1].kernel))
        tau = momentum
        if num_steps:
            cosine = (np.cos(np.pi * step / num_steps) + 1) / 2
            tau = 1 - (1 - momentum) * cosine
        kernel = tau * kernel + (1 - tau) * np.array(model.projection.kernel)
    return found, expected


@pytest.mark.parametrize("num_steps", [None, 6])
def test_moving_before_a_step_equals_moving_after_the_one_before(num_steps):
    found, expected = recursion(0.8, num_steps)
    assert not np.allclose(expected[0], expected[4], rtol=0.01)
    assert_close(found, expected)


def test_training_lowers_the_loss_and_evaluating_changes_nothing():
    model = tiny_momentum_method.make()
    losses = tiny_momentum_method.fit(model, epochs=4)
    # The queue starts random, so that the first epoch does not count.
    assert losses[3] < losses[1]
    before = tiny_momentum_method.state(model)
    model.evaluate(tiny_momentum_method.examples(), batch_size=8, verbose=0)
    after = tiny_momentum_method.state(model)
    # All but the mean of the loss.
    names = [variable.path for variable in model.variables]
    for name, one, other in zip(names, before, after, strict=True):
        if not name.startswith("loss"):
            np.testing.assert_array_equal(one, other, err_msg=name)


@pytest.fixture(scope="module")
def alone():
    """Losses and state of a run on one device, in a plain graph."""
    model = tiny_momentum_method.make(num_steps=10)
    return tiny_momentum_method.fit(model), tiny_momentum_method.state(model)


def test_two_replicas_equal_one(two_replicas, alone):
    with two_replicas.scope():
        two = tiny_momentum_method.make(num_steps=10)
    losses, state = alone
    assert_close([tiny_momentum_method.fit(two)], [losses])
    assert_close(tiny_momentum_method.state(two), state, 1e-4)
    # Each replica has its own copies, and they agree.
    for variable in two.teacher.variables + two.queue.variables:
        first, second = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second)


def test_xla_equals_a_plain_graph(alone):
    compiled = tiny_momentum_method.make(num_steps=10)
    compiled.compile(compiled.optimizer, jit_compile=True)
    losses, state = alone
    assert_close([tiny_momentum_method.fit(compiled)], [losses], 1e-4)
    assert_close(tiny_momentum_method.state(compiled), state, 1e-3, 1e-5)


def test_several_steps_in_one_execution_equal_single_ones(alone):
    several = tiny_momentum_method.make(num_steps=10)
    several.compile(several.optimizer, steps_per_execution=5)
    losses, state = alone
    assert_close([tiny_momentum_method.fit(several)], [losses])
    assert_close(tiny_momentum_method.state(several), state)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains(policy, alone):
    full, _ = alone
    keras.config.set_dtype_policy(policy)
    model = tiny_momentum_method.make(num_steps=10)
    if policy == "mixed_float16":
        # Keras's own first scale is too large for gradients of these few
        # steps, which it would skip.
        model.optimizer.initial_scale = 64.0
    losses = tiny_momentum_method.fit(model)
    np.testing.assert_allclose(losses, full, rtol=0.1)
    assert losses != full
    for variable in model.teacher.variables[:-1]:
        assert variable.dtype in ("float32", "int64")


def test_resumed_run_ends_with_the_bits_of_an_unbroken_one(tmp_path, alone):
    broken = tiny_momentum_method.make(num_steps=10)
    tiny_momentum_method.fit(broken, epochs=1)
    broken.save(tmp_path / "method.keras")
    # Another draw of the weights, which loading has to replace.
    keras.utils.set_random_seed(99)
    resumed = keras.models.load_model(tmp_path / "method.keras")
    assert int(resumed.teacher.step) == 5
    assert int(resumed.queue.pointer) == 40 - 28
    assert resumed.teacher.trainable_variables == []
    tiny_momentum_method.fit(resumed, epochs=1)
    _, state = alone
    assert_equal(tiny_momentum_method.state(resumed), state)
    assert int(resumed.teacher.step) == 10


def test_functional_model_with_frozen_variables_is_saved(tmp_path):
    # Keras saves which layers are trainable, not which variables are: the
    # loaded weights would be trained if Teacher did not freeze them again.
    (own,) = Teacher(network()).networks
    assert own.trainable_variables == []
    own.save(tmp_path / "teacher.keras")
    loaded = keras.models.load_model(tmp_path / "teacher.keras")
    assert_equal(arrays(loaded), arrays(own))
    assert len(loaded.trainable_variables) == 6
    assert Teacher(loaded).trainable_variables == []


def test_synchronised_batch_norm_reaches_the_teacher():
    teacher = Teacher(network())
    assert not teacher.networks[0].layers[1].synchronized
    norm.synchronize(teacher, num_replicas=2)
    assert teacher.networks[0].layers[1].synchronized


def test_teacher_of_a_frozen_network_stays_frozen():
    student = network()
    student.layers[0].trainable = False
    teacher = Teacher(student, momentum=0.5, fresh_start=True)
    np.testing.assert_array_equal(
        teacher.networks[0].layers[0].kernel, student.layers[0].kernel
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1.1}, "`momentum` must be from 0 to 1"),
        ({"momentum": -0.1}, "`momentum` must be from 0 to 1"),
        ({"num_steps": 0}, "`num_steps` must be an integer, 1 or more"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Teacher(network(), **arguments)


def test_networks_without_weights_yet_are_refused():
    with pytest.raises(ValueError, match="weights exist.*'head'"):
        Teacher([network(), layers.Dense(3, name="head")])
