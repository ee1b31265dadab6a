"""Errors of TensorFlow that mean a worker has died, and those that do not."""

import pytest
import tensorflow as tf

from keras_dim import distribution
from keras_dim.training import WorkerLostError
from keras_dim.training import lost_workers


@pytest.fixture
def several_workers(monkeypatch):
    monkeypatch.setattr(distribution, "spans_workers", lambda _: True)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (tf.errors.UnavailableError, "Socket closed"),
        (tf.errors.AbortedError, "Connection lost"),
        (tf.errors.InternalError, "Collective ops is aborted by: a task"),
        (tf.errors.InternalError, "Connection reset by peer"),
        (tf.errors.CancelledError, "RPC Request was cancelled"),
        (tf.errors.CancelledError, "Polled an error from coordination service"),
    ],
)
def test_an_error_between_workers_is_raised_as_the_loss_of_one(
    kind, message, several_workers
):
    with pytest.raises(WorkerLostError, match=message) as error:
        with lost_workers.raise_worker_lost(None):
            raise kind(None, None, message)
    assert "--resume" in str(error.value)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (tf.errors.InternalError, "CUDA_ERROR_ILLEGAL_ADDRESS: at 0x7f"),
        (tf.errors.InternalError, "failed to enable peer access of GPU:1"),
        (
            tf.errors.InternalError,
            'in "collective_all_reduce_strategy.py": Blas GEMM launch failed',
        ),
        (tf.errors.CancelledError, "Iterator was cancelled"),
        (tf.errors.InvalidArgumentError, "of peers and collectives"),
    ],
)
def test_a_failure_of_this_worker_is_raised_unchanged(
    kind, message, several_workers
):
    with pytest.raises(kind, match=message):
        with lost_workers.raise_worker_lost(None):
            raise kind(None, None, message)


def test_with_one_worker_every_error_is_raised_unchanged():
    error = tf.errors.UnavailableError(None, None, "Socket closed")
    with pytest.raises(tf.errors.UnavailableError):
        with lost_workers.raise_worker_lost(None):
            raise error
