"""Checks the methods on a GPU, pre-trains and times them, in ten minutes.

    KERAS_BACKEND=jax python benchmarks/gpu.py --data DATA --output OUTPUT

There are three stages. Each is a process that is ended at its time limit. By
default the first two run together and the third after them, even if they fail.

    check   loss, gradients and state after a step of every tiny instance of
            `tests/tiny.py`, on the GPU and on the CPU, in float32
    train   pre-training on CIFAR-10 for `--minutes`, start-up included, with a
            score by nearest neighbours every `--score_minutes`
    speed   images a second of the training step of each method's recipe, and
            the share of the peak of a bfloat16 matrix product

OUTPUT/results.jsonl has a line for each result, and OUTPUT/log.txt has the same
as text. The exit code is 0 if every stage succeeded. OUTPUT has the encoder in
pieces below 16 MB, which are replaced at each score;

    python benchmarks/gpu.py --join OUTPUT

joins them to OUTPUT/encoder.keras, in float32.

On a machine without a network:

1.  On a machine with a network, write CIFAR-10 as four files below 30 MB:

        python benchmarks/gpu.py --write_data DATA

    and download the packages that the other machine lacks, for its Python:

        pip download --no-deps --only-binary=:all: --python-version 3.12 \
            --platform manylinux_2_28_x86_64 -d WHEELS keras namex optree

    Beside these and a JAX with CUDA, numpy, scikit-learn, pillow, h5py, rich,
    ml-dtypes, absl-py, packaging, urllib3 and grpcio are used. TensorFlow is
    not.
2.  Copy `benchmarks`, `keras_dim`, `tests`, DATA and WHEELS there.
3.  On the other machine, run

        pip install --no-index --no-deps --target SITE WHEELS/*.whl
        PYTHONPATH=SITE:. KERAS_BACKEND=jax python benchmarks/gpu.py \
            --data DATA --output OUTPUT

4.  Copy OUTPUT back, and join the encoder.

Compiled programs are kept in `--cache`, so that a second run starts faster.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import gpu_report

ROOT = pathlib.Path(__file__).resolve().parent.parent
STAGES = ("check", "train", "speed")
# A stage should end at its limit. It is killed so many seconds later.
GRACE = 10.0


def main(arguments=None):
    options = parse(arguments)
    for folder in (ROOT, ROOT / "tests"):
        sys.path.insert(0, str(folder))
    if options.write_data:
        import gpu_data

        gpu_data.write(options.source, options.write_data)
    elif options.join:
        import gpu_encoder

        print(gpu_encoder.join(options.join))
    elif options.stage:
        run_stage(options)
    else:
        given = sys.argv[1:] if arguments is None else arguments
        return run_all(options, given)
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--output", help="folder for the results")
    add("--data", help="folder that --write_data made, or an .npz file")
    add(
        "--stages",
        default="check+train,speed",
        help="in their order; those joined by + run together",
    )
    add("--minutes", type=float, default=8.0, help="limit of train")
    add("--check_minutes", type=float, default=8.0, help="limit of check")
    add("--speed_minutes", type=float, default=1.5, help="limit of speed")
    add("--cache", default=os.path.join(tempfile.gettempdir(), "jax_cache"))
    add("--seed", type=int, default=0)
    add("--on_cpu", action="store_true", help="allow a machine without a GPU")

    check = parser.add_argument_group("check")
    check.add_argument("--limit", type=float, default=1e-3)
    check.add_argument("--instances", help="some names of tests/tiny.py")

    speed = parser.add_argument_group("speed")
    speed.add_argument("--speed_methods", help="some names; all by default")
    speed.add_argument("--speed_batch_size", type=int, help="not the recipe's")
    speed.add_argument("--matrix_size", type=int, default=8192)
    speed.add_argument("--seconds", type=float, default=0.5, help="for each")

    train = parser.add_argument_group("train")
    train.add_argument("--method", default="amdim")
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a change of the method's recipe, as of `keras-dim pretrain`",
    )
    train.add_argument("--max_steps", type=int, help="end after so many")
    train.add_argument("--steps_per_call", type=int, default=50)
    train.add_argument("--warmup_steps", type=int, default=200)
    train.add_argument("--score_minutes", type=float, default=1.0)
    train.add_argument("--held_out", type=int, default=5000)
    train.add_argument("--score_batch", type=int, default=1000)
    train.add_argument("--piece_bytes", type=int, default=16_000_000)

    others = parser.add_argument_group("instead of the stages")
    others.add_argument("--write_data", metavar="DATA")
    others.add_argument("--source", default="cifar10")
    others.add_argument("--join", metavar="OUTPUT")
    # For a stage in its own process: its name and its end.
    add("--stage", choices=STAGES, help=argparse.SUPPRESS)
    add("--deadline", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    groups = [group.split("+") for group in options.stages.split(",")]
    unknown = [name for group in groups for name in group if name not in STAGES]
    if unknown:
        parser.error(f"There is no stage {unknown[0]!r}; there are {STAGES}")
    if not (options.write_data or options.join):
        if not options.output:
            parser.error("--output is missing")
        needs_data = any("train" in group for group in groups)
        if needs_data and not (options.data and os.path.exists(options.data)):
            parser.error(f"There is no data to train on: --data={options.data}")
    options.groups = groups
    return options


def run_all(options, arguments):
    """Runs the stages; returns the exit code."""
    minutes = {
        "check": options.check_minutes,
        "train": options.minutes,
        "speed": options.speed_minutes,
    }
    report = gpu_report.Report(options.output)
    command = [sys.executable, os.path.abspath(__file__), *arguments]
    return run_groups(
        options.groups,
        lambda name, deadline: [
            *command,
            f"--stage={name}",
            f"--deadline={deadline}",
        ],
        {name: 60 * limit for name, limit in minutes.items()},
        report,
    )


def run_groups(groups, command, seconds, report, grace=GRACE):
    """Runs groups of stages one after the other, each within its limit.

    Args:
        groups: list of lists of str. The stages of a group run together.
        command: function of a stage and its deadline, in seconds since the
            epoch, that returns the command line.
        seconds: dict. The limit of each stage.
        report: `Report`.
        grace: float. Seconds after its limit at which a stage is killed.

    Returns:
        int. 0 if every stage's exit code is 0, else 1.
    """
    # The stages of a group share the memory of the GPU.
    env = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | os.environ
    has_failed = False
    for group in groups:
        running = {}
        for name in group:
            deadline = time.time() + seconds[name]
            process = subprocess.Popen(
                command(name, deadline), stdin=subprocess.DEVNULL, env=env
            )
            running[name] = process, time.time(), deadline
        for name, (process, begin, deadline) in running.items():
            try:
                code = process.wait(max(0.0, deadline + grace - time.time()))
                outcome = "done" if code == 0 else f"failed, exit code {code}"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                outcome = "killed at its limit"
            has_failed |= outcome != "done"
            report(
                "stage",
                name=name,
                outcome=outcome,
                seconds=round(time.time() - begin, 1),
            )
    return int(has_failed)


def run_stage(options):
    """Runs one stage in this process, and ends the process."""
    report = gpu_report.Report(options.output)
    code = 1
    try:
        import gpu_device

        gpu_device.prepare(options.cache)
        report(
            "device", stage=options.stage, **gpu_device.describe(options.on_cpu)
        )
        if options.stage == "check":
            import gpu_check as stage
        elif options.stage == "speed":
            import gpu_speed as stage
        else:
            import gpu_train as stage
        code = 0 if stage.run(options, report) else 1
    except BaseException as error:
        report.failure(options.stage, error)
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread may still compile, and cannot be interrupted.
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
