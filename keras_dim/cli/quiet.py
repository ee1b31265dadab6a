"""Loads Keras and TensorFlow without what they say about themselves.

The one place that reads or sets the environment.
"""

import contextlib
import logging as python_logging
import os
import sys
import tempfile
from collections.abc import Iterator

_ENVIRONMENT = {
    # Errors too: on a machine without a GPU, that there is none is one.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    # tensorflow-datasets asks a server for its catalogue otherwise.
    "NO_GCE_CHECK": "true",
}
# Its functions that are old, or that AutoGraph takes as they are.
_OF_DEVELOPERS = ("is deprecated", "to be decorated by wrapt")


def load_keras() -> None:
    """Imports Keras with its backend, and has warnings come as plain lines.

    What the user has set in the environment stays. The backend is TensorFlow
    unless `KERAS_BACKEND` names another one.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        # Written by native code before it knows its log level.
        with _stderr_held_back():
            import keras  # noqa: F401
    from absl import logging

    logging.set_verbosity(logging.WARNING)
    logging.use_absl_handler()
    handler = logging.get_absl_handler()
    handler.setFormatter(python_logging.Formatter("keras-dim: %(message)s"))
    handler.addFilter(_concerns_the_user)


def _concerns_the_user(record: python_logging.LogRecord) -> bool:
    """Leaves out what tensorflow-datasets warns its own developers of."""
    message = record.getMessage()
    return not any(words in message for words in _OF_DEVELOPERS)


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Keeps what is written to the error stream, unless the block raises."""
    sys.stderr.flush()
    try:
        stream = os.dup(2)
    except OSError:
        # There is no such stream.
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            held.seek(0)
            os.write(stream, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stream, 2)
            os.close(stream)
