"""Checkpoints refuse invalid arguments, and workers wait for each other."""

import signal

import keras
import pytest

from keras_dim import distribution
from keras_dim.training import Checkpoint
from keras_dim.training import Terminated
from keras_dim.training import termination


def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


def test_a_folder_may_be_a_str(tmp_path):
    checkpoint = Checkpoint(str(tmp_path / "run"), steps_per_epoch=1)
    checkpoint.set_model(model())

    checkpoint.on_epoch_end(0)

    assert (tmp_path / "run" / "epoch_00001.keras").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps_per_epoch", 0, "1 or more. Received: 0"),
        ("keep", 0, "1 or more. Received: 0"),
        ("keep", -1, "1 or more. Received: -1"),
        ("minutes", -0.5, "0 or more. Received: -0.5"),
        ("minutes", float("nan"), "0 or more. Received: nan"),
    ],
)
def test_invalid_arguments_of_a_checkpoint_are_refused(
    tmp_path, name, value, message
):
    with pytest.raises(ValueError, match=f"`{name}` must.*{message}"):
        Checkpoint(tmp_path, **{"steps_per_epoch": 1, name: value})


@pytest.mark.parametrize("is_chief", [True, False])
def test_after_sigterm_every_worker_waits_for_the_others(
    is_chief, tmp_path, monkeypatch
):
    asked = []

    def agree(strategy, number):
        asked.append([path.name for path in tmp_path.iterdir()])
        return number, number

    monkeypatch.setattr(distribution, "min_max_over_workers", agree)
    monkeypatch.setattr(distribution, "is_chief", lambda _: is_chief)
    notice = termination.Notice()
    notice.came = signal.SIGTERM
    checkpoint = Checkpoint(tmp_path, steps_per_epoch=2, notice=notice)
    checkpoint.set_model(model())
    checkpoint.on_epoch_begin(0)
    checkpoint.on_train_batch_begin(0)

    with pytest.raises(Terminated):
        checkpoint.on_train_batch_end(0)

    # Before the file is written, and after it.
    name = "epoch_00000_step_00000001.keras"
    assert asked == [[], [name] if is_chief else []]
