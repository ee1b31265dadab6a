"""The public names of a package: those that its `__init__.py` imports."""

import inspect
import sys


def names(package: str) -> list[str]:
    """Returns a package's `__all__`, without modules and private names."""
    return sorted(
        name
        for name, value in vars(sys.modules[package]).items()
        if not (name.startswith("_") or inspect.ismodule(value))
    )
