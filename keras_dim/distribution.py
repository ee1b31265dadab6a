"""The one place that knows how many replicas there are."""

import contextlib
import functools
import os
import re

import keras
import numpy as np
from keras import ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


STRATEGIES = ("auto", "one", "mirrored", "multi_worker")
# Whose images an image is told apart from.
ALL_REPLICAS = "all_replicas"
OWN_REPLICA = "own_replica"
NEGATIVES_FROM = (ALL_REPLICAS, OWN_REPLICA)
# What the environment variable looks like.
TF_CONFIG = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
# What TensorFlow speaks of where another worker has broken an operation off.
# What joins the GPUs of one machine is called "peer access", too.
OF_OTHERS = re.compile(
    r"\bcollectives?\b|\bpeers?\b(?![ -](?:access|to))|\bRPC\b"
    r"|\bcoordination service\b|\bheartbeat",
    re.IGNORECASE,
)


# Begins the message of a refusal within a compiled step.
REFUSED = "Refused: "


class WorkerLostError(RuntimeError):
    """One of several workers has gone, and with it the step they shared."""


def strategy(name="auto"):
    """Returns the `tf.distribute` strategy for this machine and its cluster.

    `"one"` is one device. `"mirrored"` takes all GPUs of this machine or,
    where there is none, all logical CPUs. `"multi_worker"` joins the
    processes that the environment variable `TF_CONFIG` names, each with all
    of its own GPUs; make it before TensorFlow does anything else in the
    process. `"auto"` is `"multi_worker"` where `TF_CONFIG` names several
    workers, `"mirrored"` where there are several GPUs, and else `"one"`.

    Args:
        name: str. One of these. Defaults to `"auto"`.

    Returns:
        A `tf.distribute.Strategy`; or `None` for one device where Keras does
        not run on TensorFlow.

    Raises:
        ValueError: for an unknown name, and for `"multi_worker"` where
            `TF_CONFIG` names no workers or not this one.
        RuntimeError: if TensorFlow has begun before several workers were
            joined.

    Example:
    ```python
    with strategy("mirrored").scope():
        model = keras_dim.DeepInfoMax(encoder)
        model.compile("adam")
    ```
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"Unknown strategy. Expected one of {STRATEGIES}. Received: "
            f"{name!r}"
        )
    if keras.backend.backend() != "tensorflow":
        if name in ("auto", "one"):
            return None
        raise ValueError(
            f"Only TensorFlow has strategies. Received: {name!r}, and Keras "
            f"on {keras.backend.backend()!r}"
        )
    workers = _workers()
    if name == "auto" and len(workers) > 1:
        name = "multi_worker"
    # Workers are joined before anything else asks for devices.
    gpus = []
    if name != "multi_worker":
        gpus = tf.config.list_logical_devices("GPU")
    if name == "auto":
        name = "mirrored" if len(gpus) > 1 else "one"
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "multi_worker":
        if not workers:
            raise ValueError(
                "Several workers are told of each other by the environment "
                "variable TF_CONFIG, which names none. Set it to e.g. "
                f"{TF_CONFIG}"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def is_chief(of_strategy):
    """Returns whether this process is the one that writes files."""
    if not spans_workers(of_strategy):
        return True
    resolver = of_strategy.cluster_resolver
    # Without a chief of its own kind, the first worker is it.
    return resolver.task_type == "chief" or (
        resolver.task_type == "worker"
        and resolver.task_id == 0
        and "chief" not in resolver.cluster_spec().jobs
    )


@contextlib.contextmanager
def telling_of_lost_workers(of_strategy):
    """Raises a `WorkerLostError` where a collective operation broke off."""
    if not spans_workers(of_strategy):
        yield
        return
    try:
        yield
    except tf.errors.OpError as error:
        if not tells_of_lost_worker(error):
            raise
        reason = " ".join(str(error).split())[:300]
        raise WorkerLostError(
            "A worker has gone, and the others cannot go on without it. Start "
            "all of them again, with resume=True (--resume): they go on from "
            f"the last checkpoint. What TensorFlow says: {reason}"
        ) from error


def tells_of_lost_worker(error):
    """Returns whether an error comes of another worker's end.

    Args:
        error: exception, or `None`. Raised under several workers.
    """
    if isinstance(
        error,
        tf.errors.AbortedError
        | tf.errors.DeadlineExceededError
        | tf.errors.UnavailableError,
    ):
        return True
    # These two come of this worker's own GPU, too.
    return isinstance(
        error, tf.errors.CancelledError | tf.errors.InternalError
    ) and bool(OF_OTHERS.search(str(error)))


def num_replicas():
    """Returns how many replicas share a step, over all workers."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return tf.distribute.get_strategy().num_replicas_in_sync


