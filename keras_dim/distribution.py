"""Strategies of `tf.distribute`, and operations between replicas."""

import contextlib
import functools
import os
import pathlib
import re

import keras
import numpy as np
from keras import ops

from keras_dim import checks

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


STRATEGIES = ("auto", "one", "mirrored", "multi_worker")
# Which replicas the negatives of an image come from.
ALL_REPLICAS = "all_replicas"
OWN_REPLICA = "own_replica"
NEGATIVES = (ALL_REPLICAS, OWN_REPLICA)
# An example for error messages.
TF_CONFIG = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# Marks the message of an error that is raised within a compiled step.
REFUSED = "keras_dim: "
# Keras adds the arguments of a layer to a message from within it.
WITHIN_LAYER = (
    r"Exception encountered when calling [^\n]*\n\n"
    r"\x1b\[1m([^\n]+)\x1b\[0m\n"
)


def strategy(name="auto"):
    """Returns the `tf.distribute` strategy for this machine and its cluster.

    Args:
        name: str. Defaults to `"auto"`.

            * `"one"` is one device.
            * `"mirrored"` is all GPUs of this machine or, if there is none, all
              logical CPUs.
            * `"multi_worker"` joins the processes that the environment variable
              `TF_CONFIG` names, each with all of its own GPUs. Call this before
              TensorFlow does anything else in the process.
            * `"auto"` is `"multi_worker"` if `TF_CONFIG` names several workers,
              else `"mirrored"` if there are several GPUs, else `"one"`.

    Returns:
        A `tf.distribute.Strategy`, or `None` for one device on another
        backend than TensorFlow.

    Raises:
        ValueError: for a `TF_CONFIG` that names no workers, or not this one.
        RuntimeError: if TensorFlow was used before the workers were joined.

    Example:
    ```python
    with strategy("mirrored").scope():
        model = keras_dim.DeepInfoMax(encoder)
        model.compile("adam")
    ```
    """
    checks.one_of(STRATEGIES, strategy=name)
    if keras.backend.backend() != "tensorflow":
        if name in ("auto", "one"):
            return None
        raise ValueError(
            f"The strategy {name!r} needs Keras on TensorFlow. Received: "
            f"Keras on {keras.backend.backend()!r}"
        )
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    try:
        workers = _workers_of(resolver)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"The environment variable TF_CONFIG names no workers: {error}. "
            f"Expected {TF_CONFIG}, or no such variable. Received: "
            f"{os.environ.get('TF_CONFIG')!r}"
        ) from error
    if name == "multi_worker" or (name == "auto" and len(workers) > 1):
        if not workers:
            raise ValueError(
                "'multi_worker' needs the environment variable TF_CONFIG, "
                f"which names no workers. Set it to e.g. {TF_CONFIG}"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    # Listing devices starts TensorFlow, after which no worker can join.
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _workers_of(resolver):
    """Returns the addresses of a cluster's workers."""
    jobs = resolver.cluster_spec().as_dict()
    return [*jobs.get("chief", []), *jobs.get("worker", [])]


def is_chief(of_strategy):
    """Returns whether this process is the one that writes files."""
    if not spans_workers(of_strategy):
        return True
    resolver = of_strategy.cluster_resolver
    # In a cluster without a task "chief", the first worker is the chief.
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


def num_replicas():
    """Returns how many replicas share a step, over all workers."""
    return getattr(_current_strategy(), "num_replicas_in_sync", 1)


def has_bfloat16_units():
    """Returns whether this machine has hardware for bfloat16.

    That is so with an accelerator, or if Linux lists such units of the
    processor.
    """
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    units = "avx512_bf16", "amx_bf16"
    # Without GPUs, JAX raises an error if it is asked for them.
    devices = keras.distribution.list_devices()
    is_cpu = all(name.startswith("cpu") for name in devices)
    return not is_cpu or any(unit in flags for unit in units)


def num_replicas_of(model):
    """Returns how many replicas train `model`, also outside of their scope."""
    of_model = getattr(model, "distribute_strategy", None)
    return getattr(of_model, "num_replicas_in_sync", 1)


def is_multi_worker():
    """Returns whether the current strategy spans several processes."""
    return spans_workers(_current_strategy())


def spans_workers(of_strategy):
    """Returns whether a strategy, or None, spans several processes."""
    return of_strategy is not None and isinstance(
        of_strategy, tf.distribute.MultiWorkerMirroredStrategy
    )


def _current_strategy():
    if keras.backend.backend() != "tensorflow":
        return None
    return tf.distribute.get_strategy()


def min_max_over_workers(of_strategy, number):
    """Returns the minimum and maximum of one integer from each worker.

    Blocks until every worker has called it.
    """
    if not spans_workers(of_strategy):
        return number, number
    gather = _gather_function(of_strategy)
    numbers = gather(tf.constant(number, tf.int64)).numpy()
    return int(numbers.min()), int(numbers.max())


@functools.cache
def _gather_function(of_strategy):
    """Returns a function that gathers a number from all workers."""

    @tf.function
    def gather(number):
        def on_replica(number):
            context = tf.distribute.get_replica_context()
            return context.all_gather(number[None], axis=0)

        numbers = of_strategy.run(on_replica, args=(number,))
        return of_strategy.experimental_local_results(numbers)[0]

    return gather


def is_alone():
    """Returns whether there is no other replica to exchange tensors with."""
    return num_replicas() == 1 or tf.distribute.in_cross_replica_context()


def concat_replicas(tensor):
    """Concatenates `tensor` over replicas along axis 0, with gradients.

    Rows are in the order of the whole batch, which differs from that of the
    replicas if several workers have several replicas each: see `_places`.
    """
    if is_alone():
        return tensor
    dtype = tensor.dtype.name
    if dtype in ("bfloat16", "uint8", "uint16", "int16"):
        # TensorFlow's operation takes neither bfloat16 nor small integers.
        wider = "float32" if dtype == "bfloat16" else "int32"
        return tf.cast(concat_replicas(tf.cast(tensor, wider)), dtype)
    gathered = tf.distribute.get_replica_context().all_gather(tensor, axis=0)
    # all_gather forgets the static size of every axis, not just of axis 0.
    gathered = tf.ensure_shape(gathered, (None, *tensor.shape[1:]))
    places = _places()
    if places == sorted(places):
        return gathered
    place_of_rows = tf.repeat(places, _batch_sizes(ops.shape(tensor)[0]))
    return _permuted(gathered, tf.argsort(place_of_rows, stable=True))


def stack_replicas(tensor):
    """Stacks `tensor`, of one shape on all replicas, along a new axis 0."""
    return concat_replicas(tensor[None])


def sum_replicas(tensor):
    """Sums `tensor`, of one shape on all replicas, over them."""
    if is_alone():
        return tensor
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tensor
    )


