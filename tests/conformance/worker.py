"""One worker of a strategy that spans several processes.

Started by `multi_worker_test.py` as `worker.py FILE REPLICAS EPOCHS NAME...`,
with `TF_CONFIG` set. It trains tiny methods and writes their histories and
weights to the file; then a plain Keras model, and writes how that failed.
"""

import os
import pathlib
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import tensorflow as tf  # noqa: E402
from tensorflow.python.distribute import collective_all_reduce_strategy  # noqa: E402

PATH, REPLICAS, EPOCHS, *NAMES = sys.argv[1:]


def local_devices(extended, cluster_resolver, worker_device):
    """Returns several CPUs; TensorFlow itself returns only the first one.

    They stand for the GPUs of a worker, of which it returns all.
    """
    del extended, cluster_resolver
    return tuple(
        f"{worker_device}/device:CPU:{index}" for index in range(int(REPLICAS))
    ), "CPU"


# It must run before everything else of TensorFlow.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * int(REPLICAS),
)
extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
extended._initialize_local_devices = local_devices
strategy = tf.distribute.MultiWorkerMirroredStrategy()

import keras  # noqa: E402
import numpy as np  # noqa: E402


def train_ours(names):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
    import tiny

    results = {}
    for name in names:
        model = tiny.make(name, strategy)
        history = model.fit(
            tiny.batches(), epochs=int(EPOCHS), verbose=0
        ).history
        logs = model.evaluate(tiny.batches(), verbose=0, return_dict=True)
        for term, values in history.items():
            results[f"{name}/history/{term}"] = np.reshape(values, -1)
        for term, value in logs.items():
            results[f"{name}/evaluation/{term}"] = np.reshape(value, -1)
        for index, weight in enumerate(model.get_weights()):
            results[f"{name}/weights/{index}"] = weight
    return results


def train_stock():
    with strategy.scope():
        image = keras.Input((3,), name="image")
        model = keras.Model({"image": image}, keras.layers.Dense(1)(image))
        model.compile("sgd", "mse")
    batches = tf.data.Dataset.from_tensor_slices(
        ({"image": np.ones((8, 3), "float32")}, np.ones((8, 1), "float32"))
    ).batch(4)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    model.fit(batches.with_options(options), verbose=0, shuffle=False)


if __name__ == "__main__":
    results = train_ours(NAMES) | {"replicas": strategy.num_replicas_in_sync}
    try:
        train_stock()
        results["stock_failure"] = ""
    except Exception as failure:
        results["stock_failure"] = f"{type(failure).__name__}: {failure}"
    np.savez(PATH, **results)
