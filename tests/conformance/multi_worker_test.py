"""Two processes that talk over the loopback train as one does."""

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

NAMES = (
    "amdim",
    "amdim_mixtures_chunked",
    "deep_infomax_global_and_local",
    "deep_infomax_sampled_and_chunked",
)
TIMEOUT_SECONDS = 400
TESTS = pathlib.Path(__file__).parents[1]


def free_ports(num_ports):
    sockets = [socket.socket() for _ in range(num_ports)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def start_worker(index, ports, folder):
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
                *NAMES,
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """What each of two workers wrote."""
    folder = tmp_path_factory.mktemp("workers")
    ports = free_ports(2)
    processes = [start_worker(index, ports, folder) for index in range(2)]
    deadline = time.monotonic() + TIMEOUT_SECONDS
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
    return results


@pytest.mark.parametrize("name", NAMES)
def test_two_workers_equal_one_process(name, workers):
    model = tiny.make(name)
    history = model.fit(tiny.batches(), epochs=2, verbose=0).history
    logs = model.evaluate(tiny.batches(), verbose=0, return_dict=True)
    for results in workers:
        for term, values in history.items():
            np.testing.assert_allclose(
                results[f"{name}/history/{term}"],
                values,
                rtol=2e-4,
                atol=1e-5,
                err_msg=term,
            )
        for term, value in logs.items():
            np.testing.assert_allclose(
                results[f"{name}/evaluation/{term}"],
                [value],
                rtol=2e-4,
                atol=1e-5,
                err_msg=term,
            )
        for index, weight in enumerate(model.weights):
            np.testing.assert_allclose(
                results[f"{name}/weights/{index}"],
                weight,
                atol=1e-4,
                err_msg=weight.path,
            )


def test_stock_keras_still_fails_on_several_workers(workers):
    # If this test fails, Keras has mended its issue 20585: take `train_step`,
    # `test_step` and `_maybe_symbolic_build` out of methods/base.py.
    for results in workers:
        assert str(results["stock_failure"]) != ""
