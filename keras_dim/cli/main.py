"""Where `keras-dim` begins: finds the command, and answers for its mistakes.

Nothing here imports Keras, which takes seconds, before the flags are read.
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
    """What was typed is no command of ours."""


def console() -> int:
    """Runs the command that the process was started with."""
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Runs a command.

    Args:
        arguments: sequence of str. The command's name and its flags.

    Returns:
        int. 0 if all went well; 1 if it failed, or a preset does not agree
        with its card; 2 for a mistake of the user; 130 if it was
        interrupted; 143 if SIGTERM stopped a training, behind a
        checkpoint.
    """
    arguments = list(arguments)
    # Before flags are parsed, which may be what fails.
    trace = "--trace" in arguments
    try:
        return _run(arguments)
    except BrokenPipeError:
        # Whoever read our output, as `head` does, has read enough. What is
        # still buffered must not fail again at the interpreter's end.
        sys.stdout = None
        return FAILED
    except (ValueError, OSError, ImportError, flags.Error) as error:
        _tell(str(error) or type(error).__name__, trace)
        return USER_MISTAKE
    except FloatingPointError as error:
        # Training met NaN, and says where.
        _tell(str(error), trace)
        return FAILED
    except KeyboardInterrupt:
        _tell("interrupted", trace)
        return INTERRUPTED
    except Exception as error:
        _tell(
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
    command = importlib.import_module(f"keras_dim.cli.{name}")
    values = _flags_of(command)
    positional = values([f"keras-dim {name}", *rest])[1:]
    if values["help"].value:
        print(_help(name, command, values))
        return DONE
    if len(positional) != len(command.ARGUMENTS):
        wanted = " ".join(command.ARGUMENTS) or "no arguments beside flags"
        raise UsageError(
            f"`keras-dim {name}` takes {wanted}. Received: "
            f"{' '.join(positional) or 'none'}"
        )
    options = types.SimpleNamespace(**values.flag_values_dict())
    for required in command.REQUIRED:
        if getattr(options, required) is None:
            raise UsageError(
                f"`keras-dim {name}` needs --{required}; `keras-dim {name} "
                "--help` tells about it."
            )
    command.check(options)
    quiet.load_keras()
    return command.run(options, *positional) or DONE


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
        command = importlib.import_module(f"keras_dim.cli.{name}")
        summary = command.__doc__.splitlines()[0]
        lines.append(f"  {name:<{width}}  {summary}")
    lines += [
        "",
        "`keras-dim COMMAND --help` shows the flags of a command. Without "
        "flags,",
        "`keras-dim pretrain` trains on the bundled digits, in minutes.",
    ]
    return "\n".join(lines)


def _help(name, command, values):
    usage = " ".join(["usage: keras-dim", name, *command.ARGUMENTS, "[flags]"])
    lines = [usage, "", command.__doc__.strip(), "", "flags:"]
    for flag_name in values:
        flag = values[flag_name]
        if flag_name != flag.name:
            continue
        lines += messages.flag_lines(flag, flag_name in command.REQUIRED)
    return "\n".join(lines)


def _tell(message, trace):
    if trace:
        traceback.print_exc()
    print(f"keras-dim: {messages.one_line(message)}", file=sys.stderr)
