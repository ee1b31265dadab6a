"""The parser of a command, and the flags that commands share."""

import argparse
from typing import Any

# A flag means the same in every command.
SHARED = {
    "batch_size": "Images at a time.",
    "data_dir": "The folder of tensorflow-datasets' prepared data sets. "
    "Default: $TFDS_DATA_DIR, or ~/tensorflow_datasets.",
    "directory": "The folder of the run.",
    "encoder": "The folder of a run, a .keras file, or a preset's name.",
    "epochs": "Passes over the images.",
    "feature": "Which of the encoder's features. Default: global, or the only "
    "one.",
    "output": "Where to write the result, which must not exist.",
    "probe_source": "Labelled images to score on. Default: the source.",
    "probe_split": "The split to fit probes to. Default: that of training. A "
    "share, such as 0.2, is taken for --test_split.",
    "recipe": "The name of a recipe (`keras-dim list`), or the path of a "
    "recipe.json.",
    "seed": "Seed of all random numbers.",
    "set": "Sets a value by its name, repeatable:",
    "source": "A folder of images, TFRecord files, an .npy or .npz file, the "
    "name of a tensorflow-datasets data set, or digits.",
    "split": "The split to read, if there are several.",
    "test_split": "The split to score on; or the share of the labelled images "
    "to score on, such as 0.2: the probe or classifier learns from the others.",
    "trace": "Show where in the code an error occurred.",
}


class Parser(argparse.ArgumentParser):
    """Raises a `ValueError` where argparse would print the usage and exit."""

    def add(
        self,
        name: str,
        help: str = "",
        default: Any = None,
        group: Any = None,
        **options: Any,
    ) -> None:
        """Adds `--name`, of the type of its default; a bool also as `--noname`.

        `help` is appended to that of a shared flag. `group` is an argument
        group of this parser.
        """
        names = [f"--{name}"]
        help = " ".join(filter(None, (SHARED.get(name), help)))
        if isinstance(default, bool):
            names.append(f"--no{name}")
            options |= {"action": Switch, "nargs": 0}
        elif default not in (None, {}):
            help += f" Default: {default}."
            options["type"] = type(default)
        (group or self).add_argument(
            *names, help=help, default=default, **options
        )

    def add_set(
        self, help: str = "a field of the recipe, or an argument of its parts."
    ) -> None:
        """Adds `--set NAME=VALUE`, which collects a dict of texts."""
        self.add("set", help, {}, action=Set, metavar="NAME=VALUE")

    def error(self, message):
        raise ValueError(message)

    def flags(self) -> list[str]:
        """Returns the names of all flags that `--help` shows."""
        return [
            name
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for name in action.option_strings
            if name[0] == "-"
        ]


def chosen(options: argparse.Namespace, names: str) -> dict[str, Any]:
    """Returns the values of some flags, named in a string, as arguments."""
    return {name: getattr(options, name) for name in names.split()}


class Switch(argparse.Action):
    """Stores whether the flag is `--name` rather than `--noname`."""

    def __call__(self, parser, namespace, values, option_string=None):
        setattr(namespace, self.dest, not option_string.startswith("--no"))


class Set(argparse.Action):
    """Collects `NAME=VALUE` in a dict; with `const` as the name, `VALUE`."""

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
