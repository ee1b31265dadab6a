"""TensorFlow, where it is there: whether it is, its errors, its datasets."""

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def has_tensorflow() -> bool:
    """Returns whether TensorFlow can be imported."""
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        return False
    return True


def require_tensorflow(reason: str) -> None:
    """Raises a `ModuleNotFoundError` where TensorFlow cannot be imported.

    Args:
        reason: str. What came, and that it needs TensorFlow.
    """
    if not has_tensorflow():
        raise ModuleNotFoundError(
            f"{reason}, and that cannot be imported here. Install tensorflow, "
            "or pass a folder of images, an .npy or .npz file, arrays or "
            "'digits'.",
            name="tensorflow",
        )


@contextlib.contextmanager
def damage_in_one_line(name: str):
    """Turns TensorFlow's report of a damaged record into a `ValueError`.

    That of a running graph, as in `fit`, is many lines long.

    Args:
        name: str. The source, for the message.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        # Behind where it was found, and before the names of operations.
        reason = re.split(r"\s*\[(?:\[|Op:)", error.message)[0]
        reason = reason.split("}} ")[-1].strip().splitlines()[-1][:200]
        # A record that is whole and no Example. Models raise the like, too.
        is_damage = isinstance(error, tf.errors.DataLossError)
        if not (is_damage or "parse" in reason.lower()):
            raise
        raise ValueError(f"{name} is damaged: {reason}.") from None


def without_autotuning(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """Returns a dataset whose iterators may end at any moment.

    TensorFlow tunes the parallelism of each iterator in a thread of its own.
    An iterator that is given up just when that thread starts, after an error
    in its first batch or as `fit` of several replicas does with its first
    one, can wait for it for ever (TensorFlow 2.21, on processors that are
    busy). Without it, what was left to be tuned takes as many threads as
    there are processors, at most 16.

    Args:
        dataset: `tf.data.Dataset`.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