def holds_everywhere(condition):
    """Returns whether a scalar condition holds on every replica."""
    if is_alone():
        return condition
    return tf.equal(sum_replicas(tf.cast(condition, "int32")), num_replicas())


def scale_loss(loss):
    """Divides a loss by the number of replicas, over which Keras sums it."""
    return loss / num_replicas()


def own_rows(tensor, num_rows):
    """Returns this replica's `num_rows` of a result of `concat_replicas`."""
    if is_alone():
        return tensor
    first = first_row(num_rows)
    return tensor[first : first + num_rows]


def first_row(batch_size):
    """Returns the index of this replica's first row in a whole batch.

    `batch_size`, its number of rows, is an int where it is the same on all
    replicas, else a scalar tensor.
    """
    if is_alone():
        return 0
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    place = tf.gather(_places(), tf.cast(replica, "int32"))
    if isinstance(batch_size, int):
        return place * batch_size
    is_before = tf.cast(tf.constant(_places()) < place, "int32")
    return tf.reduce_sum(is_before * _batch_sizes(batch_size))


def row_numbers(batch_size):
    """Returns the numbers of this replica's rows in a whole batch.

    For `batch_size` see `first_row`.
    """
    return first_row(batch_size) + ops.arange(batch_size)


def draw_for_own_rows(draw, batch_size):
    """Draws random rows for the whole batch and returns this replica's.

    So several replicas, which share one random state, get the numbers of a run
    on one device. `draw` is a function of the number of rows. For `batch_size`
    see `first_row`.
    """
    if is_alone():
        return draw(batch_size)
    if isinstance(batch_size, int):
        total = batch_size * num_replicas()
    else:
        total = tf.reduce_sum(_batch_sizes(batch_size))
    return ops.take(draw(total), row_numbers(batch_size), axis=0)


def random_rows(draw, batch_size, shape, seed_generator):
    """Returns this replica's random rows, `(batch_size, *shape)`.

    `draw` is a function of `keras.random`. See `draw_for_own_rows`.
    """

    def draw_rows(num_rows):
        return draw((num_rows, *shape), seed=seed_generator)

    return draw_for_own_rows(draw_rows, batch_size)


def split_rows(tensor):
    """Splits rows among the devices of a `keras.distribution`; same values.

    Without this layout, the compiler makes all views on every device, and every
    device then trains on the whole batch. Without such a distribution, and if
    the devices cannot share the rows equally, `tensor` is returned as it is.
    """
    current = keras.distribution.distribution()
    if current is None:
        return tensor
    mesh = current.device_mesh
    devices = mesh.shape[mesh.axis_names.index(current.batch_dim_name)]
    if tensor.shape[0] is None or tensor.shape[0] % devices:
        return tensor
    layout = current.get_data_layout(tensor.shape)
    return keras.distribution.distribute_tensor(tensor, layout)


