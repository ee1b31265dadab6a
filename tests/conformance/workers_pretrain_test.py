"""A run of several processes equals that of one, and survives their loss."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from tiny_recipe import tiny_recipe

from keras_dim import training
from keras_dim.training import pretraining

TESTS = pathlib.Path(__file__).parents[1]
# The command, with the tiny recipe added.
COMMAND = """
import sys
import tiny_recipe
from keras_dim.cli import main
sys.exit(main.run(sys.argv[1:]))
"""
SECONDS = 400
# Seconds until the loss of a worker must be detected.
SECONDS_TO_NOTICE = 60


def start(folder, directory, recipe, *flags, probe=False):
    """Starts two workers of one run; returns their processes."""
    folder.mkdir(exist_ok=True)
    path = folder / "recipe.json"
    recipe.save(path)
    with socket.socket() as one, socket.socket() as other:
        for port in (one, other):
            port.bind(("127.0.0.1", 0))
        ports = [port.getsockname()[1] for port in (one, other)]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    processes = []
    for index in range(2):
        task = {"type": "worker", "index": index}
        with open(folder / f"worker_{index}.log", "w") as log:
            processes.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-c",
                        COMMAND,
                        "pretrain",
                        f"--recipe={path}",
                        f"--directory={directory}",
                        "--strategy=multi_worker",
                        "--score" if probe else "--noscore",
                        *flags,
                    ],
                    env=os.environ
                    | {
                        "PYTHONPATH": os.pathsep.join(
                            [str(TESTS.parent), str(TESTS)]
                        ),
                        "TF_CONFIG": json.dumps(
                            {"cluster": cluster, "task": task}
                        ),
                        "CUDA_VISIBLE_DEVICES": "",
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return processes


def finish(processes, folder, seconds=SECONDS):
    """Waits for both; returns their exit codes and output."""
    deadline = time.monotonic() + seconds
    try:
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    logs = [(folder / f"worker_{index}.log").read_text() for index in range(2)]
    return [process.returncode for process in processes], logs


def assert_equal_runs(directory, expected):
    found = keras.models.load_model(directory / "encoder.keras")
    wanted = keras.models.load_model(expected / "encoder.keras")
    for one, other in zip(found.weights, wanted.weights, strict=True):
        # As of replicas: sums in another order.
        np.testing.assert_allclose(one, other, atol=1e-4, err_msg=one.path)
    rows, wanted = (
        np.genfromtxt(folder / "log.csv", delimiter=",", names=True)
        for folder in (directory, expected)
    )
    assert rows.dtype.names == wanted.dtype.names
    assert len(rows) == len(wanted)
    np.testing.assert_allclose(rows["loss"], wanted["loss"], rtol=2e-4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory, draw_curves):
    """A run of one process, with all its files."""
    directory = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "_draw", draw_curves)
        training.pretrain(
            tiny_recipe(epochs=2), directory, verbose=0, strategy="one"
        )
    return directory


def test_two_workers_give_the_run_of_one(alone, tmp_path):
    directory = tmp_path / "run"
    processes = start(tmp_path / "logs", directory, tiny_recipe(epochs=2))
    codes, logs = finish(processes, tmp_path / "logs")
    assert codes == [0, 0], "\n".join(log[-2000:] for log in logs)
    assert_equal_runs(directory, alone)
    # Only the chief prints.
    assert "The encoder:" in logs[0]
    assert "The encoder:" not in logs[1]
    assert {path.name for path in directory.iterdir()} == {
        path.name for path in alone.iterdir()
    }


def wait_for(path):
    deadline = time.monotonic() + SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


@pytest.fixture(scope="module")
def alone_for_long(tmp_path_factory):
    """A longer run of one process."""
    directory = tmp_path_factory.mktemp("alone_for_long") / "run"
    training.pretrain(
        tiny_recipe(epochs=6), directory, verbose=0, strategy="one"
    )
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1], ids=["chief", "other"])
def test_a_killed_worker_ends_the_run_which_can_be_resumed(
    killed, alone_for_long, tmp_path
):
    recipe = tiny_recipe(epochs=6)
    directory, folder = tmp_path / "run", tmp_path / "logs"
    processes = start(folder, directory, recipe)
    wait_for(directory / "checkpoints" / "epoch_00001.keras")
    processes[killed].send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    codes, logs = finish(processes, folder, SECONDS_TO_NOTICE)
    seconds = time.monotonic() - killed_at
    left = 1 - killed
    assert codes[killed] == -signal.SIGKILL
    assert codes[left] == 1, logs[left][-2000:]
    assert "A worker has died" in logs[left]
    assert "--resume" in logs[left]
    assert seconds < SECONDS_TO_NOTICE
    print(f"noticed after {seconds:.1f} s")
    assert not (directory / "encoder.keras").exists()

    again = start(folder, directory, recipe, "--resume")
    codes, logs = finish(again, folder)
    assert codes == [0, 0], "\n".join(log[-2000:] for log in logs)
    assert_equal_runs(directory, alone_for_long)


@pytest.mark.slow
def test_sigterm_to_one_worker_stops_all_with_a_checkpoint(
    alone_for_long, tmp_path
):
    recipe = tiny_recipe(epochs=6)
    directory, folder = tmp_path / "run", tmp_path / "logs"
    processes = start(folder, directory, recipe)
    wait_for(directory / "checkpoints" / "epoch_00001.keras")
    processes[1].send_signal(signal.SIGTERM)
    codes, logs = finish(processes, folder)
    assert codes == [143, 143], "\n".join(log[-2000:] for log in logs)
    assert all("stopped by SIGTERM" in log for log in logs)
    assert not (directory / "encoder.keras").exists()

    again = start(folder, directory, recipe, "--resume")
    codes, logs = finish(again, folder)
    assert codes == [0, 0], "\n".join(log[-2000:] for log in logs)
    assert_equal_runs(directory, alone_for_long)


@pytest.mark.slow
def test_the_chief_scores_after_the_others_have_ended(tmp_path):
    directory, folder = tmp_path / "run", tmp_path / "logs"
    processes = start(folder, directory, tiny_recipe(epochs=1), probe=True)
    codes, logs = finish(processes, folder)
    assert codes == [0, 0], "\n".join(log[-2000:] for log in logs)
    assert "Accuracy on 360 test images" in logs[0]
    assert "Accuracy" not in logs[1]
    scores = json.loads((directory / "metrics.json").read_text())["scores"]
    assert scores


@pytest.mark.slow
def test_a_worker_whose_chief_has_ended_reports_it(tmp_path):
    # A mistake that only the chief detects.
    recipe = tiny_recipe(test_split="nowhere")
    processes = start(tmp_path / "logs", tmp_path / "run", recipe, probe=True)
    codes, logs = finish(processes, tmp_path / "logs")
    assert codes[0] == 2
    assert "nowhere" in logs[0]
    assert codes[1] == 1, logs[1][-2000:]
    assert "A worker has died" in logs[1]
    assert "Traceback" not in logs[1]
