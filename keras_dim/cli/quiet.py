"""Loads Keras and TensorFlow without their own messages."""

import contextlib
import logging as python_logging
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

_ENVIRONMENT = {
    # Errors, too: TensorFlow reports a missing GPU as an error.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GRPC_VERBOSITY": "ERROR",
    # Otherwise tensorflow-datasets asks a server for its catalogue.
    "NO_GCE_CHECK": "true",
}
# Warnings of tensorflow-datasets about its own code, and of TensorFlow when it
# traces a graph again, for example for an encoder of another size.
_FOR_DEVELOPERS = (
    "is deprecated",
    "to be decorated by wrapt",
    "triggered tf.function retracing",
)


def load_keras() -> None:
    """Imports Keras, and prints log messages as plain lines.

    Environment variables that the user has set are kept.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        # TensorFlow's native code logs before it reads its log level.
        with _stderr_held_back():
            import keras  # noqa: F401
    from absl import logging

    logging.set_verbosity(logging.INFO)
    # absl's own handler would warn that its flags have not been parsed.
    root = python_logging.getLogger()
    root.removeHandler(logging.get_absl_handler())
    root.addHandler(_HANDLER)
    # TensorFlow's own handler would print each message a second time.
    python_logging.getLogger("tensorflow").handlers.clear()


class _Handler(python_logging.Handler):
    """Prints all warnings, and this package's own messages."""

    def emit(self, record):
        message = record.getMessage()
        if any(words in message for words in _FOR_DEVELOPERS):
            return
        if record.levelno >= python_logging.WARNING:
            print(f"keras-dim: {message}", file=sys.stderr)
        elif "keras_dim" in pathlib.PurePath(record.pathname).parts:
            print(message, flush=True)


_HANDLER = _Handler(python_logging.INFO)


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Discards what is written to stderr, unless the block raises."""
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
            held.seek(0)
            os.write(stream, held.read())
            raise
        finally:
            os.dup2(stream, 2)
            os.close(stream)
