"""Trains on eight devices and on one, on JAX.

Started by `jax_devices_test.py` as `jax_devices_worker.py FOLDER NAME...`, with
`KERAS_BACKEND=jax` and `XLA_FLAGS=--xla_force_host_platform_device_count=8`. It
writes `results.json` and the trained weights to the folder.
"""

import json
import pathlib
import sys

TESTS = pathlib.Path(__file__).parent
NUM_EPOCHS = 2

if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tiny  # noqa: E402

# The one of `tiny.METHODS` that a fast test trains: it has negatives.
METHODS = ["simclr"]
# Those that a slow test trains.
MORE_METHODS = [name for name in tiny.METHODS if name not in METHODS]
# The one whose operations a test counts.
OF_OPERATIONS = "simclr"
PLACES = ("one", "eight")


def place(name):
    """Makes models, and the steps of `fit`, for one or for all devices."""
    # Names of layers and weights are numbered from the start again.
    keras.utils.clear_session()
    distribution = None
    if name == "eight":
        distribution = keras.distribution.DataParallel()
        assert list(distribution.device_mesh.shape) == [8]
    keras.distribution.set_distribution(distribution)


def train(name):
    """Returns the logs of a tiny method, and its final weights."""
    model = tiny.make(name)
    images = {"image": tiny.images(), "index": np.arange(tiny.NUM_IMAGES)}
    arguments = {"batch_size": tiny.BATCH_SIZE, "verbose": 0}
    history = model.fit(
        images, epochs=NUM_EPOCHS, shuffle=False, **arguments
    ).history
    after = model.evaluate(images, return_dict=True, **arguments)
    weights = {
        f"{number}:{variable.path}": np.asarray(variable.value)
        for number, variable in enumerate(model.variables)
    }
    devices = len(model.trainable_variables[0].value.sharding.device_set)
    return {"history": history, "after": after, "devices": devices}, weights


def operations(name):
    """Returns the number of operations of each device in a training step."""
    model = tiny.make(name)
    model.optimizer.build(model.trainable_variables)
    state = [
        [variable.value for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    ]
    images = jax.numpy.asarray(tiny.images()[: tiny.BATCH_SIZE])
    distribution = keras.distribution.distribution()
    if distribution:
        layout = distribution.get_data_layout(images.shape)
        images = keras.distribution.distribute_tensor(images, layout)
    step = jax.jit(model.train_step).lower(state, ({"image": images},))
    return step.compile().cost_analysis()["flops"]


def main(folder, names):
    results = {}
    for name in names:
        results[name] = {}
        for where in PLACES:
            place(where)
            results[name][where], weights = train(name)
            np.savez(folder / f"{name}_{where}.npz", **weights)
            if name == OF_OPERATIONS:
                results[name][where]["operations"] = operations(name)
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])
