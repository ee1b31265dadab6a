import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import distribution
from keras_dim.layers import memory
from keras_dim.layers.memory import MemoryBank


@pytest.fixture
def numbers():
    return golden.load("contrastive_instdisc")


def bank_of(rows, **arguments):
    bank = MemoryBank(*rows.shape, **arguments)
    bank.features.assign(rows)
    return bank


def test_rows_start_uniform_as_in_the_authors_code():
    rows = np.array(MemoryBank(2000, 12, seed=1).read())
    # 1 / sqrt(12 / 3).
    assert np.abs(rows).max() == pytest.approx(0.5, rel=1e-3)
    assert (rows**2).sum(1).mean() == pytest.approx(1, rel=0.02)
    np.testing.assert_array_equal(rows, MemoryBank(2000, 12, seed=1).read())
    assert not np.array_equal(rows, MemoryBank(2000, 12, seed=2).read())


def test_updates_equal_the_golden_numbers(numbers):
    bank = bank_of(numbers["bank_0"], momentum=float(numbers["momentum"]))
    for step in (1, 2):
        bank.update(numbers["y"], numbers[f"x_{step}"])
        np.testing.assert_allclose(
            bank.read(), numbers[f"bank_{step}"], rtol=1e-5
        )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_last_of_equal_indices_counts(numbers, jit_compile):
    bank = bank_of(numbers["bank_0"])
    update = tf.function(bank.update, jit_compile=jit_compile, autograph=False)
    update(tf.constant(numbers["dup_y"]), tf.constant(numbers["dup_x"]))
    np.testing.assert_allclose(
        bank.read(), numbers["dup_bank_last_write"], rtol=1e-5
    )


def test_many_equal_indices_equal_a_loop():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 3)).astype("float32")
    indices = rng.integers(0, 6, 40)
    features = rng.normal(size=(40, 3)).astype("float32")
    bank = bank_of(rows, momentum=0.25)
    bank.update(indices, features)
    expected = rows.copy()
    for index, feature in zip(indices, features, strict=True):
        new = 0.25 * rows[index] + 0.75 * feature
        expected[index] = new / np.linalg.norm(new)
    np.testing.assert_allclose(bank.read(), expected, rtol=1e-5)


def test_rows_are_read_by_indices_of_any_shape(numbers):
    bank = bank_of(numbers["bank_0"])
    rows = numbers["bank_0"].astype("float32")
    np.testing.assert_array_equal(
        bank.read(numbers["idx"]), rows[numbers["idx"]]
    )
    np.testing.assert_array_equal(bank.read(), rows)


def test_rows_that_were_read_are_not_overwritten_in_a_graph(numbers):
    bank = bank_of(numbers["bank_0"])

    @tf.function(autograph=False)
    def step(indices, features):
        before = bank.read(indices)
        bank.update(indices, features)
        return before

    step = step.get_concrete_function(
        tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None, 8))
    )
    before = step(
        tf.constant(numbers["y"]), tf.constant(numbers["x_1"], tf.float32)
    )
    np.testing.assert_allclose(before, numbers["bank_0"][numbers["y"]], 1e-6)
    np.testing.assert_allclose(bank.read(), numbers["bank_1"], rtol=1e-5)


def test_no_gradient_reaches_the_bank_or_stored_features():
    bank = MemoryBank(4, 2)
    assert bank.trainable_variables == []
    features = tf.Variable([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        bank.update(tf.constant([1]), features)
        loss = tf.reduce_sum(bank.read([1, 2])) + tf.reduce_sum(bank.read())
    assert tape.gradient(loss, features) is None


def test_half_precision_does_not_round_the_bank():
    keras.config.set_dtype_policy("mixed_float16")

    class Reader(keras.Layer):
        def __init__(self):
            super().__init__()
            self.bank = MemoryBank(4, 2, momentum=1.0)

        def call(self, indices):
            self.bank.update(indices, self.bank.read(indices))
            return self.bank.read(indices)

    reader = Reader()
    reader.bank.features.assign(np.full((4, 2), 0.5**0.5))
    rows = np.array(reader(np.arange(4)))
    assert rows.dtype == "float32"
    np.testing.assert_allclose(rows, 0.5**0.5, rtol=1e-6)


def test_replicas_that_store_the_whole_batch_equal_one(two_replicas, numbers):
    with two_replicas.scope():
        bank = MemoryBank(20, 8, seed=0)
    one = MemoryBank(20, 8, seed=0)
    np.testing.assert_array_equal(bank.read(), one.read())
    indices = tf.constant(numbers["y"])
    features = tf.constant(numbers["x_1"], tf.float32)

    @tf.function(autograph=False)
    def step():
        def on_replica(indices, features):
            bank.update(
                distribution.concat_replicas(indices),
                distribution.concat_replicas(features),
            )
            return bank.read()

        halves = (
            two_replicas.experimental_distribute_values_from_function(
                lambda context, whole=whole: whole[
                    2 * context.replica_id_in_sync_group :
                ][:2]
            )
            for whole in (indices, features)
        )
        return two_replicas.run(on_replica, tuple(halves))

    one.update(indices, features)
    for found in two_replicas.experimental_local_results(step()):
        np.testing.assert_allclose(found, one.read(), rtol=1e-6)


def test_a_stateless_call_takes_its_own_rows(numbers):
    bank = bank_of(numbers["bank_0"])
    with keras.StatelessScope(
        state_mapping=[(bank.features, bank.features.value + 0.0)]
    ) as scope:
        bank.update(numbers["y"], numbers["x_1"])
    found = scope.get_current_value(bank.features)
    np.testing.assert_allclose(found, numbers["bank_1"], rtol=1e-5)
    np.testing.assert_allclose(bank.read(), numbers["bank_0"], rtol=1e-6)


def test_config_makes_the_same_bank():
    bank = MemoryBank(4, 2, momentum=0.3, seed=5)
    other = MemoryBank.from_config(bank.get_config())
    np.testing.assert_array_equal(other.read(), bank.read())
    assert other.momentum == 0.3


@pytest.mark.parametrize(
    ("indices", "features"),
    [((3,), (3, 4)), ((3, 1), (3, 2)), ((3,), (3,)), ((3,), (4, 2))],
)
def test_other_shapes_are_refused(indices, features):
    with pytest.raises(ValueError, match="must have the shape"):
        MemoryBank(4, 2).update(
            np.zeros(indices, "int32"), np.zeros(features, "float32")
        )


@pytest.mark.parametrize("arguments", [(0, 2), (4, 0), (4, 2, 1.5)])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        MemoryBank(*arguments)


def test_last_places_are_the_last_positions_of_indices():
    # A CPU writes rows in order, so that tests of the bank cannot fail; an
    # accelerator writes them in any order.
    found = memory._last_places(tf.constant([7, 3, 7, 9, 3, 7]))
    assert np.array(found).tolist() == [5, 4, 5, 3, 4, 5]
