"""Loads Keras and TensorFlow without their own messages.

No other module sets the environment.
"""

import contextlib
import logging as python_logging
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

_ENVIRONMENT = {
    # Even errors: TensorFlow reports a missing GPU as one.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    # Otherwise tensorflow-datasets asks a server for its catalogue.
    "NO_GCE_CHECK": "true",
}
# Warnings of tensorflow-datasets about its own code.
_OF_DEVELOPERS = ("is deprecated", "to be decorated by wrapt")


def load_keras() -> None:
    """Imports Keras, and prints log messages as plain lines.

    Variables that the user has set in the environment stay. The backend is
    TensorFlow unless `KERAS_BACKEND` names another one.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        # TensorFlow's native code writes before it reads its log level.
        with _stderr_held_back():
            import keras  # noqa: F401
    from absl import logging

    logging.set_verbosity(logging.INFO)
    logging.get_absl_logger().addHandler(_STDOUT)
    logging.use_absl_handler()
    handler = logging.get_absl_handler()
    handler.setLevel(python_logging.WARNING)
    handler.setFormatter(python_logging.Formatter("keras-dim: %(message)s"))
    handler.addFilter(_concerns_the_user)


class _Stdout(python_logging.Handler):
    """Prints what this package, and no other, logs as information."""

    def emit(self, record):
        folders = pathlib.PurePath(record.pathname).parts
        if record.levelno == python_logging.INFO and "keras_dim" in folders:
            print(record.getMessage(), flush=True)


_STDOUT = _Stdout()


def _concerns_the_user(record: python_logging.LogRecord) -> bool:
    """Returns whether a warning is for users, and not for developers."""
    message = record.getMessage()
    return not any(words in message for words in _OF_DEVELOPERS)


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Discards what is written to stderr, unless the block raises."""
    sys.stderr.flush()
    try:
        stream = os.dup(2)
    except OSError:
        # The process has no stderr.
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
