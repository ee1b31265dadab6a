"""Recognises errors that mean that another worker has died."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from keras_dim import checks
from keras_dim import distribution

# Codes of gRPC, which TensorFlow's errors carry.
_CANCELLED, _DEADLINE_EXCEEDED, _ABORTED = 1, 4, 10
_INTERNAL, _UNAVAILABLE = 13, 14
# Words in TensorFlow's messages about an operation between workers. "Peer
# access" is between the GPUs of one machine.
_BETWEEN_WORKERS = re.compile(
    r"\bcollectives?\b|\bpeers?\b(?![ -](?:access|to))|\bRPC\b"
    r"|\bcoordination service\b|\bheartbeat",
    re.IGNORECASE,
)


class WorkerLostError(RuntimeError):
    """Another worker has died, so that training cannot continue."""


@contextlib.contextmanager
def raise_worker_lost(strategy: Any) -> Iterator[None]:
    """Turns TensorFlow's errors about lost workers into a `WorkerLostError`.

    Other errors, and all errors unless `strategy` spans several workers, are
    not changed.
    """
    try:
        yield
    except Exception as error:
        if not (distribution.spans_workers(strategy) and is_worker_lost(error)):
            raise
        raise WorkerLostError(
            "A worker has died. Start all workers again with resume=True "
            "(--resume): they continue from the last checkpoint. TensorFlow's "
            f"error: {checks.in_one_line(error)}"
        ) from error


def is_worker_lost(error: BaseException | None) -> bool:
    """Returns whether an error was caused by the end of another worker."""
    code = getattr(error, "error_code", None)
    if code in (_ABORTED, _DEADLINE_EXCEEDED, _UNAVAILABLE):
        return True
    # A failure of this worker's own GPU may have these two codes, too.
    return code in (_CANCELLED, _INTERNAL) and bool(
        _BETWEEN_WORKERS.search(str(error))
    )