def num_replicas_of(model):
    """Returns how many replicas train `model`, inside or outside a scope."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return model.distribute_strategy.num_replicas_in_sync


def is_multi_worker():
    """Returns whether the current strategy spans several processes."""
    if keras.backend.backend() != "tensorflow":
        return False
    return spans_workers(tf.distribute.get_strategy())


def spans_workers(of_strategy):
    """Returns whether a strategy spans several processes."""
    return of_strategy is not None and isinstance(
        of_strategy, tf.distribute.MultiWorkerMirroredStrategy
    )


def agree(of_strategy, number):
    """Returns the least and the greatest of a number, over all workers.

    Every worker must ask, or those that do wait for the others.

    Args:
        of_strategy: `tf.distribute.Strategy`, or `None`.
        number: int. This worker's.

    Returns:
        tuple of two ints.
    """
    if not spans_workers(of_strategy):
        return number, number
    found = _gathering(of_strategy)(tf.constant(number, tf.int64)).numpy()
    return int(found.min()), int(found.max())


@functools.cache
def _gathering(of_strategy):
    """Returns a function that gathers a number, traced once."""

    @tf.function
    def gather(number):
        def on_replica(number):
            context = tf.distribute.get_replica_context()
            return context.all_gather(number[None], axis=0)

        found = of_strategy.run(on_replica, args=(number,))
        return of_strategy.experimental_local_results(found)[0]

    return gather


def concat_replicas(tensor):
    """Concatenates `tensor` over replicas along axis 0. Gradients flow back.

    In the order of the whole batch, which is not always that of the replicas:
    TensorFlow deals its parts out to one worker after the other.
    """
    if is_alone():
        return tensor
    if tensor.dtype == "bfloat16":
        # Which TensorFlow's operation does not take.
        return tf.cast(concat_replicas(tf.cast(tensor, "float32")), "bfloat16")
    gathered = tf.distribute.get_replica_context().all_gather(tensor, axis=0)
    # Gathering forgets every size, though only the batch's has changed.
    gathered = tf.ensure_shape(gathered, (None, *tensor.shape[1:]))
    places = _places()
    if places == sorted(places):
        return gathered
    place_of_rows = tf.repeat(places, _batch_sizes(ops.shape(tensor)[0]))
    return _permuted(gathered, tf.argsort(place_of_rows, stable=True))


def stack_replicas(tensor):
    """Stacks `tensor`, of equal shape on all replicas, along a new axis 0."""
    return concat_replicas(tensor[None])


def sum_replicas(tensor):
    """Adds `tensor`, of equal shape on all replicas, up over them."""
    if is_alone():
        return tensor
    return tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.SUM, tensor
    )


def own_rows(tensor, num_rows):
    """Returns this replica's rows of what `concat_replicas` made.

    Args:
        tensor: tensor `(rows everywhere, ...)`.
        num_rows: int, or scalar tensor. How many of them are its own.
    """
    if is_alone():
        return tensor
    first = first_row(num_rows)
    return tensor[first : first + num_rows]


def first_row(batch_size):
    """Returns where this replica's rows begin in `concat_replicas`' result.

    Args:
        batch_size: int, or scalar tensor where it is not known beforehand.
            Replicas have equal batches in the first case; in the second, as
            in the last batch of an epoch, they may differ.
    """
    if is_alone():
        return 0
    place = tf.gather(_places(), _replica())
    if isinstance(batch_size, int):
        return place * batch_size
    is_before = tf.cast(tf.constant(_places()) < place, "int32")
    return tf.reduce_sum(is_before * _batch_sizes(batch_size))


def draw_for_own_rows(draw, batch_size):
    """Draws random rows for the whole batch and keeps this replica's.

    All replicas hold the same random state. Each draws for everyone, so that
    two replicas see the numbers that one device would.

    Args:
        draw: callable from a number of rows to a tensor with so many rows.
        batch_size: int or scalar tensor. Number of rows of this replica.
    """
    if is_alone():
        return draw(batch_size)
    if isinstance(batch_size, int):
        total = batch_size * num_replicas()
    else:
        total = tf.reduce_sum(_batch_sizes(batch_size))
    first = first_row(batch_size)
    return ops.take(draw(total), first + ops.arange(batch_size), axis=0)


def require_rows(tensor, minimum, message):
    """Returns a tensor that raises where it has fewer rows than that.

    Args:
        tensor: tensor `(rows, ...)`.
        minimum: int. Rows it needs.
        message: str. What was expected, and how to mend it.

    Raises:
        ValueError: at once for a known number of rows; else when the batch
            comes, within `value_errors`.
    """
    num_rows = tensor.shape[0]
    if num_rows is not None:
        if num_rows < minimum:
            raise ValueError(f"{message}. Received: {num_rows}")
        return tensor
    asserted = tf.debugging.Assert(
        tf.shape(tensor)[0] >= minimum, [refusal(message)]
    )
    # Eagerly it has been asserted by now.
    with tf.control_dependencies([] if asserted is None else [asserted]):
        return tf.identity(tensor)


def refuse_no_rows(tensor):
    """Returns a part of a batch that raises where a replica has no row of it.

    Args:
        tensor: tensor `(rows of this replica, ...)`. Anything else is
            returned as it is.
    """
    if (
        is_alone()
        or not isinstance(tensor, tf.Tensor)
        or tensor.shape.rank == 0
    ):
        return tensor
    return require_rows(
        tensor,
        1,
        "A batch has so few images that a replica has got none. Expected one "
        f"or more for each of the {num_replicas()}: leave out the rest of the "
        "images (drop_remainder=True), or take another batch size",
    )


def refusal(message):
    """Returns a message that `value_errors` finds in TensorFlow's error."""
    return f"{REFUSED}{message}{REFUSED}"


