"""Help without Keras, one line for a mistake, exit codes, progress, logs."""

import json
import logging
import os
import pathlib
import re
import subprocess
import sys

import pytest

from keras_dim.cli import main
from keras_dim.cli import messages
from keras_dim.cli import quiet
from keras_dim.version import __version__

PACKAGE = pathlib.Path(main.__file__).parents[1]
EMBED = ("embed", "--source=y", "--output=z")
AMDIM = ("--encoder=amdim_cifar",)
SHARES = ("--probe_split=0.2", "--test_split=0.3")
NO_DATA = ("--encoder=x", "--source=y", "--data_dir=no/where")
# Only the modules of the command, without the package's `__init__`, which may
# load Keras for other reasons.
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
        [*EMBED, "--encoder=x", "--server=localhost:8500", "--model=tiny"],
    )

    assert codes == [0] * (1 + len(main.COMMANDS)) + [2, 2, 2]
    loaded = {name.split(".")[0] for name in modules}
    assert loaded & {"keras", "tensorflow", "numpy", "sklearn"} == set()
    # Of processor time: other processes may be running.
    assert seconds < 0.5


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_has_usage_and_short_lines(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main.run([name, "--help"]) == 0
    printed = capsys.readouterr().out

    assert printed.startswith(f"usage: keras-dim {name}")
    assert "--trace" in printed
    assert max(map(len, printed.splitlines())) <= 79


def test_the_version_is_printed(capsys):
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"keras-dim {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrian"], "Did you mean 'pretrain'"),
        (["pretrain", "--recip=x"], "Did you mean '--recipe'"),
        (["pretrain", "--noscor"], "Did you mean '--noscore'"),
        (["pretrain", "--form=x"], "Did you mean '--from'"),
        (["pretrain", "now"], "does not take 'now'"),
        (["export", "x"], "needs --output"),
        (["probe", *NO_DATA], "--data_dir: there is no folder 'no/where'"),
        (["pretrain", "--set", "seed"], "takes name=value"),
        (["pretrain", "--set=seed=1", "--set=seed=2"], "given twice"),
        (["pretrain", "--epochs", "2", "--set=epochs=3"], "given twice"),
        (["pretrain", "--epochs", "0"], "must be an integer, 1 or more"),
        (["pretrain", "--recipe", "deep_infomax_digit"], "Did you mean 'deep_"),
        (["pretrain", "--recipe=a/b.json"], "There is no recipe 'a/b.json'"),
        (["pretrain", "--set", "epoch=3"], "Did you mean 'epochs'"),
        (["pretrain", "--strategy=two"], "Unknown strategy"),
        (["pretrain", "--checkpoint_minutes=-1"], "`checkpoint_minutes`"),
        (["pretrain", *SHARES], "replaces --test_split"),
        (["pretrain", "--from=x.keras"], "no recipe of 'x.keras'"),
        (["pretrain", "--source=x"], "Name a recipe for x"),
        (["probe", "--encoder", "x"], "required: --source"),
        (["probe", "--probe", "svm"], "neighbors"),
        (["probe", "--encoder=x", "--source=y", "--set=k"], "name=value"),
        (["probe", "--encoder=x.y", "--source=digits"], "no run, no file"),
        (["probe", *AMDIM, "--source=digits"], "Did you mean 'amdim_cifar10'"),
        (EMBED, "one of the arguments --encoder --server is required"),
        ([*EMBED, "--encoder=x", "--server=a:1"], "not allowed with"),
        ([*EMBED, "--server=localhost:8500"], "--server needs --model"),
        ([*EMBED, "--encoder=x", "--model=tiny"], "belong to a --server"),
        ([*EMBED, "--encoder=x", "--version=1"], "belong to a --server"),
        ([*EMBED, "--encoder=x", "--timeout=9"], "belong to a --server"),
        ([*EMBED, "--server=localhost", "--model=tiny"], "http://host:port"),
        ([*EMBED, "--server=a:1", "--model=m", "--timeout=0"], "timeout"),
        ([*EMBED, "--encoder=x", "--num_shards=two"], "num_shards"),
        (["verify"], "required: PRESET"),
        (["verify", "tiny", "--tolerance=-1"], "`tolerance` must be 0 or more"),
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


def test_trace_shows_where_an_error_occurred(capsys):
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


def test_without_a_command_help_is_printed_with_code_2(capsys):
    assert main.run([]) == 2
    assert "usage: keras-dim " in capsys.readouterr().err


def test_progress_in_a_file_is_ten_lines(capsys):
    progress = messages.Progress()
    for done in range(0, 1001, 8):
        progress(done, 1000)
    progress.close()
    printed = capsys.readouterr().out

    assert "\r" not in printed
    assert len(printed.splitlines()) == 10
    assert printed.splitlines()[-1] == "1,000 of 1,000 images"


def test_progress_shows_the_rate_and_the_remaining_time(capsys):
    progress = messages.Progress()
    progress._start -= 10
    progress(250, 1000)
    assert re.fullmatch(
        r"250 of 1,000 images, 2\d images/s, 3\d s left\n",
        capsys.readouterr().out,
    )


def test_progress_on_a_terminal_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    progress = messages.Progress()
    progress(5, 10)
    progress(10, 10)
    progress.close()
    printed = capsys.readouterr().out

    lines = [f"{done} of 10 images".ljust(79) for done in (5, 10)]
    assert printed == "".join(f"\r{line}" for line in lines) + "\n"


def test_durations_have_at_most_two_units():
    seconds = 0.2, 99, 100, 5000, 5999, 6030, 90_000
    assert [messages.duration(each) for each in seconds] == [
        "0 s",
        "99 s",
        "2 min",
        "83 min",
        "1 h 40 min",
        "1 h 40 min",
        "25 h 00 min",
    ]


def test_numbers_of_a_table_are_aligned_right():
    text = messages.table(("name", "count"), [("a", 5), ("bcdef", "1,437")])

    assert text == "name   count\na          5\nbcdef  1,437"


def test_log_messages_are_plain_lines():
    program = (
        "from keras_dim.cli import quiet; quiet.load_keras();"
        "from absl import logging; logging.warning('one %s', 'word')"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("", "keras-dim: one word\n")


@pytest.mark.parametrize("arguments", [["pretrain", "--help"], ["list"]])
def test_help_and_list_do_not_load_keras(arguments):
    program = (
        f"import sys; sys.argv = {['/usr/bin/keras-dim', *arguments]};"
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


def test_messages_for_other_developers_are_hidden(capsys):
    for level, path, message in (
        (logging.WARNING, "/x/tfds/a.py", "label() is deprecated"),
        (logging.WARNING, "/x/tfds/a.py", "f appears to be decorated by wrapt"),
        (logging.WARNING, "/x/tf/a.py", "f triggered tf.function retracing"),
        (logging.WARNING, "/x/tfds/a.py", "Skipped an image"),
        (logging.INFO, "/x/tfds/a.py", "Reusing a data set"),
        (logging.INFO, "/x/keras_dim/training/a.py", "7 images"),
    ):
        record = {"levelno": level, "pathname": path, "msg": message}
        quiet._HANDLER.emit(logging.makeLogRecord(record))

    printed = capsys.readouterr()
    assert printed.err == "keras-dim: Skipped an image\n"
    assert printed.out == "7 images\n"
