"""Makes parts of a method or recipe by name: `{"name": "adam", "l2": 1e-5}`."""

import inspect
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from keras_dim import checks


def named(part: str | Mapping[str, Any]) -> dict[str, Any]:
    """Returns a part, which may be just its name, as a dict with `"name"`."""
    return {"name": part} if isinstance(part, str) else dict(part)


def factory(
    kind: str, registry: Mapping[str, Callable], part: str | Mapping[str, Any]
) -> tuple[Callable, dict[str, Any]]:
    """Returns the function or class that makes a part, and its arguments.

    Args:
        kind: str. The kind of the part in messages, such as `"critic"`.
        registry: mapping from names to functions or classes.
        part: str or mapping. A name; or a dict with `"name"` and arguments.

    Raises:
        ValueError: for an unknown name or argument; the message has the
            nearest one.
    """
    arguments = named(part)
    name = arguments.pop("name", None)
    checks.one_of(registry, **{kind: name})
    checks.keywords(registry[name], arguments, f"The {kind} {name!r}")
    return registry[name], arguments


def build(
    kind: str, registry: Mapping[str, Callable], part: Any, **defaults: Any
) -> Any:
    """Makes a part; objects that are no name and no mapping are returned.

    Args:
        kind, registry, part: see `factory`.
        **defaults: arguments that are passed on if the part takes them and does
            not set them itself.
    """
    if not isinstance(part, str | Mapping):
        return part
    make, arguments = factory(kind, registry, part)
    known = inspect.signature(make).parameters
    defaults = {name: v for name, v in defaults.items() if name in known}
    return make(**defaults | arguments)
