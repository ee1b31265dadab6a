"""On JAX, several devices train like one, with the whole batch's negatives.

The distribution is Keras's `DataParallel`: each of eight devices holds one
image of a batch of eight, so that none of them alone has a negative.
"""

import json
import os
import pathlib
import subprocess
import sys

import jax_devices_worker
import numpy as np
import pytest

TESTS = pathlib.Path(__file__).parent


def run_worker(folder, names):
    """Runs `jax_devices_worker.py`; returns its folder and results."""
    pytest.importorskip("jax", reason="comes with the extra `test`")
    # XLA need not optimise programs that run once.
    flags = (
        "--xla_force_host_platform_device_count=8 "
        "--xla_backend_optimization_level=0"
    )
    done = subprocess.run(
        [sys.executable, TESTS / "jax_devices_worker.py", folder, *names],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": flags,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder, json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    return run_worker(folder, jax_devices_worker.METHODS)


@pytest.fixture(scope="module")
def more(tmp_path_factory):
    folder = tmp_path_factory.mktemp("more_devices")
    return run_worker(folder, jax_devices_worker.MORE_METHODS)


def assert_equal(name, folder, results):
    one, eight = (results[name][where] for where in jax_devices_worker.PLACES)
    assert (one["devices"], eight["devices"]) == (1, 8)
    for stage in ("history", "after"):
        assert set(one[stage]) == set(eight[stage])
        for term, expected in one[stage].items():
            np.testing.assert_allclose(
                eight[stage][term],
                expected,
                rtol=1e-4,
                atol=1e-5,
                err_msg=term,
            )
    one, eight = (
        np.load(folder / f"{name}_{where}.npz")
        for where in jax_devices_worker.PLACES
    )
    assert set(one) == set(eight)
    for path in one:
        np.testing.assert_allclose(
            eight[path], one[path], rtol=1e-3, atol=1e-5, err_msg=path
        )


@pytest.mark.parametrize("name", jax_devices_worker.METHODS)
def test_eight_devices_train_like_one(name, trained):
    assert_equal(name, *trained)


def test_each_of_eight_devices_does_a_share_of_the_work(trained):
    _, results = trained
    one, eight = (
        results[jax_devices_worker.OF_OPERATIONS][where]["operations"]
        for where in jax_devices_worker.PLACES
    )
    # Views, optimizer and the scores of all pairs are not divided by eight.
    assert eight < 0.5 * one


@pytest.mark.slow
@pytest.mark.parametrize("name", jax_devices_worker.MORE_METHODS)
def test_eight_devices_train_further_methods_like_one(name, more):
    assert_equal(name, *more)
