"""A flag means the same in every command."""

import argparse
import os

import pytest

from keras_dim import evaluation
from keras_dim.cli import flags
from keras_dim.cli import main

# Flags whose defaults may differ between commands, and why.
OTHER_DEFAULTS = {
    "--batch_size": "training takes smaller batches than reading",
    "--epochs": "pretrain takes them from its recipe",
}
# Each collects values of a kind of its own, which its help names.
COLLECTS = {"--set"}
LOADING = "pretrain probe compare classify embed report verify".split()


def parsers():
    found = main._parser()._actions
    kind = argparse._SubParsersAction
    (commands,) = (a for a in found if isinstance(a, kind))
    return commands.choices


def actions():
    """Returns the actions of each flag by the names of their commands."""
    found = {}
    for command, parser in parsers().items():
        for action in parser._actions:
            for name in action.option_strings:
                if name.startswith("--") and action.help != argparse.SUPPRESS:
                    found.setdefault(name, {})[command] = action
    del found["--help"]
    return found


SEVERAL = {name: of for name, of in actions().items() if len(of) > 1}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_flag_is_the_same_in_every_command(name):
    shared = flags.SHARED[name.removeprefix("--")]
    # The recipe parses the texts of its fields.
    typed = {
        command: action
        for command, action in SEVERAL[name].items()
        if not isinstance(action, flags.Set)
    }

    for action in SEVERAL[name].values():
        assert action.help.startswith(shared)
    assert len({action.type or str for action in typed.values()}) <= 1
    defaults = {action.default for action in typed.values()} - {None}
    assert name in OTHER_DEFAULTS or len(defaults) <= 1


def test_compare_names_every_protocol():
    help = actions()["--protocol"]["compare"].help
    named = {word.strip(",. ") for word in help.split()}
    assert set(evaluation.PROTOCOLS) <= named


def test_every_exception_is_used():
    for name in OTHER_DEFAULTS:
        defaults = [str(action.default) for action in SEVERAL[name].values()]
        assert len(set(defaults)) > 1
    for name in COLLECTS:
        assert all(isinstance(a, flags.Set) for a in SEVERAL[name].values())


def test_a_destination_has_one_meaning():
    # `--probe` was a switch of one command and a kind of probe in another.
    switches = {
        name
        for name, of in actions().items()
        for action in of.values()
        if action.nargs == 0
    }
    values = {
        name
        for name, of in actions().items()
        for action in of.values()
        if action.nargs != 0
    }

    assert switches & values == set()


@pytest.mark.parametrize("name", LOADING)
def test_commands_that_load_data_sets_take_data_dir(name):
    assert "--data_dir" in parsers()[name].flags()


def test_data_dir_sets_the_environment_while_a_command_runs(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TFDS_DATA_DIR", "before")
    with main._data_dir(str(tmp_path)):
        assert os.environ["TFDS_DATA_DIR"] == str(tmp_path)
    with main._data_dir(None):
        assert os.environ["TFDS_DATA_DIR"] == "before"
    monkeypatch.delenv("TFDS_DATA_DIR")
    with pytest.raises(KeyError), main._data_dir(str(tmp_path)):
        raise KeyError
    assert "TFDS_DATA_DIR" not in os.environ


def test_flags_and_positions_of_export_are_equivalent():
    parser = parsers()["export"]
    by_flags = parser.parse_args(["--encoder=a", "--output=b"])

    assert (by_flags.encoder, by_flags.output) == ("a", "b")
    assert parser.parse_args(["a", "b"]) == by_flags


def test_the_former_name_of_a_switch_is_accepted():
    parser = parsers()["pretrain"]

    assert parser.parse_args(["--noprobe"]).score is False
    assert parser.parse_args([]).score is True
    assert "--noprobe" not in parser.format_help()
