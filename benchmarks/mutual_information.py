"""Estimators of mutual information on 40 tasks with known information.

    python benchmarks/mutual_information.py --seeds 0 1 2 --output results/
    python benchmarks/mutual_information.py --table --output results/

Every result is a file in `--output`; existing ones are not computed again, so
that a stopped run can be continued. `--table` prints a table of the results.
The tasks are in information_tasks.py. Two more are of images: pairs of bundled
digits, of which both are below 5 or both are not, and pairs of features of
CIFAR-10's test images by the preset `amdim_cifar10`, of which both are vehicles
or both are animals, except in one pair of ten. This is a binary channel, whose
information is known if the kind can be recognised in an image. `cifar10` needs
the data set of tensorflow-datasets.
"""

import argparse
import functools
import json
import math
import pathlib
import time

import common  # First: it silences TensorFlow.
import information_tasks
import numpy as np

import keras_dim
from keras_dim import files
from keras_dim.evaluation import features
from keras_dim.mutual_information import estimation

NUM_SAMPLES = 5000
# Airplane, automobile, ship and truck.
VEHICLES = (0, 1, 8, 9)
DEFAULT = "noise_contrastive"


def digits():
    """Returns the bundled digits, flat, and whether each is below 5."""
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    return images, labels < 5


@functools.cache
def encoded_cifar10():
    """Returns features of the test images, and whether each is a vehicle."""
    images = keras_dim.data.load("cifar10", "test")
    encoder = keras_dim.pretrained("amdim_cifar10")
    found = features.extract(encoder, images, "global")
    return found["global"], np.isin(found["label"], VEHICLES)


def pairs_of(kinds_of, generator, num_samples):
    """Draws pairs of images whose kinds pass a channel of error 0.1."""
    images, is_first = kinds_of()
    kinds = [np.flatnonzero(is_first == kind) for kind in (False, True)]
    first = generator.integers(0, 2, 2 * num_samples)
    second = first ^ (generator.uniform(size=len(first)) < 0.1)
    rows = [
        [generator.choice(kinds[bit]) for bit in bits]
        for bits in (first, second)
    ]
    # A pair that repeats another one is refused by `estimate`.
    rows = generator.permutation(np.unique(rows, axis=1), axis=1)
    return tuple(images[rows[:, :num_samples]])


def tasks():
    """Returns all tasks by name."""
    nats = math.log(2) + 0.1 * math.log(0.1) + 0.9 * math.log(0.9)
    images = {
        name: information_tasks.Task(
            name, nats, functools.partial(pairs_of, kinds_of)
        )
        for name, kinds_of in (
            ("digits", digits),
            ("cifar10", encoded_cifar10),
        )
    }
    return information_tasks.TASKS | images


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
    """Measures missing results, or prints the table."""
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
    print(common.machine())
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
