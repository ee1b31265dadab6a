import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import distribution
from keras_dim.layers.memory import FeatureQueue


def rows(first, count):
    """Rows 2 units wide of the numbers `first`, `first + 1`, ..."""
    return np.repeat(np.arange(first, first + count)[:, None], 2, 1).astype(
        "float32"
    )


def content(queue):
    return np.array(queue.read())[:, 0].tolist()


def test_queue_starts_with_unit_vectors_of_its_seed():
    features = np.array(FeatureQueue(50, 3, seed=1).read())
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-6)
    # In all directions.
    assert np.abs(features.mean(0)).max() < 0.3
    np.testing.assert_array_equal(features, FeatureQueue(50, 3, seed=1).read())
    assert not np.array_equal(features, FeatureQueue(50, 3, seed=2).read())
    assert not np.array_equal(
        FeatureQueue(50, 3).read(), FeatureQueue(50, 3).read()
    )


def test_new_features_overwrite_the_oldest():
    queue = FeatureQueue(4, 2)
    queue.enqueue(rows(1, 3))
    assert content(queue)[:3] == [1, 2, 3]
    assert int(queue.pointer) == 3
    queue.enqueue(rows(4, 3))
    assert content(queue) == [5, 6, 3, 4]
    assert int(queue.pointer) == 2


def test_the_last_of_more_features_than_fit_are_kept():
    queue = FeatureQueue(4, 2)
    queue.enqueue(rows(1, 1))
    queue.enqueue(rows(2, 10))
    # 11 features have come: the next one goes to place 11 % 4.
    assert sorted(content(queue)) == [8, 9, 10, 11]
    assert int(queue.pointer) == 3
    queue.enqueue(rows(12, 1))
    assert sorted(content(queue)) == [9, 10, 11, 12]


def test_a_queue_that_fits_exactly_is_replaced():
    queue = FeatureQueue(4, 2)
    queue.enqueue(rows(0, 4))
    queue.enqueue(rows(4, 4))
    assert content(queue) == [4, 5, 6, 7]
    assert int(queue.pointer) == 0


def test_wrapping_round_equals_the_golden_numbers():
    arrays = golden.load("contrastive_moco")
    queue = FeatureQueue(12, 4)
    queue.features.assign(arrays["ring_queue_before"])
    queue.pointer.assign(arrays["ring_ptr_before"])
    queue.enqueue(arrays["ring_keys"])
    np.testing.assert_allclose(
        queue.read(), arrays["ring_queue_after"], rtol=1e-6
    )
    assert int(queue.pointer) == arrays["ring_ptr_after"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_batches_of_the_authors_code_leave_its_queue(version):
    arrays = golden.load("contrastive_moco")
    queue = FeatureQueue(12, 4)
    queue.features.assign(arrays[f"{version}_queue_0"])
    for step in range(1, 5):
        queue.enqueue(arrays[f"{version}_k_{step}"])
        np.testing.assert_allclose(
            queue.read(), arrays[f"{version}_queue_{step}"], rtol=1e-6
        )
        assert int(queue.pointer) == arrays[f"{version}_ptr_{step}"]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_batches_of_unknown_size_are_queued_in_a_graph(jit_compile):
    queue = FeatureQueue(4, 2)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def enqueue(features):
        before = queue.read()
        queue.enqueue(features)
        return before

    if not jit_compile:
        enqueue = enqueue.get_concrete_function(tf.TensorSpec((None, 2)))
    queue.enqueue(rows(0, 4))
    before = enqueue(tf.constant(rows(4, 3)))
    # The features that were read first are not overwritten.
    assert np.array(before)[:, 0].tolist() == [0, 1, 2, 3]
    assert content(queue) == [4, 5, 6, 3]
    enqueue(tf.constant(rows(7, 9)))
    assert sorted(content(queue)) == [12, 13, 14, 15]
    assert int(queue.pointer) == 0


def test_no_gradient_reaches_the_queue_or_queued_features():
    queue = FeatureQueue(4, 2)
    assert queue.trainable_variables == []
    features = tf.Variable(rows(1, 2))
    with tf.GradientTape() as tape:
        queue.enqueue(features)
        loss = tf.reduce_sum(queue.read())
    assert tape.gradient(loss, features) is None


def test_half_precision_does_not_round_the_queue():
    keras.config.set_dtype_policy("mixed_float16")

    class Reader(keras.Layer):
        def __init__(self):
            super().__init__()
            self.queue = FeatureQueue(4, 2)

        def call(self, inputs):
            self.queue.enqueue(self.queue.read() + 1e-6)
            return self.queue.read()

    reader = Reader()
    before = np.array(reader.queue.read())
    assert before.dtype == "float32"
    after = np.array(reader(np.zeros((1, 1), "float32")))
    assert after.dtype == "float32"
    np.testing.assert_array_equal(after, before + np.float32(1e-6))


def test_replicas_that_queue_the_whole_batch_equal_one(two_replicas):
    with two_replicas.scope():
        queue = FeatureQueue(5, 2, seed=0)
    one = FeatureQueue(5, 2, seed=0)
    np.testing.assert_array_equal(queue.read(), one.read())

    @tf.function(autograph=False)
    def step(first):
        def on_replica(keys):
            queue.enqueue(distribution.concat_replicas(keys))
            return queue.read()

        keys = two_replicas.experimental_distribute_values_from_function(
            lambda context: first[3 * context.replica_id_in_sync_group :][:3]
        )
        return two_replicas.run(on_replica, (keys,))

    for start in (0, 6):
        both = tf.constant(rows(start, 6))
        one.enqueue(both)
        for found in two_replicas.experimental_local_results(step(both)):
            np.testing.assert_array_equal(found, one.read())
    assert np.array(queue.pointer) == np.array(one.pointer) == 2


def test_queue_and_pointer_are_saved(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.queue = FeatureQueue(4, 2)
    model.queue.enqueue(rows(0, 3))
    model.save_weights(tmp_path / "model.weights.h5")
    other = keras.models.clone_model(model)
    other.queue = FeatureQueue(4, 2)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.queue.read(), model.queue.read())
    assert int(other.queue.pointer) == 3


def test_config_makes_the_same_queue():
    queue = FeatureQueue(4, 2, seed=5)
    other = FeatureQueue.from_config(queue.get_config())
    np.testing.assert_array_equal(other.read(), queue.read())


@pytest.mark.parametrize("shape", [(3,), (3, 3), (1, 3, 2)])
def test_features_of_another_width_are_refused(shape):
    with pytest.raises(
        ValueError, match=r"`features` must have the shape \(None, 2\)"
    ):
        FeatureQueue(4, 2).enqueue(np.zeros(shape, "float32"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_features_of_any_precision_are_queued_in_float32(dtype):
    queue = FeatureQueue(4, 2)
    queue.enqueue(tf.cast(rows(1, 3), dtype))
    assert content(queue)[:3] == [1, 2, 3]
    assert queue.read().dtype == "float32"


def test_a_queue_of_one_feature_of_one_unit_works():
    queue = FeatureQueue(1, 1)
    queue.enqueue(np.array([[3.0], [4.0]], "float32"))
    assert content(queue) == [4]


@pytest.mark.parametrize(("size", "units"), [(0, 2), (4, 0)])
def test_an_empty_queue_is_refused(size, units):
    with pytest.raises(ValueError, match="1 or more"):
        FeatureQueue(size, units)
