"""Repeatedly kills a training run at random moments and resumes it.

`python tests/kills.py 50` does so fifty times and prints each kill; the tests
in `tests/survival` do it fewer times, and the slow ones fifty times. Each time
a new process runs the training and is ended by SIGKILL, so that it cannot clean
up.
"""

import csv
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

TESTS = pathlib.Path(__file__).parent
# A process prints the first line after its imports, when a run begins, and the
# second after the first step, which takes longer than all others.
BEGINS = "the run begins"
STEPS = "the first step is done"
# A save has such a temporary file.
TEMPORARY = ".epoch_*.keras"
# Seconds to wait at most: a run takes a minute, on a busy machine ten.
PATIENCE = 3600


@dataclasses.dataclass(frozen=True)
class Kill:
    """A kill of a run.

    Args:
        seconds: float. From the beginning of the run in its process.
        is_inside_a_save: bool. Whether a checkpoint was half written.
        reached: str. The name of the last complete checkpoint, or `"nothing"`.
    """

    seconds: float
    is_inside_a_save: bool
    reached: str

    def __str__(self):
        inside = ", inside a save" if self.is_inside_a_save else ""
        return f"after {self.seconds:5.2f} s at {self.reached}{inside}"


def main():
    """Trains in a process that may be killed."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras
    import tensorflow as tf

    # Sums in a fixed order make equal runs equal in all bits.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    _, directory, epochs = sys.argv
    says = iter([STEPS])
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: [
            print(line, flush=True) for line in says
        ]
    )
    print(BEGINS, flush=True)
    train(directory, int(epochs), callbacks=[tell])


def train(directory, epochs, callbacks=()):
    """Trains or resumes the run in a folder, in this process."""
    from tiny_recipe import tiny_recipe

    from keras_dim import training

    training.pretrain(
        tiny_recipe(epochs=epochs),
        directory,
        resume=True,
        callbacks=callbacks,
        verbose=0,
        # After about every second step.
        checkpoint_minutes=0.0005,
    )


class Process:
    """A run in a process of its own, which resumes from its folder.

    Args:
        directory: path. The run's folder.
        epochs: int.
    """

    def __init__(self, directory, epochs):
        self.directory = directory
        self._left_before = set(self._temporaries())
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import kills; kills.main()",
                str(directory),
                str(epochs),
            ],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._wait_until(BEGINS)
        self._begin = time.monotonic()

    def finish(self):
        """Waits for the end of the run."""
        _, errors = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, errors[-3000:]

    def kill_in_its_beginning(self, seconds):
        """Kills some seconds after the imports; returns a `Kill`, or None."""
        return self._kill_after(seconds)

    def kill_in_its_steps(self, seconds):
        """Kills some seconds after a first step; returns a `Kill`, or None."""
        self._wait_until(STEPS)
        return self._kill_after(seconds)

    def kill_inside_a_save(self):
        """Kills when a checkpoint is half written; returns a `Kill`, or None.

        The run is paused for the check, so that the save cannot finish then.
        """
        self._wait_until(STEPS)
        while self._process.poll() is None:
            if self._is_saving():
                self._process.send_signal(signal.SIGSTOP)
                if self._is_saving():
                    return self._kill_after(0)
                self._process.send_signal(signal.SIGCONT)
            time.sleep(0.0005)
        return self.finish()

    def _wait_until(self, line):
        for said in self._process.stdout:
            if said.strip() == line:
                return
        if line == BEGINS:
            raise AssertionError(self._process.communicate()[1][-3000:])

    def _kill_after(self, seconds):
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.returncode != -signal.SIGKILL:
            return self.finish()
        self._process.communicate()
        whole = sorted(self.directory.glob("checkpoints/epoch_*.keras"))
        return Kill(
            time.monotonic() - self._begin,
            self._is_saving(),
            whole[-1].stem if whole else "nothing",
        )

    def _is_saving(self):
        return bool(set(self._temporaries()) - self._left_before)

    def _temporaries(self):
        return self.directory.glob(f"checkpoints/{TEMPORARY}")


def assert_every_file_is_whole(directory):
    """Asserts that files are whole; unfinished ones have hidden names."""
    for path in directory.rglob("[!.]*"):
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as file:
                assert file.testzip() is None, path
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".csv":
            with open(path, newline="") as file:
                rows = list(csv.DictReader(file))
            numbers = [row["epoch"] for row in rows]
            assert numbers == [str(n + 1) for n in range(len(rows))], path
            assert all(None not in row.values() for row in rows), path


def kill_often(folder, num_kills, epochs, seed, longest=2.0, report=print):
    """Kills runs until the number of kills is reached.

    Of ten kills one is before the first step and one inside a save. If a run
    ends before it is killed, the next one is started.

    Args:
        folder: path. The folder for the runs.
        num_kills: int.
        epochs: int. Of each run.
        seed: int. Of the moments.
        longest: float. Most seconds between the first step and a kill.
        report: function of a line of text.

    Returns:
        The list of `Kill`s, and the list of the runs' folders. The last run is
        not finished.
    """
    moments = random.Random(seed)
    kills, runs = [], [folder / "run_0"]
    while len(kills) < num_kills:
        process = Process(runs[-1], epochs)
        seconds = moments.uniform(0, longest)
        if len(kills) % 10 == 0:
            kill = process.kill_inside_a_save()
        elif len(kills) % 10 == 1:
            kill = process.kill_in_its_beginning(seconds)
        else:
            kill = process.kill_in_its_steps(seconds)
        if runs[-1].exists():
            assert_every_file_is_whole(runs[-1])
        if kill is None:
            report(f"{runs[-1].name} ended")
            runs.append(folder / f"run_{len(runs)}")
        else:
            kills.append(kill)
            report(f"kill {len(kills)} of {runs[-1].name}: {kill}")
    return kills, runs


def same_end(one, other):
    """Whether two finished runs have equal encoders and logs."""
    import keras
    import numpy as np

    def weights(run):
        model = keras.models.load_model(run / "encoder.keras")
        return model.get_weights()

    def log(run):
        with open(run / "log.csv", newline="") as file:
            return [
                {k: v for k, v in row.items() if "second" not in k}
                for row in csv.DictReader(file)
            ]

    pairs = zip(weights(one), weights(other), strict=True)
    return log(one) == log(other) and all(
        np.array_equal(first, second) for first, second in pairs
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        place = pathlib.Path(temporary)
        Process(place / "unbroken", 40).finish()
        killed, ended = kill_often(place, int(sys.argv[1]), 40, seed=0)
        Process(ended[-1], 40).finish()
        inside = sum(kill.is_inside_a_save for kill in killed)
        equal = [same_end(run, place / "unbroken") for run in ended]
        print(
            f"{len(killed)} kills, {inside} of them inside a save; "
            f"{sum(equal)} of {len(equal)} runs equal the unbroken one."
        )
