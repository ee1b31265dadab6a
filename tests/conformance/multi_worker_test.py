"""Several processes on one machine train like one."""

import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny

# Replicas of each worker, and methods; the slow test has all methods. For two
# workers with Deep InfoMax see `workers_pretrain_test.py`.
LAYOUTS = {
    "two_workers": (1, ("moco",)),
    # In another order of rows, images get other random numbers.
    "two_workers_of_two": (2, ("deep_infomax_sampled_and_chunked",)),
}
CASES = [
    pytest.param(layout, name, marks=[pytest.mark.slow] if replicas > 1 else [])
    for layout, (replicas, names) in LAYOUTS.items()
    for name in names
]
NUM_STEPS = 4
SECONDS = 900
STEPS_AN_EPOCH = tiny.NUM_IMAGES // tiny.BATCH_SIZE
TESTS = pathlib.Path(__file__).parents[1]


def free_ports(num_ports):
    sockets = [socket.socket() for _ in range(num_ports)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start_worker(index, ports, folder, *arguments):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    path = os.pathsep.join(
        [str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    )
    environment = os.environ | {
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
        "PYTHONPATH": path,
    }
    with open(folder / f"worker_{index}.log", "w") as log:
        return subprocess.Popen(
            [
                sys.executable,
                TESTS / "conformance" / "worker.py",
                folder / f"worker_{index}.npz",
                *map(str, arguments),
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def train_on_two_workers(folder, replicas, num_steps, seconds, names):
    """Returns the results of each of two workers."""
    ports = free_ports(2)
    epochs = num_steps // STEPS_AN_EPOCH
    processes = [
        start_worker(index, ports, folder, replicas, epochs, *names)
        for index in range(2)
    ]
    deadline = time.monotonic() + seconds
    try:
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in processes:
            process.kill()
            process.wait()
    results = []
    for index in range(2):
        path = folder / f"worker_{index}.npz"
        log = (folder / f"worker_{index}.log").read_text()
        assert path.exists(), f"Worker {index} failed:\n{log[-3000:]}"
        with np.load(path) as arrays:
            results.append(dict(arrays))
            assert results[-1]["replicas"] == 2 * replicas
    return results


def train(name, num_steps, strategy=None):
    """Returns the results of this process."""
    model = tiny.make(name, strategy)
    epochs = num_steps // STEPS_AN_EPOCH
    history = model.fit(tiny.batches(), epochs=epochs, verbose=0).history
    logs = model.evaluate(tiny.batches(), verbose=0, return_dict=True)
    return (
        {f"{name}/history/{term}": values for term, values in history.items()}
        | {f"{name}/evaluation/{term}": [it] for term, it in logs.items()}
        | {
            f"{name}/weights/{index}": weight
            for index, weight in enumerate(model.get_weights())
        }
    )


def largest_differences(results, expected):
    """Returns those of losses and terms, relative, and of weights."""
    terms = weights = 0.0
    for key, values in expected.items():
        difference = np.abs(np.subtract(results[key], values))
        if "/weights/" in key:
            weights = max(weights, difference.max(initial=0.0))
        else:
            # Terms near zero are sums of larger numbers.
            scale = np.maximum(np.abs(values), 0.05)
            terms = max(terms, (difference / scale).max())
    return terms, weights


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """The results of two workers by layout; each layout starts them once."""

    @functools.cache
    def of(layout):
        replicas, names = LAYOUTS[layout]
        folder = tmp_path_factory.mktemp(layout)
        return train_on_two_workers(folder, replicas, NUM_STEPS, SECONDS, names)

    return of


@pytest.mark.parametrize(("layout", "name"), CASES)
def test_two_workers_equal_one_process(layout, name, workers):
    expected = train(name, NUM_STEPS)
    for results in workers(layout):
        terms, weights = largest_differences(results, expected)
        assert terms < 1e-4
        assert weights < 1e-4


def test_keras_itself_still_fails_on_several_workers(workers):
    # If this test fails, Keras has fixed its issues 20585 and 20329: remove
    # `_with_axis` and `_maybe_symbolic_build` from methods/replicated.py.
    for results in workers("two_workers"):
        assert str(results["stock_failure"]) != ""


@pytest.mark.slow
def test_every_method_has_equal_results_in_every_layout(
    two_replicas, tmp_path, capsys
):
    """Ten steps on one device, two replicas, two workers, two of two each."""
    names = tuple(tiny.METHODS)
    layouts = {}
    for layout, (replicas, _) in LAYOUTS.items():
        (tmp_path / layout).mkdir()
        layouts[layout] = train_on_two_workers(
            tmp_path / layout, replicas, 10, 2 * SECONDS, names
        )[0]
    found = {}
    for name in names:
        expected = train(name, 10)
        layouts["two_replicas"] = train(name, 10, two_replicas)
        for layout, results in layouts.items():
            found[name, layout] = largest_differences(results, expected)
    with capsys.disabled():
        print(f"\n{'terms, weights':34}", *(f"{it:>20}" for it in layouts))
        for name in names:
            cells = (
                "{:.1e}, {:.1e}".format(*found[name, layout])
                for layout in layouts
            )
            print(f"{name:34}", *(f"{cell:>20}" for cell in cells))
    for key, (terms, weights) in found.items():
        # Ten steps carry rounding on: SimCLR's scores, weights divided by a low
        # temperature, differ by 1.2e-4 with AVX-512.
        assert terms < 3e-4, key
        assert weights < 1e-4, key
