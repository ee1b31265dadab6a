"""Damaged record files, told in one line."""

import contextlib


@contextlib.contextmanager
def damage_in_one_line(name: str):
    """Turns TensorFlow's report of a damaged record into a `ValueError`.

    Args:
        name: str. The source, for the message.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.DataLossError as error:
        reason = error.message.split("}} ")[-1].split(" [Op:")[0]
        raise ValueError(f"{name} is damaged: {reason}.") from None
