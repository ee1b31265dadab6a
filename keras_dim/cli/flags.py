"""Flags that commands share, and how a flag is added to a parser."""

import argparse
from typing import Any

ENCODER = "The folder of a run, a .keras file, or a preset's name."
SOURCE = (
    "A folder of images, TFRecord files, an .npy or .npz file, the name of a "
    "tensorflow-datasets data set, or digits."
)
FEATURE = "Which of the encoder's features. Default: global, or the only one."


def add(
    parser: argparse.ArgumentParser,
    name: str,
    help: str,
    default: Any = None,
    **options: Any,
) -> None:
    """Adds `--name`, of the type of its default; a bool also as `--noname`."""
    names = [f"--{name}"]
    if isinstance(default, bool):
        names.append(f"--no{name}")
        options |= {"action": _Switch, "nargs": 0}
    elif default not in (None, {}):
        help += f" Default: {default}."
        options["type"] = type(default)
    parser.add_argument(*names, help=help, default=default, **options)


class _Switch(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, not option_string.startswith("--no"))


class Set(argparse.Action):
    """Collects `--set NAME=VALUE` in a dict; with `const`, that is the name."""

    def __call__(self, parser, namespace, values, option_string=None):
        name, equals, value = values.partition("=")
        if self.const:
            name, equals, value = self.const, "=", values
        found = getattr(namespace, self.dest)
        if not (name and equals):
            parser.error(
                f"--set takes name=value, such as seed=1. Received: {values!r}"
            )
        if name in found:
            parser.error(f"{name} is given twice.")
        setattr(namespace, self.dest, {**found, name: value})
