"""Two logical devices on the CPU, so that replicas can be tested anywhere."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Two processes of pytest share two cores: more threads for NumPy's products, in
# scikit-learn, would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Graphs are millions of objects that live on: at the default thresholds, a
# quarter of the suite's time goes into walking over them.
gc.set_threshold(100_000, 50, 1000)

import keras  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402
import tiny  # noqa: E402

# Several threads sum in an order that changes from run to run, and a difference
# in the last digit may switch a ReLU.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

# Files that take minutes come first, so that no process runs one of them while
# the other has finished.
SLOW_FILES = (
    "jax_test",
    "multi_worker_test",
    "workers_pretrain_test",
    "pretraining_test",
    "kills_test",
    "whole_way_test",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Groups the tests that share a process of pytest-xdist.

    The tests of a file do, as they share its fixtures; those of conformance by
    method.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFileAndMethod(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            if not file.endswith("conformance/methods_test.py"):
                return file
            names = [name for name in tiny.METHODS if name in test]
            return f"{file} {max(names, key=len, default='')}"

    return ByFileAndMethod(config, log)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in SLOW_FILES)


@pytest.fixture(scope="session")
def two_replicas():
    """The one MirroredStrategy of the process: several of them collide."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="session", autouse=True)
def draw_curves():
    """Replaces the drawing of curves, 2 s a run. Returns the real function."""
    from keras_dim.training import pretraining

    draw = pretraining._draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "_draw", lambda *_: None)
        yield draw


@pytest.fixture(autouse=True)
def reproducible():
    """Every test starts with the same random state and with float32."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("float32")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture
def draws_that_xla_shares(monkeypatch):
    """Replaces random functions, whose numbers under XLA differ, by a hash."""

    def uniform(shape, *, seed):
        high, low = tf.unstack(tf.cast(seed.next(), "uint32"))
        bits = tf.range(tf.reduce_prod(shape))
        bits = tf.cast(bits, "uint32") + high * 1000003 + low * 7919
        # The integer hash "lowbias32".
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1)):
            bits = tf.bitwise.bitwise_xor(
                bits, tf.bitwise.right_shift(bits, tf.constant(shift, "uint32"))
            )
            bits = bits * tf.constant(factor, "uint32")
        bits = tf.bitwise.right_shift(bits, tf.constant(8, "uint32"))
        return tf.reshape((tf.cast(bits, "float32") + 0.5) / 2**24, shape)

    def normal(shape, *, seed):
        return tf.math.ndtri(uniform(shape, seed=seed))

    def randint(shape, minval, maxval, *, seed):
        share = uniform(shape, seed=seed) * (maxval - minval)
        return minval + tf.cast(tf.floor(share), "int32")

    monkeypatch.setattr(keras.random, "uniform", uniform)
    monkeypatch.setattr(keras.random, "randint", randint)
    monkeypatch.setattr(keras.random, "normal", normal)