@contextlib.contextmanager
def value_errors():
    """Raises refusals from within TensorFlow's graph as `ValueError`."""
    try:
        yield
    except Exception as error:
        found = re.search(f"{REFUSED}([^\\n]*?){REFUSED}", str(error))
        if not found:
            raise
        raise ValueError(found.group(1)) from None


def after_call(function, tensors):
    """Returns a batch's images once a Python function has seen the batch.

    For the functions of a `tf.data.Dataset`, on whichever backend.

    Args:
        function: function of a dict of NumPy arrays. A `ValueError` that it
            raises comes where the batch is taken, within `value_errors`.
        tensors: dict of tensors, `"image"` among them.

    Returns:
        tensor. That of `"image"`.
    """
    import tensorflow as tf

    names = list(tensors)

    def call(*arrays):
        try:
            function(dict(zip(names, arrays, strict=True)))
        except ValueError as error:
            raise ValueError(refusal(error)) from None
        return np.int64(0)

    done = tf.numpy_function(call, list(tensors.values()), tf.int64)
    with tf.control_dependencies([done]):
        return tf.identity(tensors["image"])


def scale_loss(loss):
    """Divides by the number of replicas, over which Keras sums gradients."""
    return loss / num_replicas()


def holds_everywhere(condition):
    """Returns whether a scalar condition holds on every replica."""
    if is_alone():
        return condition
    return tf.equal(sum_replicas(tf.cast(condition, "int32")), num_replicas())


def is_alone():
    """Returns whether there is no other replica to exchange anything with."""
    return num_replicas() == 1 or tf.distribute.in_cross_replica_context()


def _replica():
    return tf.cast(
        tf.distribute.get_replica_context().replica_id_in_sync_group, "int32"
    )


def _batch_sizes(batch_size):
    """Returns how many images each replica has, in the order of replicas."""
    return tf.distribute.get_replica_context().all_gather(
        tf.reshape(tf.cast(batch_size, "int32"), (1,)), axis=0
    )


def _places():
    """Returns which part of the batch each replica has.

    Of a batch in parts 0, 1, 2, 3, two workers of two replicas each get 0 and
    2, 1 and 3; replicas are counted worker by worker.
    """
    strategy = tf.distribute.get_strategy()
    num_workers = 1
    if spans_workers(strategy):
        jobs = strategy.cluster_resolver.cluster_spec().as_dict()
        num_workers = len(jobs.get("chief", [])) + len(jobs.get("worker", []))
    num_local = strategy.num_replicas_in_sync // max(num_workers, 1)
    return [
        replica % num_local * num_workers + replica // num_local
        for replica in range(strategy.num_replicas_in_sync)
    ]


def _permuted(tensor, order):
    """Returns the rows in that order; the gradient is not sparse."""

    @tf.custom_gradient
    def permute(tensor):
        def gradient(upstream):
            return tf.gather(upstream, tf.math.invert_permutation(order))

        return tf.gather(tensor, order), gradient

    return permute(tensor)


def _workers():
    """Returns the addresses that `TF_CONFIG` names."""
    spec = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    try:
        jobs = spec.cluster_spec().as_dict()
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"The environment variable TF_CONFIG names no workers: {error}. "
            f"Expected {TF_CONFIG}, or none. Received: "
            f"{os.environ.get('TF_CONFIG')!r}"
        ) from error
    return [*jobs.get("chief", []), *jobs.get("worker", [])]
