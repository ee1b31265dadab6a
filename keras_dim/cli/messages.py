"""Formats messages: one line, the help of a flag, a table, a progress bar."""

import sys
import textwrap
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

_WIDTH = 79
_LONGEST = 1000
_SECONDS_BETWEEN_BARS = 0.2


def one_line(text: str) -> str:
    """Returns text without line breaks, cut after 1,000 characters."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def flag_lines(flag: flags.Flag, required: bool = False) -> list[str]:
    """Returns the lines of help about a flag."""
    has_no = flag.boolean and flag.name not in ("help", "trace")
    name = f"--[no]{flag.name}" if has_no else f"--{flag.name}"
    default = ""
    if required:
        default = " (required)"
    elif flag.default not in (None, [], False):
        shown = str(flag.default).lower() if flag.boolean else flag.default
        default = f" (default: {shown})"
    # absl appends a remark to the help of flags that may be repeated.
    text = flag.help.split(";\n")[0]
    return [
        f"  {name}",
        *textwrap.wrap(
            f"{text}{default}",
            _WIDTH,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        ),
    ]


def percent(accuracy: float) -> str:
    """Returns an accuracy in `[0, 1]` as a percentage."""
    return f"{100 * accuracy:.2f}"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a table in columns, with numbers aligned to the right."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [
        bool(rows) and all(_is_number(row[place]) for row in cells[1:])
        for place in range(len(header))
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    )


class Progress:
    """Shows progress: a bar on a terminal, else a line for each tenth.

    Args:
        what: str. The name of what is counted, e.g. `"images"`.
    """

    def __init__(self, what: str):
        self.what = what
        self._last_time = 0.0
        self._tenths = 0

    def __call__(self, done: int, total: int) -> None:
        text = f"{done:,} of {total:,} {self.what}"
        if sys.stdout.isatty():
            now = time.monotonic()
            if done < total and now - self._last_time < _SECONDS_BETWEEN_BARS:
                return
            self._last_time = now
            filled = 30 * done // max(total, 1)
            print(f"\r[{'=' * filled:<30}] {text}", end="", flush=True)
        elif 10 * done // max(total, 1) > self._tenths:
            self._tenths = 10 * done // max(total, 1)
            print(text, flush=True)

    def close(self) -> None:
        """Ends the line of the bar."""
        if sys.stdout.isatty():
            print()


def keras_verbosity() -> int:
    """Returns `verbose`: a bar on a terminal, else a line for each epoch."""
    return 1 if sys.stdout.isatty() else 2


def _is_number(cell):
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True
