"""Parts of a method or a recipe by name: `{"name": "adam", "l2": 1e-5}`."""

import inspect
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from keras_dim import checks


def named(part: str | Mapping[str, Any]) -> dict[str, Any]:
    """Returns a part as a dict with its `"name"`; a string is the name."""
    return {"name": part} if isinstance(part, str) else dict(part)


def factory(
    kind: str, registry: Mapping[str, Callable], part: str | Mapping[str, Any]
) -> tuple[Callable, dict[str, Any]]:
    """Returns the function that makes a part, and the part's arguments.

    Raises a `ValueError` for an unknown name or argument, with the nearest one.

    Args:
        kind: str. The kind of the part in messages, such as `"critic"`.
        registry: mapping from names to functions or classes.
        part: str or mapping. A name; or a dict with `"name"` and arguments.
    """
    arguments = named(part)
    name = arguments.pop("name", None)
    checks.one_of(registry, **{kind: name})
    checks.keywords(registry[name], arguments, f"The {kind} {name!r}")
    return registry[name], arguments


def build(
    kind: str, registry: Mapping[str, Callable], part: Any, **defaults: Any
) -> Any:
    """Makes a part; what is neither a name nor a mapping is one already.

    Args:
        kind, registry, part: see `factory`.
        **defaults: arguments for a part that takes them and has no others.
    """
    if not isinstance(part, str | Mapping):
        return part
    make, arguments = factory(kind, registry, part)
    known = inspect.signature(make).parameters
    defaults = {name: v for name, v in defaults.items() if name in known}
    return make(**defaults | arguments)
