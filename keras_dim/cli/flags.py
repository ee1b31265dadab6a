"""Flags that commands share, and how a flag is added to a parser."""

import argparse
from typing import Any

# Flags of the same name say the same in every command.
SHARED = {
    "batch_size": "Images at a time.",
    "data_dir": "The folder of tensorflow-datasets' prepared data sets. "
    "Default: $TFDS_DATA_DIR, or ~/tensorflow_datasets.",
    "directory": "The folder of the run.",
    "encoder": "The folder of a run, a .keras file, or a preset's name.",
    "epochs": "Passes over the images.",
    "feature": "Which of the encoder's features. Default: global, or the only "
    "one.",
    "output": "Where the result is written, which must not exist.",
    "probe_source": "Labelled images to score on. Default: the source.",
    "recipe": "The name of a recipe (`keras-dim list`), or the path of a "
    "recipe.json.",
    "seed": "Seed of everything that is drawn.",
    "set": "A value by its name, repeatable:",
    "source": "A folder of images, TFRecord files, an .npy or .npz file, the "
    "name of a tensorflow-datasets data set, or digits.",
    "split": "The split that is read, where there are several.",
    "test_split": "The split that is scored; or a share of the labelled "
    "images, such as 0.2, while probe or classifier learn from the others.",
    "trace": "Show where in the code an error came up.",
}


def add(
    parser: argparse.ArgumentParser,
    name: str,
    help: str = "",
    default: Any = None,
    **options: Any,
) -> None:
    """Adds `--name`, of the type of its default; a bool also as `--noname`.

    `help` follows that of a shared flag.
    """
    names = [f"--{name}"]
    help = " ".join(filter(None, (SHARED.get(name), help)))
    if isinstance(default, bool):
        names.append(f"--no{name}")
        options |= {"action": _Switch, "nargs": 0}
    elif default not in (None, {}):
        help += f" Default: {default}."
        options["type"] = type(default)
    parser.add_argument(*names, help=help, default=default, **options)


def add_hidden_switch(
    parser: argparse.ArgumentParser, name: str, dest: str
) -> None:
    """Adds `--name` and `--noname` as other names of the switch `--dest`."""
    parser.add_argument(
        f"--{name}",
        f"--no{name}",
        dest=dest,
        action=_Switch,
        nargs=0,
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


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
