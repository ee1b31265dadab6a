"""Whether TensorFlow is there, for what is done with nothing else."""


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
