"""Results as lines of JSON and as readable lines."""

import json
import pathlib
import time
import traceback

RESULTS = "results.jsonl"
LOG = "log.txt"


class Report:
    """Appends results to two files of a folder, and prints them.

    Several processes may write into one folder: each line is one write.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, kind, **fields):
        now = time.time()
        line = json.dumps({"kind": kind, "time": round(now, 2)} | fields)
        self._append(RESULTS, line)
        shown = ", ".join(f"{k} {_short(v)}" for k, v in fields.items())
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        text = f"{clock} {kind}: {shown}"
        self._append(LOG, text)
        print(text, flush=True)

    def failure(self, where, error):
        """Reports an exception; its traceback goes to the log."""
        message = " ".join(f"{type(error).__name__}: {error}".split())
        self("failure", where=where, error=message[:500])
        self._append(LOG, "".join(traceback.format_exception(error)))

    def _append(self, name, line):
        with open(self.folder / name, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def read(folder, kind=None):
    """Returns the results of a kind, or all of them."""
    lines = (pathlib.Path(folder) / RESULTS).read_text("utf-8").splitlines()
    results = [json.loads(line) for line in lines]
    return [each for each in results if kind in (None, each["kind"])]


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else value
