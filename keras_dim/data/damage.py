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
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        # The second one comes of a record that is whole and no Example.
        reason = error.message.split("}} ")[-1].split(" [Op:")[0]
        reason = " ".join(reason.split())[:200]
        raise ValueError(f"{name} is damaged: {reason}.") from None