def shuffle_rows(tensor, seed_generator):
    """Shuffles the rows of all replicas among them, without gradients.

    The statistics of a replica's batch then do not reveal which of its rows
    belong together. The seed generator must be in the same state on all
    replicas.

    Returns:
        Tensor like `tensor`, and the order of the rows of all replicas, for
        `unshuffle_rows`.
    """
    rows = concat_replicas(ops.stop_gradient(tensor))
    draws = keras.random.uniform((ops.shape(rows)[0],), seed=seed_generator)
    order = ops.argsort(draws)
    rows = ops.take(rows, order, axis=0)
    return own_rows(rows, ops.shape(tensor)[0]), order


def unshuffle_rows(tensor, order):
    """Returns rows to their places before `shuffle_rows`."""
    rows = concat_replicas(ops.stop_gradient(tensor))
    rows = ops.take(rows, ops.argsort(order), axis=0)
    return own_rows(rows, ops.shape(tensor)[0])


def _batch_sizes(batch_size):
    """Returns the number of rows of each replica."""
    return tf.distribute.get_replica_context().all_gather(
        tf.reshape(tf.cast(batch_size, "int32"), (1,)), axis=0
    )


def _places():
    """Returns the place in the whole batch of each replica's part.

    TensorFlow counts replicas worker by worker, but gives the parts of a batch
    to the workers in turn: of parts 0, 1, 2, 3, the first of two workers with
    two replicas each gets 0 and 2, the second 1 and 3.
    """
    current = _current_strategy()
    num_workers = 1
    if spans_workers(current):
        num_workers = len(_workers_of(current.cluster_resolver)) or 1
    num_local = current.num_replicas_in_sync // num_workers
    return [
        replica % num_local * num_workers + replica // num_local
        for replica in range(current.num_replicas_in_sync)
    ]


def _permuted(tensor, order):
    """Returns the rows in that order, with a dense gradient."""

    @tf.custom_gradient
    def permute(tensor):
        def gradient(upstream):
            return tf.gather(upstream, tf.math.invert_permutation(order))

        return tf.gather(tensor, order), gradient

    return permute(tensor)


def read_rows(variable, indices):
    """Returns rows of a Keras variable without copying all of it."""
    if keras.backend.backend() != "tensorflow":
        return ops.take(variable, indices, axis=0)
    return tf.gather(variable.value, indices)


def write_rows(variable, indices, rows):
    """Overwrites rows of a Keras variable without copying all of it.

    For equal indices any of their rows may be kept. All replicas must write
    the same rows.
    """
    if hasattr(variable.value, "scatter_update"):
        variable.value.scatter_update(tf.IndexedSlices(rows, indices))
    else:
        # Other backends' variables, and those of a stateless call.
        variable.assign(ops.scatter_update(variable, indices[:, None], rows))


def require_rows(tensor, minimum, message):
    """Returns a tensor; raises a `ValueError` for fewer than `minimum` rows.

    If the number of rows is not static, it is raised in the compiled step,
    within `value_errors`.
    """
    num_rows = tensor.shape[0]
    if num_rows is not None:
        if num_rows < minimum:
            raise ValueError(f"{message}. Received: {num_rows}")
        return tensor
    asserted = tf.debugging.Assert(
        tf.shape(tensor)[0] >= minimum, [refusal(message)]
    )
    # In eager mode the assertion has run by now, and is None.
    with tf.control_dependencies([] if asserted is None else [asserted]):
        return tf.identity(tensor)


def refuse_no_rows(tensor):
    """Returns `tensor`, and raises if this replica has no rows of it."""
    is_tensor = not is_alone() and isinstance(tensor, tf.Tensor)
    if not is_tensor or tensor.shape.rank == 0:
        return tensor
    return require_rows(
        tensor,
        1,
        "A batch has fewer images than there are replicas. Expected one or "
        f"more for each of the {num_replicas()} replicas: drop the last, "
        "smaller batch (drop_remainder=True), or change the batch size",
    )


def refusal(message):
    """Returns a message with marks by which `value_errors` finds it."""
    return f"{REFUSED}{message}{REFUSED}"


@contextlib.contextmanager
def value_errors():
    """Turns errors from graphs and layers into a `ValueError` of one line."""
    try:
        yield
    except Exception as error:
        found = re.search(f"{REFUSED}([^\\n]*?){REFUSED}", str(error))
        if found:
            raise ValueError(found.group(1)) from None
        found = re.match(WITHIN_LAYER, str(error))
        if found and isinstance(error, ValueError):
            raise ValueError(found.group(1)) from error
        raise


def after_call(function, tensors):
    """Calls a Python function with a batch, and returns its `"image"`.

    For functions of a `tf.data.Dataset`, on any backend. `function` takes a
    dict of NumPy arrays. Its `ValueError` is raised when the batch is read,
    within `value_errors`.
    """
    import tensorflow as tf

    def call(*arrays):
        try:
            function(dict(zip(tensors, arrays, strict=True)))
        except ValueError as error:
            raise ValueError(refusal(error)) from None
        return np.int64(0)

    done = tf.numpy_function(call, list(tensors.values()), tf.int64)
    with tf.control_dependencies([done]):
        return tf.identity(tensors["image"])
