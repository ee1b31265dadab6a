"""The command's front door: instant help, one line for a mistake."""

import json
import logging
import os
import pathlib
import subprocess
import sys
import time

import pytest

from keras_dim.cli import main
from keras_dim.cli import messages
from keras_dim.cli import quiet
from keras_dim.version import __version__

PACKAGE = pathlib.Path(main.__file__).parents[1]
EMBED = ("embed", "--source=y", "--output=z")
# The command's own modules alone: the package around them, which may load
# Keras for other reasons, is left out.
ALONE = """
import json, sys, time, types
package = types.ModuleType("keras_dim")
package.__path__ = [sys.argv[1]]
sys.modules["keras_dim"] = package
start = time.process_time()
from keras_dim.cli import main
codes = [main.run(arguments) for arguments in json.loads(sys.argv[2])]
print()
print(json.dumps([codes, time.process_time() - start, sorted(sys.modules)]))
"""


def run_alone(*commands):
    result = subprocess.run(
        [sys.executable, "-c", ALONE, str(PACKAGE), json.dumps(commands)],
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_help_and_usage_mistakes_do_not_wait_for_keras():
    codes, seconds, modules = run_alone(
        ["--help"],
        *([name, "--help"] for name in main.COMMANDS),
        ["pretrian"],
        ["pretrain", "--recip", "x"],
    )

    assert codes == [0] * 7 + [2, 2]
    loaded = {name.split(".")[0] for name in modules}
    assert loaded & {"keras", "tensorflow", "numpy", "sklearn"} == set()
    # Of the processor: others may be using it too.
    assert seconds < 0.5


def test_the_address_of_a_server_is_checked_before_keras_is_loaded():
    codes, _, modules = run_alone(
        [*EMBED, "--server=localhost", "--model=tiny"],
        [*EMBED, "--encoder=x", "--server=localhost:8500", "--model=tiny"],
    )

    assert codes == [2, 2]
    loaded = {name.split(".")[0] for name in modules}
    assert loaded & {"keras", "tensorflow", "grpc"} == set()


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_flag_is_told_about(name, capsys):
    assert main.run([name, "--help"]) == 0
    printed = capsys.readouterr().out

    assert printed.startswith(f"usage: keras-dim {name}")
    assert "--trace" in printed
    assert max(map(len, printed.splitlines())) <= 79


def test_the_version_is_told(capsys):
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"keras-dim {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrian"], "Did you mean 'pretrain'"),
        (["pretrain", "--recip=x"], "Did you mean: recipe"),
        (["pretrain", "now"], "takes no arguments beside flags"),
        (["pretrain", "--set", "seed"], "takes name=value"),
        (["pretrain", "--set=seed=1", "--set=seed=2"], "given twice"),
        (["pretrain", "--epochs", "2", "--set=epochs=3"], "both given"),
        (["pretrain", "--epochs", "0"], "not a positive integer"),
        (["pretrain", "--recipe", "deep_infomax_digit"], "Did you mean 'deep_"),
        (["pretrain", "--set", "epoch=3"], "Did you mean 'epochs'"),
        (["probe", "--encoder", "x"], "needs --source"),
        (["probe", "--probe", "svm"], "linear|mlp|neighbors"),
        (["probe", "--encoder=x.y", "--source=digits"], "no run, no file"),
        (["embed", "--encoder=x", "--source=y", "--output=."], "overwritten"),
        (EMBED, "Received: neither"),
        ([*EMBED, "--encoder=x", "--server=a:1"], "Received: both"),
        ([*EMBED, "--server=localhost:8500"], "--model is missing"),
        ([*EMBED, "--encoder=x", "--model=tiny"], "--server is missing"),
        ([*EMBED, "--encoder=x", "--version=1"], "--server is missing"),
        ([*EMBED, "--server=localhost", "--model=tiny"], "http://host:port"),
        ([*EMBED, "--server=a:1", "--model=m", "--timeout=0"], "timeout"),
        ([*EMBED, "--encoder=x", "--worker=1"], "--worker must be from 0 to 0"),
        ([*EMBED, "--encoder=x", "--num_workers=2"], "needs --num_shards"),
        ([*EMBED, "--encoder=x", "--num_shards=0"], "num_shards"),
        (["verify"], "takes PRESET"),
        (["verify", "no_such_preset"], "Unknown preset"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    assert main.run(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("keras-dim: ")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_trace_shows_where_a_mistake_came_up(capsys):
    assert main.run(["verify", "no_such_preset", "--trace"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyError("x"), 1, "not your mistake: KeyError"),
        (RuntimeError("two\nlines"), 1, "RuntimeError: two lines"),
        (OSError("disk full"), 2, "disk full"),
        (ImportError("no module"), 2, "no module"),
        (FloatingPointError("loss is nan"), 1, "keras-dim: loss is nan"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_each_failure_has_its_code(error, code, message, capsys, monkeypatch):
    def fail(arguments):
        raise error

    monkeypatch.setattr(main, "_run", fail)

    assert main.run(["list"]) == code
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1


def test_without_a_command_help_is_a_mistakes(capsys):
    assert main.run([]) == 2
    assert "usage: keras-dim COMMAND" in capsys.readouterr().err


def test_a_file_gets_lines_and_no_bars(capsys):
    progress = messages.Progress("images")
    for done in range(0, 1001, 8):
        progress(done, 1000)
    progress.close()
    printed = capsys.readouterr().out

    assert "\r" not in printed
    # One for each tenth.
    assert len(printed.splitlines()) == 10
    assert printed.splitlines()[-1] == "1,000 of 1,000 images"


def test_a_terminal_gets_a_bar_that_ends(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    progress = messages.Progress("images")
    progress(5, 10)
    progress(10, 10)
    progress.close()
    printed = capsys.readouterr().out

    assert printed.endswith(f"\r[{'=' * 30}] 10 of 10 images\n")


def test_numbers_of_a_table_stand_below_each_other():
    text = messages.table(("name", "count"), [("a", 5), ("bcdef", "1,437")])

    assert text == "name   count\na          5\nbcdef  1,437"


def test_the_command_answers_without_loading_keras():
    program = (
        "import sys; sys.argv = ['/usr/bin/keras-dim', 'pretrain', '--help'];"
        "from keras_dim.cli import main; code = main.console();"
        "print('loaded', [m for m in ('keras', 'tensorflow') "
        "if m in sys.modules], code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "loaded [] 0"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("message", "is_shown"),
    [
        ("label() is deprecated", False),
        ("f appears to be decorated by wrapt", False),
        ("Left out a damaged checkpoint", True),
    ],
)
def test_what_is_for_developers_of_others_is_not_shown(message, is_shown):
    record = logging.makeLogRecord({"msg": message})
    assert quiet._concerns_the_user(record) == is_shown
