"""Estimators of mutual information on 40 tasks of known truth.

    python benchmarks/mutual_information.py --seeds 0 1 2 --output results/
    python benchmarks/mutual_information.py --table --output results/

Every result is a file in `--output`; those that exist are not computed again,
so that a stopped run goes on. `--table` prints the table of what is there. The
tasks are in information_tasks.py; `digits` is beside them: pairs of images of a
digit below 5 or not, where the second image's half is that of the first, but
for one pair of ten. A wrong half is a binary channel, so that the truth is
known if the half of an image can be told from it.
"""

import argparse
import json
import math
import pathlib
import time

import common  # noqa: F401  (First: it quiets TensorFlow.)
import information_tasks
import numpy as np

from keras_dim import files
from keras_dim.mutual_information import estimation

NUM_SAMPLES = 5000
DEFAULT = "noise_contrastive"


def digit_pairs(generator, num_samples):
    """Draws pairs of bundled digits through a binary channel of error 0.1."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    halves = [np.flatnonzero((labels < 5) == half) for half in (False, True)]
    first = generator.integers(0, 2, num_samples)
    second = first ^ (generator.uniform(size=num_samples) < 0.1)
    return tuple(
        np.stack([images[generator.choice(halves[bit])] for bit in bits])
        for bits in (first, second)
    )


def tasks():
    """Returns all tasks by name."""
    nats = math.log(2) + 0.1 * math.log(0.1) + 0.9 * math.log(0.9)
    digits = information_tasks.Task("digits", nats, digit_pairs)
    return information_tasks.TASKS | {"digits": digits}


def measure(task, estimator, seed):
    """Returns the result of one estimator on one draw of a task."""
    x, z = task.sample(NUM_SAMPLES, seed)
    start = time.perf_counter()
    found = estimation.estimate(x, z, estimator=estimator, seed=seed)
    return {
        "task": task.name,
        "estimator": estimator,
        "seed": seed,
        "truth": task.nats,
        "nats": found.nats,
        "low": found.low,
        "high": found.high,
        "is_saturated": bool(found.is_saturated),
        "seconds": time.perf_counter() - start,
    }


def table(results):
    """Returns means over seeds as a Markdown table, and a summary of each."""
    names = list(dict.fromkeys(result["estimator"] for result in results))
    lines = [
        "| task | truth | " + " | ".join(names) + " |",
        "| --- " * (len(names) + 2) + "|",
    ]
    ratios = {name: [] for name in names}
    for task in tasks().values():
        cells = []
        for name in names:
            nats = [
                result["nats"]
                for result in results
                if (result["task"], result["estimator"]) == (task.name, name)
            ]
            cells.append(f"{np.mean(nats):.3f}" if nats else "-")
            if nats and task.name in information_tasks.TASKS:
                ratios[name].append(np.mean(nats) / task.nats - 1)
        lines.append(
            f"| {task.name} | {task.nats:.3f} | " + " | ".join(cells) + " |"
        )
    for name, errors in ratios.items():
        within = sum(abs(error) <= 0.1 for error in errors)
        lines.append(
            f"\n{name}: {within} of {len(errors)} tasks within 10 %, greatest "
            f"error upwards {max(errors, default=0):+.1%}, downwards "
            f"{min(errors, default=0):+.1%}"
        )
    return "\n".join(lines)


def main():
    """Measures what is missing, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--estimators", nargs="*", default=[DEFAULT])
    parser.add_argument("--tasks", nargs="*", default=list(tasks()))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        paths = sorted(options.output.glob("*.json"))
        print(table([json.loads(path.read_text()) for path in paths]))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    known = tasks()
    for seed in options.seeds:
        for estimator in options.estimators:
            for name in options.tasks:
                path = options.output / f"{estimator}_{name}_{seed}.json"
                if not path.exists():
                    result = measure(known[name], estimator, seed)
                    files.write_text(path, json.dumps(result))
                    print(result, flush=True)


if __name__ == "__main__":
    main()
