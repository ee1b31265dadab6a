"""Checks of arguments. Each raises a `ValueError` of one line.

Values are passed by the names that they have in the message:

```python
checks.one_of(("constant", "cosine"), schedule=schedule)
checks.at_least(1, batch_size=batch_size, epochs=epochs)
```
"""

import difflib
import inspect
import math
import numbers
import os
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any


def given(**values: Any) -> dict[str, Any]:
    """Returns the values that are not None, to check optional arguments."""
    return {name: value for name, value in values.items() if value is not None}


def one_of(known: Iterable[Any], /, **values: Any) -> None:
    """Raises a `ValueError` for a value that is not among `known`."""
    known = list(known)
    for name, value in values.items():
        if value not in known:
            raise ValueError(
                f"Unknown {name}: {value!r}.{did_you_mean(value, known)} "
                f"Expected one of {known}"
            )


def at_least(minimum: float, /, **values: Any) -> None:
    """Raises a `ValueError` unless values are finite numbers >= `minimum`."""
    _require(lambda value: value >= minimum, f"{minimum} or more", values)


def above(minimum: float, /, **values: Any) -> None:
    """Raises a `ValueError` unless values are finite numbers > `minimum`."""
    _require(lambda value: value > minimum, f"above {minimum}", values)


def below(maximum: float, /, **values: Any) -> None:
    """Raises a `ValueError` unless values are finite numbers < `maximum`."""
    _require(lambda value: value < maximum, f"below {maximum}", values)


def between(low: float, high: float, /, **values: Any) -> None:
    """Raises a `ValueError` unless values are numbers in [`low`, `high`]."""
    _require(lambda v: low <= v <= high, f"from {low} to {high}", values)


def integers(minimum: int, maximum: float = math.inf, /, **values: Any) -> None:
    """Raises a `ValueError` unless values are integers in that range."""
    expected = f"an integer from {minimum:,} to {maximum:,}"
    if maximum == math.inf:
        expected = f"an integer, {minimum:,} or more"

    def is_right(value):
        is_integer = isinstance(value, numbers.Integral)
        return is_integer and minimum <= value <= maximum

    _require(is_right, expected, values)


def distinct(minimum: int, /, **values: Any) -> None:
    """Raises a `ValueError` unless values are tuples of different entries.

    Each must be a tuple or list of `minimum` entries or more.
    """
    for name, value in values.items():
        is_right = isinstance(value, tuple | list) and len(value) >= minimum
        if not is_right or len(set(value)) < len(value):
            raise ValueError(
                f"`{name}` must be a tuple of {minimum} or more different "
                f"values. Received: {value!r}"
            )


def shape(expected: tuple[int | None, ...], /, **tensors: Any) -> None:
    """Raises a `ValueError` for other shapes; None stands for any size."""
    for name, tensor in tensors.items():
        found = tuple(tensor.shape)
        if len(found) != len(expected) or any(
            size not in (None, own)
            for size, own in zip(expected, found, strict=True)
        ):
            raise ValueError(
                f"`{name}` must have the shape {expected}. Received: {found}"
            )


def keywords(function: Callable, given: Iterable[str], owner: str) -> None:
    """Raises a `ValueError` for a keyword that a function does not take.

    The message calls the function `owner`, such as `"The optimizer 'sgd'"`.
    """
    known = keywords_of(function)
    for name in given:
        if name not in known:
            raise ValueError(
                f"{owner} has no argument {name!r}."
                f"{did_you_mean(name, known)} Expected some of {known}"
            )


def keywords_of(function: Callable) -> list[str]:
    """Returns the names of a function's or class's keyword arguments.

    If the `__init__` of a class takes `**kwargs`, they include those of its
    base classes.
    """
    functions = [function]
    if inspect.isclass(function):
        inits = [vars(cls).get("__init__") for cls in function.__mro__]
        functions = [init for init in inits if init]
    known = ["self"]
    for each in functions:
        parameters = inspect.signature(each).parameters.values()
        for p in parameters:
            is_keyword = p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
            if is_keyword and p.name not in known:
                known.append(p.name)
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return known[1:]


def did_you_mean(value: Any, known: Iterable[Any]) -> str:
    """Returns `" Did you mean 'this'?"`, or `""` if no name is similar."""
    names = [name for name in known if isinstance(name, str)]
    near = difflib.get_close_matches(str(value), names, n=3)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def did_you_mean_path(path: str | os.PathLike) -> str:
    """Returns `did_you_mean` of a path among the files in its folder."""
    folder, name = os.path.split(os.fspath(path).rstrip(os.sep))
    try:
        beside = os.listdir(folder or ".")
    except OSError:
        return ""
    near = [os.path.join(folder, each) for each in beside]
    return did_you_mean(os.path.join(folder, name), near)


def in_one_line(error: Exception) -> str:
    """Returns the message of an error on one line of about 200 letters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def _require(is_right, expected, values):
    for name, value in values.items():
        is_number = isinstance(value, numbers.Real)
        is_number = is_number and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and is_right(value)):
            raise ValueError(
                f"`{name}` must be {expected}. Received: {value!r}"
            )
