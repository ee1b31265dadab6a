"""The entry point of `keras-dim`: reads the flags and reports errors.

Keras, which takes seconds to import, is imported after the flags are read, for
the commands that need it.
"""

import argparse
import contextlib
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from keras_dim import checks
from keras_dim.cli import flags
from keras_dim.cli import messages
from keras_dim.cli import quiet
from keras_dim.version import __version__

# Each is a module of this package with `run(options)`, which may return an exit
# code, and optionally with `define(parser)` and `NEEDS_KERAS = False`.
COMMANDS = (
    "advise",
    "pretrain",
    "probe",
    "compare",
    "classify",
    "embed",
    "export",
    "report",
    "information",
    "list",
    "verify",
)

# tensorflow-datasets and `data` read this variable.
_DATA_DIR = "TFDS_DATA_DIR"
DONE = 0
FAILED = 1
USER_MISTAKE = 2
INTERRUPTED = 130


def console() -> int:
    """Runs the command that the process was started with."""
    # Imports and graphs make millions of objects that live on. At the default
    # thresholds, walking over them takes a second of every command.
    gc.set_threshold(100_000, 50)
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Runs a command, given by its name and its flags; returns the exit code.

    The code is 0 for success; 1 for a failure, or a preset that does not agree
    with its card; 2 for a mistake of the user; 130 for an interrupt; 143 for a
    training that wrote a checkpoint after SIGTERM.
    """
    try:
        return _run(arguments)
    except SystemExit as error:
        # `--help`, and SIGTERM.
        return error.code
    except BrokenPipeError:
        # The reader of the output, such as `head`, has closed the pipe. Without
        # this, flushing would fail again when the interpreter exits.
        sys.stdout = None
        return FAILED
    except (Exception, KeyboardInterrupt) as error:
        if "--trace" in arguments:
            traceback.print_exc()
        message, code = _reported(error)
        print(f"keras-dim: {messages.one_line(message)}", file=sys.stderr)
        return code


def _run(arguments):
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return USER_MISTAKE
    if arguments[0][:1] != "-":
        checks.one_of(COMMANDS, command=arguments[0])
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        flag = unknown[0].partition("=")[0]
        raise ValueError(
            f"`keras-dim {options.command}` does not take {flag!r}."
            f"{checks.did_you_mean(flag, options.flags)}"
        )
    if options.needs_keras:
        quiet.load_keras()
    with _data_dir(getattr(options, "data_dir", None)):
        return options.run(options) or DONE


@contextlib.contextmanager
def _data_dir(folder):
    """Sets the folder of data sets in the environment, also for workers."""
    if folder is None:
        yield
        return
    folder = os.path.expanduser(folder)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"--data_dir: there is no folder {folder!r}. Create it first, to "
            "prepare data sets in it."
        )
    before = os.environ.get(_DATA_DIR)
    os.environ[_DATA_DIR] = folder
    try:
        yield
    finally:
        os.environ.pop(_DATA_DIR)
        if before is not None:
            os.environ[_DATA_DIR] = before


def _parser():
    """Returns the parser of the command line."""
    parser = flags.Parser(
        prog="keras-dim",
        description="Image encoders from unlabelled images.",
        epilog="`keras-dim COMMAND --help` shows the flags of a command; "
        "`keras-dim pretrain` without flags trains on the bundled digits.",
    )
    parser.add_argument(
        "--version", action="version", version=f"keras-dim {__version__}"
    )
    subparsers = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True
    )
    for name in COMMANDS:
        command = importlib.import_module(f"keras_dim.cli.{name}")
        of_command = subparsers.add_parser(
            name,
            help=command.__doc__.splitlines()[0],
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        getattr(command, "define", lambda parser: None)(of_command)
        of_command.add("trace", action="store_true")
        of_command.set_defaults(
            run=command.run,
            needs_keras=getattr(command, "NEEDS_KERAS", True),
            flags=of_command.flags(),
        )
    return parser


def _reported(error):
    """Returns the message about an error, and the exit code."""
    name = type(error).__name__
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, ValueError | OSError | ImportError):
        return str(error) or name, USER_MISTAKE
    if isinstance(error, FloatingPointError):
        # NonFiniteError: its message says where NaN appeared.
        return str(error), FAILED
    details = f"{name}: {error} (--trace shows where)"
    return f"failed, which is not your mistake: {details}", FAILED
