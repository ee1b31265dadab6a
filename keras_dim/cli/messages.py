"""Formats messages: one line, a table, progress."""

import sys
import time
from collections.abc import Sequence
from typing import Any

_LONGEST = 1000


def one_line(text: str) -> str:
    """Returns text without line breaks, cut after 1,000 characters."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def percent(accuracy: float) -> str:
    """Returns an accuracy in `[0, 1]` as a percentage."""
    return f"{100 * accuracy:.2f}"


def duration(seconds: float) -> str:
    """Returns seconds as `12 s`, `34 min` or `5 h 06 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if minutes < 100 else f"{hours} h {rest:02} min"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table in columns, with numbers aligned to the right."""
    columns = []
    for column in zip(header, *rows, strict=True):
        cells = [str(cell) for cell in column]
        align = ">" if all(map(_is_number, cells[1:])) else "<"
        width = max(map(len, cells))
        columns.append([f"{cell:{align}{width}}" for cell in cells])
    lines = zip(*columns, strict=True)
    return "\n".join("  ".join(cells).rstrip() for cells in lines)


def _is_number(cell):
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True


class Progress:
    """Prints the number of images done: on a terminal in one line, else ten."""

    def __init__(self):
        self._tenths = 0
        self._start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        text = f"{done:,} of {total:,} images"
        seconds = time.monotonic() - self._start
        if seconds > 1 and done:
            left = duration(seconds * (total - done) / done)
            text += f", {done / seconds:,.0f} images/s, {left} left"
        tenths = 10 * done // max(total, 1)
        if sys.stdout.isatty():
            print(f"\r{text:<79}", end="", flush=True)
        elif tenths > self._tenths:
            self._tenths = tenths
            print(text, flush=True)

    def close(self) -> None:
        """Ends the line on a terminal."""
        if sys.stdout.isatty():
            print()
