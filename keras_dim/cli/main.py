"""The entry point of `keras-dim`: finds the command and reports errors.

Keras, which takes seconds to import, is imported after the flags are read.
"""

import importlib
import sys
import traceback
import types
from collections.abc import Sequence

from absl import flags

from keras_dim import checks
from keras_dim.cli import messages
from keras_dim.cli import quiet
from keras_dim.version import __version__

COMMANDS = ("pretrain", "probe", "embed", "export", "list", "verify")

# Exit codes.
DONE = 0
FAILED = 1
USER_MISTAKE = 2
INTERRUPTED = 130


class UsageError(ValueError):
    """The command line is not valid."""


def console() -> int:
    """Runs the command that the process was started with."""
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Runs a command.

    Args:
        arguments: sequence of str. The command's name and its flags.

    Returns:
        int. 0 for success; 1 for a failure, or a preset that does not agree
        with its card; 2 for a mistake of the user; 130 for an interrupt; 143
        for a training that wrote a checkpoint after SIGTERM.
    """
    arguments = list(arguments)
    # Parsing the flags may fail, so this one is looked up before.
    trace = "--trace" in arguments
    try:
        return _run(arguments)
    except BrokenPipeError:
        # The reader of our output, such as `head`, has closed the pipe. The
        # rest of the buffer must not fail again when the interpreter exits.
        sys.stdout = None
        return FAILED
    except (ValueError, OSError, ImportError, flags.Error) as error:
        _report(str(error) or type(error).__name__, trace)
        return USER_MISTAKE
    except FloatingPointError as error:
        # NonFiniteError: its message says where NaN appeared.
        _report(str(error), trace)
        return FAILED
    except KeyboardInterrupt:
        _report("interrupted", trace)
        return INTERRUPTED
    except Exception as error:
        _report(
            f"failed, which is not your mistake: {type(error).__name__}: "
            f"{error} (--trace shows where)",
            trace,
        )
        return FAILED


def _run(arguments):
    if not arguments:
        print(_overview(), file=sys.stderr)
        return USER_MISTAKE
    name, *rest = arguments
    if name in ("--help", "-h", "help"):
        print(_overview())
        return DONE
    if name == "--version":
        print(f"keras-dim {__version__}")
        return DONE
    if name not in COMMANDS:
        raise UsageError(
            f"There is no command {name!r}."
            f"{checks.did_you_mean(name, COMMANDS)} The commands are "
            f"{', '.join(COMMANDS)}; `keras-dim --help` describes them."
        )
    command = Command(name)
    values = _flags_of(command)
    positional = values([f"keras-dim {name}", *rest])[1:]
    if values["help"].value:
        print(_help(command, values))
        return DONE
    if len(positional) != len(command.arguments):
        wanted = " ".join(command.arguments) or "no arguments beside flags"
        raise UsageError(
            f"`keras-dim {name}` takes {wanted}. Received: "
            f"{' '.join(positional) or 'none'}"
        )
    options = types.SimpleNamespace(**values.flag_values_dict())
    for required in command.required:
        if getattr(options, required) is None:
            raise UsageError(
                f"`keras-dim {name}` needs --{required}; `keras-dim {name} "
                "--help` describes it."
            )
    command.check(options)
    quiet.load_keras()
    return command.run(options, *positional) or DONE


class Command:
    """A command, which is a module of this package.

    It has a docstring, a function `run(options, *arguments)` and, if it needs
    them, `define(values)`, which defines flags; `check(options)`, which raises
    errors that can be found before Keras is loaded; `ARGUMENTS`, the names of
    arguments without flags; and `REQUIRED`, the names of required flags.
    """

    def __init__(self, name):
        module = importlib.import_module(f"keras_dim.cli.{name}")
        self.name = name
        self.description = module.__doc__.strip()
        self.run = module.run
        self.define = getattr(module, "define", lambda values: None)
        self.check = getattr(module, "check", lambda options: None)
        self.arguments = getattr(module, "ARGUMENTS", ())
        self.required = getattr(module, "REQUIRED", ())


def _flags_of(command):
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    command.define(values)
    flags.DEFINE_boolean(
        "help", False, "Show this.", short_name="h", flag_values=values
    )
    flags.DEFINE_boolean(
        "trace",
        False,
        "Show where in the code an error came up.",
        flag_values=values,
    )
    return values


def _overview():
    width = max(map(len, COMMANDS))
    lines = [
        "Image encoders without labels, by Deep InfoMax and AMDIM.",
        "",
        "usage: keras-dim COMMAND [flags]",
        "",
    ]
    for name in COMMANDS:
        summary = Command(name).description.splitlines()[0]
        lines.append(f"  {name:<{width}}  {summary}")
    lines += [
        "",
        "`keras-dim COMMAND --help` shows the flags of a command. Without "
        "flags,",
        "`keras-dim pretrain` trains on the bundled digits, in minutes.",
    ]
    return "\n".join(lines)


def _help(command, values):
    usage = ["usage: keras-dim", command.name, *command.arguments, "[flags]"]
    lines = [" ".join(usage), "", command.description, "", "flags:"]
    for flag_name in values:
        flag = values[flag_name]
        if flag_name != flag.name:
            continue
        lines += messages.flag_lines(flag, flag_name in command.required)
    return "\n".join(lines)


def _report(message, trace):
    if trace:
        traceback.print_exc()
    print(f"keras-dim: {messages.one_line(message)}", file=sys.stderr)
