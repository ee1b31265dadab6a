"""Checks of arguments. Each raises a `ValueError` of one line.

A check takes the values it looks at by the names that the caller's user knows
them by, so that the message names them:

```python
checks.one_of(("constant", "cosine"), schedule=schedule)
checks.at_least(1, batch_size=batch_size, epochs=epochs)
```
"""

import difflib
import inspect
import math
import numbers
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any


def given(**values: Any) -> dict[str, Any]:
    """Returns the values that are not None, to check optional arguments.

    `checks.at_least(1, **checks.given(chunk_size=chunk_size))`
    """
    return {name: value for name, value in values.items() if value is not None}


def one_of(known: Iterable[Any], /, **values: Any) -> None:
    """Raises a `ValueError` for a value that is not among `known`.

    Args:
        known: iterable. The values that are allowed.
        **values: the values to check, by name.
    """
    known = list(known)
    for name, value in values.items():
        if value not in known:
            raise ValueError(
                f"Unknown {name}: {value!r}.{did_you_mean(value, known)} "
                f"Expected one of {known}"
            )


def at_least(minimum: float, /, **values: Any) -> None:
    """Raises a `ValueError` for what is no finite number >= `minimum`."""
    for name, value in values.items():
        if not (_is_finite(value) and value >= minimum):
            _refuse(name, f"{minimum} or more", value)


def above(minimum: float, /, **values: Any) -> None:
    """Raises a `ValueError` for what is no finite number > `minimum`."""
    for name, value in values.items():
        if not (_is_finite(value) and value > minimum):
            _refuse(name, f"above {minimum}", value)


def below(maximum: float, /, **values: Any) -> None:
    """Raises a `ValueError` for what is no finite number < `maximum`."""
    for name, value in values.items():
        if not (_is_finite(value) and value < maximum):
            _refuse(name, f"below {maximum}", value)


def between(low: float, high: float, /, **values: Any) -> None:
    """Raises a `ValueError` for what is no number in [`low`, `high`]."""
    for name, value in values.items():
        if not (_is_finite(value) and low <= value <= high):
            _refuse(name, f"from {low} to {high}", value)


def integers(
    minimum: int, maximum: int | None = None, /, **values: Any
) -> None:
    """Raises a `ValueError` for what is no integer in that range.

    Args:
        minimum: int. The least value allowed.
        maximum: int, or None for no limit. The greatest value allowed.
        **values: the values to check, by name.
    """
    expected = f"an integer, {minimum:,} or more"
    if maximum is not None:
        expected = f"an integer from {minimum:,} to {maximum:,}"
    for name, value in values.items():
        is_whole = isinstance(value, numbers.Integral) and _is_finite(value)
        is_within = is_whole and value >= minimum
        if not is_within or (maximum is not None and value > maximum):
            _refuse(name, expected, value)


def keywords(function: Callable, given: Iterable[str], owner: str) -> None:
    """Raises a `ValueError` for a keyword that a function does not take.

    Args:
        function: callable or class. Where the `__init__` of a class hands
            `**kwargs` on, those of its base classes count, too.
        given: iterable of str. Names of keyword arguments.
        owner: str. What the message calls the function, such as
            `"The optimizer 'sgd'"`.
    """
    known = keywords_of(function)
    for name in given:
        if name not in known:
            raise ValueError(
                f"{owner} has no argument {name!r}."
                f"{did_you_mean(name, known)} Expected some of {known}"
            )


def keywords_of(function: Callable) -> list[str]:
    """Returns the names of a function's or class's keyword arguments."""
    if not inspect.isclass(function):
        return _named(inspect.signature(function))
    known = []
    for cls in function.__mro__:
        if "__init__" not in vars(cls):
            continue
        signature = inspect.signature(cls.__init__)
        known += [
            name for name in _named(signature) if name not in ("self", *known)
        ]
        kinds = [parameter.kind for parameter in signature.parameters.values()]
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            break
    return known


def did_you_mean(value: Any, known: Iterable[Any]) -> str:
    """Returns `" Did you mean 'this'?"`, or `""` where nothing is near."""
    names = [name for name in known if isinstance(name, str)]
    near = difflib.get_close_matches(str(value), names, n=3)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def _named(signature):
    unnamed = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD,
    )
    return [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind not in unnamed
    ]


def _is_finite(value):
    return (
        isinstance(value, numbers.Real)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _refuse(name, expected, value):
    raise ValueError(f"`{name}` must be {expected}. Received: {value!r}")
