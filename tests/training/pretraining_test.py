"""Runs write their files, and may be stopped and resumed."""

import csv
import json
import resource
import shutil
import signal
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import logging
from PIL import Image
from tiny_images import encode
from tiny_images import pixels
from tiny_recipe import tiny_recipe

from keras_dim import distribution
from keras_dim import plots
from keras_dim import views
from keras_dim.data import open_source
from keras_dim.data import reading
from keras_dim.data import tfrecord
from keras_dim.training import NonFiniteError
from keras_dim.training import Terminated
from keras_dim.training import WorkerLostError
from keras_dim.training import checkpoints
from keras_dim.training import pretrain
from keras_dim.training import pretraining
from keras_dim.training import resuming


def weights(path):
    return keras.models.load_model(path, compile=False).get_weights()


def assert_same_bits(first, second):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def differ(first, second):
    return any(
        not np.array_equal(one, other)
        for one, other in zip(first, second, strict=True)
    )


def checkpoint_names(directory):
    return sorted(path.name for path in (directory / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def finished(tmp_path_factory, draw_curves):
    """An uninterrupted run of three epochs."""
    directory = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretraining, "_draw", draw_curves)
        pretrain(tiny_recipe(), directory, verbose=0)
    return directory


class Stop(keras.callbacks.Callback):
    """Ends a run in the middle of its third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 4:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A run that was stopped after two of its three epochs."""
    directory = tmp_path_factory.mktemp("runs") / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny_recipe(), directory, callbacks=[Stop()], verbose=0)
    return directory


@pytest.fixture
def stopped(interrupted, tmp_path):
    """A copy of the stopped run."""
    return shutil.copytree(interrupted, tmp_path / "run")


def test_a_run_leaves_its_files(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "checkpoints",
        "curves.png",
        "encoder.keras",
        "log.csv",
        "metrics.json",
        "recipe.json",
        "tensorboard",
        "untrained_encoder.keras",
        "views.png",
    ]
    assert checkpoint_names(finished) == [
        "epoch_00002.keras",
        "epoch_00003.keras",
    ]
    assert list((finished / "tensorboard").rglob("events.*"))


def test_the_log_has_a_row_an_epoch(finished):
    with open(finished / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = json.loads((finished / "metrics.json").read_text())

    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert metrics["last_epoch"]["loss"] == float(rows[-1]["loss"])
    assert metrics["epochs"] == 3
    # The feature has five units.
    ranks = [float(row["effective_rank_global"]) for row in rows]
    assert all(1.5 < rank <= 5 for rank in ranks)
    assert all(float(row["smallest_deviation_global"]) > 0 for row in rows)
    # 1,437 digits to train on.
    assert metrics["num_images"] == 1437


def test_training_changes_the_encoder(finished):
    assert differ(
        weights(finished / "encoder.keras"),
        weights(finished / "untrained_encoder.keras"),
    )


def test_a_run_shows_its_views(finished):
    with Image.open(finished / "views.png") as picture:
        # Eight digits, each beside its view as drawn twice, 96 pixels high
        # with gaps of 4, below a line of names.
        assert picture.size == (4 + 3 * 100, 20 + 8 * 100)


def test_without_matplotlib_a_run_has_no_curves(
    draw_curves, tmp_path, monkeypatch
):
    monkeypatch.setattr(plots, "is_available", lambda: False)
    path = tmp_path / "curves.png"
    draw_curves([{"epoch": 1, "loss": 1.0}], {}, path)
    assert not path.exists()


def test_the_encoder_is_that_of_the_last_checkpoint(finished):
    last = finished / "checkpoints" / "epoch_00003.keras"
    model = keras.models.load_model(last)

    assert_same_bits(
        model.encoder.get_weights(), weights(finished / "encoder.keras")
    )


def test_a_stopped_run_ends_with_exactly_the_same_weights(stopped, finished):
    assert checkpoint_names(stopped) == [
        "epoch_00001.keras",
        "epoch_00002.keras",
    ]
    assert not (stopped / "encoder.keras").exists()

    pretrain(tiny_recipe(), stopped, resume=True, verbose=0)

    for name in ("encoder.keras", "untrained_encoder.keras"):
        assert_same_bits(weights(stopped / name), weights(finished / name))
    assert log_without_seconds(stopped) == log_without_seconds(finished)


class Terminate(keras.callbacks.Callback):
    """Raises SIGTERM at a batch of an epoch."""

    def __init__(self, batch, epoch=1):
        super().__init__()
        self.when = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.when:
            signal.raise_signal(signal.SIGTERM)


def log_without_seconds(directory):
    with open(directory / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {
            name: value
            for name, value in row.items()
            if name not in ("seconds", "images_per_second")
        }
        for row in rows
    ]


def test_sigterm_leaves_a_checkpoint_to_continue_from(finished, tmp_path):
    directory = tmp_path / "run"
    before = signal.getsignal(signal.SIGTERM)
    for batch, checkpoint in (
        # The fifth of eleven batches to an epoch.
        (4, "epoch_00001_step_00000005.keras"),
        # The last of the six others, before the checkpoint of the epoch.
        (5, "epoch_00002.keras"),
    ):
        callbacks = [Terminate(batch)]
        with pytest.raises(Terminated, match="Stopped by SIGTERM") as stop:
            pretrain(tiny_recipe(), directory, True, callbacks, verbose=0)
        assert signal.getsignal(signal.SIGTERM) == before
        assert stop.value.code == 143
        assert stop.value.checkpoint == directory / "checkpoints" / checkpoint
        assert checkpoint_names(directory)[-1] == checkpoint
    pretrain(tiny_recipe(), directory, resume=True, verbose=0)

    assert_same_bits(
        weights(directory / "encoder.keras"),
        weights(finished / "encoder.keras"),
    )
    # The logged means are those of the whole epoch, too.
    assert log_without_seconds(directory) == log_without_seconds(finished)


@pytest.mark.slow
def test_a_run_continues_with_another_number_of_replicas(
    finished, tmp_path, two_replicas
):
    for strategy, epoch in (("one", 1), (two_replicas, 2)):
        callbacks = [Terminate(4, epoch)]
        with pytest.raises(Terminated):
            pretrain(
                tiny_recipe(), tmp_path, True, callbacks, 0, None, strategy
            )
    pretrain(tiny_recipe(), tmp_path, True, verbose=0, strategy="one")

    for one, other in zip(
        weights(tmp_path / "encoder.keras"),
        weights(finished / "encoder.keras"),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)
    losses = [
        [float(row["loss"]) for row in log_without_seconds(directory)]
        for directory in (tmp_path, finished)
    ]
    np.testing.assert_allclose(*losses, rtol=2e-4)


def test_sigterm_keeps_its_effect_in_another_thread(tmp_path):
    handlers = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: handlers.append(
            signal.getsignal(signal.SIGTERM)
        )
    )
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(
        target=pretrain,
        args=(tiny_recipe(epochs=1), tmp_path / "run"),
        kwargs={"callbacks": [watch], "verbose": 0},
    )
    thread.start()
    thread.join()

    assert handlers == [before]
    assert (tmp_path / "run" / "encoder.keras").exists()


def test_checkpoints_within_an_epoch_and_the_picture_change_nothing(
    finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(views, "show_views", lambda *_: Image.new("L", (1, 1)))
    names = set()
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: names.update(
            path.name for path in (tmp_path / "run").glob("checkpoints/*")
        )
    )
    # Zero minutes: after every step.
    pretrain(
        tiny_recipe(),
        tmp_path / "run",
        callbacks=[watch],
        verbose=0,
        checkpoint_minutes=0,
    )

    assert "epoch_00001_step_00000004.keras" in names
    assert checkpoint_names(tmp_path / "run") == [
        "epoch_00002_step_00000010.keras",
        "epoch_00003.keras",
    ]
    assert_same_bits(
        weights(tmp_path / "run" / "encoder.keras"),
        weights(finished / "encoder.keras"),
    )


class Spoil(keras.callbacks.Callback):
    """Sets a weight of the encoder to NaN in a step of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.epoch == 1 and batch == 4:
            weight = self.model.encoder.trainable_variables[-1]
            weight.assign(np.full(weight.shape, np.nan))


def test_a_run_stops_at_nan_and_continues_from_an_earlier_checkpoint(
    finished, tmp_path
):
    with pytest.raises(NonFiniteError, match="step 5 of epoch 2") as error:
        pretrain(
            tiny_recipe(),
            tmp_path,
            callbacks=[Spoil()],
            verbose=0,
            checkpoint_minutes=0,
        )
    assert "local_information" in error.value.terms
    assert checkpoint_names(tmp_path)[-1] == "epoch_00001_step_00000004.keras"
    pretrain(tiny_recipe(), tmp_path, resume=True, verbose=0)

    assert_same_bits(
        weights(tmp_path / "encoder.keras"),
        weights(finished / "encoder.keras"),
    )


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    class SpoilLate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                weight = self.model.encoder.trainable_variables[-1]
                weight.assign(np.full(weight.shape, np.inf))

    with pytest.raises(NonFiniteError, match="loss was still finite"):
        pretrain(
            tiny_recipe(),
            tmp_path,
            callbacks=[SpoilLate()],
            verbose=0,
            checkpoint_minutes=0,
        )
    assert checkpoint_names(tmp_path)[-1] == "epoch_00000_step_00000003.keras"


def test_a_run_that_diverges_says_so(tmp_path):
    with pytest.raises(NonFiniteError, match="Lower the learning rate"):
        pretrain(tiny_recipe(learning_rate=1e30), tmp_path, verbose=0)


def test_a_collapsed_run_is_warned_of_in_its_first_epoch(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: warnings.append(text % args)
    )

    class Collapse(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kernel, bias = self.model.encoder.layers[-1].weights
            kernel.assign(np.zeros(kernel.shape))
            bias.assign(np.ones(bias.shape))

    recipe = tiny_recipe(epochs=1)
    pretrain(recipe, tmp_path, callbacks=[Collapse()], verbose=0)

    (warning,) = warnings
    assert "'global' has collapsed by the end of epoch 1" in warning
    with open(tmp_path / "log.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["effective_rank_global"]) == 0
    assert float(row["mean_deviation_global"]) == 0


def test_the_board_takes_images_larger_than_the_encoder():
    source = open_source(np.zeros((300, 20, 20, 3), np.uint8))
    model = tiny_recipe().build_model((8, 8, 3))
    board = pretraining._board(model, source)
    assert board.images.shape == (256, 8, 8, 3)
    # Crops of images that are not resized.
    assert [view.shape for view in board.views] == [(256, 8, 8, 3)] * 2


class FillDisk(keras.callbacks.Callback):
    """Limits files to a megabyte from the third epoch on."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))


def test_a_full_disk_leaves_the_last_checkpoint_to_continue_from(
    finished, tmp_path
):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(OSError, match="no room for .*epoch_00003.keras"):
            pretrain(tiny_recipe(), tmp_path, callbacks=[FillDisk()], verbose=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    names = sorted(p.name for p in (tmp_path / "checkpoints").iterdir())
    assert names == ["epoch_00001.keras", "epoch_00002.keras"]
    pretrain(tiny_recipe(), tmp_path, resume=True, verbose=0)

    assert_same_bits(
        weights(tmp_path / "encoder.keras"),
        weights(finished / "encoder.keras"),
    )
    assert log_without_seconds(tmp_path) == log_without_seconds(finished)


def test_a_damaged_checkpoint_is_skipped_and_renamed(stopped, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: warnings.append(text % args)
    )
    latest = stopped / "checkpoints" / "epoch_00002.keras"
    damaged = latest.read_bytes()[:-2000]
    latest.write_bytes(damaged)
    aside = latest.with_name("epoch_00002.keras.damaged")
    # The file of a save that was killed.
    leftover = stopped / "checkpoints" / ".epoch_00003-abc.keras"
    leftover.write_bytes(b"half")
    names, begun = [], []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(epoch),
        on_train_batch_begin=lambda batch, logs: names.append(
            checkpoint_names(stopped)
        ),
    )

    pretrain(
        tiny_recipe(),
        stopped,
        resume=True,
        callbacks=[watch],
        verbose=0,
        checkpoint_minutes=0,
    )

    # Counted from 0: the first epoch is done, the second is repeated.
    assert begun == [1, 2]
    assert [row["epoch"] for row in log_without_seconds(stopped)] == [*"123"]
    assert (stopped / "encoder.keras").exists()
    # It does not count as a kept one, before the first save and after it.
    assert names[0] == [leftover.name, "epoch_00001.keras", aside.name]
    assert names[1] == [
        "epoch_00001.keras",
        "epoch_00001_step_00000001.keras",
        aside.name,
    ]
    assert aside.read_bytes() == damaged
    assert any(str(aside) in warning for warning in warnings)


def test_without_a_readable_checkpoint_nothing_is_overwritten(stopped):
    for path in (stopped / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:100])

    with pytest.raises(ValueError, match="None of the 2 checkpoints"):
        pretrain(tiny_recipe(), stopped, resume=True, verbose=0)
    assert checkpoint_names(stopped) == [
        "epoch_00001.keras",
        "epoch_00002.keras",
    ]


def test_a_changed_byte_in_a_checkpoint_is_noticed(stopped):
    path = stopped / "checkpoints" / "epoch_00002.keras"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 1
    path.write_bytes(content)

    _, done = checkpoints.load_latest(stopped / "checkpoints")

    assert done == (1, 0)


def test_a_run_that_was_killed_at_its_beginning_starts_again(tmp_path):
    leftover = tmp_path / ".recipe-a1b2c3d4.json"
    leftover.write_text("{")

    resuming.check(tmp_path, tiny_recipe(), resume=True)
    resuming.prepare(tmp_path, tiny_recipe(), (0, 0))

    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]


def test_a_finished_run_stays_as_it_is(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "run")

    pretrain(tiny_recipe(), copy, resume=True, verbose=0)

    assert_same_bits(
        weights(copy / "encoder.keras"), weights(finished / "encoder.keras")
    )
    before = json.loads((finished / "metrics.json").read_text())
    assert json.loads((copy / "metrics.json").read_text()) == before


def test_a_run_is_not_overwritten(finished):
    with pytest.raises(ValueError, match="already holds a run"):
        pretrain(tiny_recipe(), finished, verbose=0)


def test_a_run_is_resumed_with_its_own_recipe_only(finished):
    with pytest.raises(ValueError, match="optimizer was .*0.01"):
        pretrain(tiny_recipe(learning_rate=1e-2), finished, resume=True)


def test_a_run_is_resumed_with_another_number_of_epochs(
    finished, tmp_path, caplog
):
    copy = shutil.copytree(finished, tmp_path / "run")
    with pytest.raises(ValueError, match="has done 3 epochs.*epochs=2"):
        pretrain(tiny_recipe(epochs=2), copy, resume=True, verbose=0)
    with caplog.at_level("INFO"):
        pretrain(tiny_recipe(epochs=5), copy, resume=True, verbose=0)

    rows = log_without_seconds(copy)
    assert rows[:3] == log_without_seconds(finished)
    assert len(rows) == 5
    # A cosine of 5 epochs after 3 of them, instead of its end.
    rate = 1e-3 * (1 + np.cos(0.6 * np.pi)) / 2
    assert f"rate is {rate:.3g} instead of 0" in caplog.text
    model = keras.models.load_model(copy / "checkpoints" / "epoch_00005.keras")
    assert int(model.optimizer.iterations) == 5 * 11
    assert float(model.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)
    # At a rate of zero, the end of the old schedule, no weight would change.
    assert differ(
        weights(copy / "encoder.keras"), weights(finished / "encoder.keras")
    )


@pytest.mark.parametrize("method", ["deep_infomax", "byol"])
def test_all_state_is_kept_when_the_number_of_epochs_changes(method):
    how = {"schedule": "constant", "views": "byol"}
    how |= {"method": {"name": "byol", "units": 4, "hidden_units": 4}}
    if method == "deep_infomax":
        how = {"schedule": "constant"}
    before, after = (
        tiny_recipe(**how, epochs=epochs).build_model((8, 8, 1), 2)
        for epochs in (3, 5)
    )
    for model in (before, after):
        model.compile(keras.optimizers.Adam(1e-2))
    images = np.random.default_rng(0).integers(0, 255, (16, 8, 8, 1), "uint8")
    before.fit(images, batch_size=8, verbose=0)

    pretraining._copy_state(before, after)

    assert len(before.variables) == len(after.variables) > 10
    for one, other in zip(
        before.variables + before.optimizer.variables,
        after.variables + after.optimizer.variables,
        strict=True,
    ):
        np.testing.assert_array_equal(one, other, one.path)
    if method == "byol":
        assert (before.num_steps, after.num_steps) == (6, 10)


def test_a_run_starts_from_a_trained_encoder(finished, tmp_path):
    how = {"start_from": str(finished), "epochs": 1, "schedule": "constant"}
    pretrain(tiny_recipe(**how), tmp_path / "run", verbose=0)

    trained = weights(finished / "encoder.keras")
    assert_same_bits(weights(tmp_path / "run/start_encoder.keras"), trained)
    new = weights(tmp_path / "run/untrained_encoder.keras")
    assert differ(new, trained)
    assert differ(new, weights(finished / "untrained_encoder.keras"))
    assert differ(weights(tmp_path / "run/encoder.keras"), trained)
    # The teacher is a copy of that encoder.
    recipe = tiny_recipe(method="moco", views="moco_v2", **how)
    model = recipe.build_model((8, 8, 1))
    for one, other in zip(
        model.encoder.weights, model.teacher.networks[0].weights, strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert_same_bits(model.encoder.get_weights(), trained)
    recipe = tiny_recipe(image_size=12, crop_size=12, **how)
    with pytest.raises(ValueError, match="`start_from` must be of the"):
        pretrain(recipe, tmp_path / "other", verbose=0)
    assert not (tmp_path / "other").exists()


def test_a_tuple_in_a_recipe_equals_its_list_in_json(tmp_path):
    recipe = tiny_recipe(schedule={"name": "steps", "boundaries": (0.5, 0.75)})
    recipe.save(tmp_path / "recipe.json")
    resuming.check(tmp_path, recipe, resume=True)


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")

    with pytest.raises(ValueError, match="not empty and holds no run"):
        pretrain(tiny_recipe(), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"source": "./nowhere"}, FileNotFoundError, "nowhere"),
        ({"batch_size": 2000}, ValueError, "`batch_size` is 2000"),
        ({"split": "val"}, ValueError, "Unknown split"),
        ({"prior": "flat"}, ValueError, "Unknown prior"),
        (
            {"method": {"name": "moco", "queue_size": 1438}, "views": None},
            ValueError,
            "queue of 1,438 keys.*data set of 1,437 images",
        ),
        (
            {
                "method": {
                    "name": "instance_discrimination",
                    "num_images": 1438,
                },
                "views": "instance_discrimination",
            },
            ValueError,
            "rows for 1,438 images, and the data set has 1,437",
        ),
        (
            {"method": "byol", "views": None, "batch_size": 1},
            ValueError,
            "`batch_size`.*2 or more",
        ),
    ],
)
def test_a_mistake_leaves_no_folder(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        pretrain(tiny_recipe(**changes), tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_a_batch_that_replicas_cannot_share_evenly_is_refused(
    tmp_path, two_replicas
):
    recipe = tiny_recipe(batch_size=127)
    with pytest.raises(ValueError, match="multiple of the 2 rep.* 127"):
        pretrain(recipe, tmp_path / "run", strategy=two_replicas)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def left_alone(monkeypatch):
    """Makes this process a worker whose chief has died."""
    lost = tf.errors.UnavailableError(None, None, "Collective ops is aborted")

    def ask(*_):
        raise lost

    monkeypatch.setattr(distribution, "spans_workers", lambda _: True)
    monkeypatch.setattr(distribution, "is_chief", lambda _: False)
    monkeypatch.setattr(distribution, "min_max_over_workers", ask)
    return lost


def test_a_worker_without_its_chief_raises_an_error(tmp_path, left_alone):
    with pytest.raises(WorkerLostError, match="A worker has died"):
        pretrain(tiny_recipe(), tmp_path / "run", strategy="one")
    assert not (tmp_path / "run").exists()


def test_a_worker_that_is_lost_leaves_no_checkpoint_damaged(
    stopped, left_alone, monkeypatch
):
    def load(*_, **__):
        # The workers create variables together.
        raise left_alone

    monkeypatch.setattr(keras.saving, "load_model", load)
    with pytest.raises(WorkerLostError, match="A worker has died"):
        pretrain(tiny_recipe(), stopped, resume=True, strategy="one")


def test_the_dtype_policy_is_restored_after_training(tmp_path, monkeypatch):
    monkeypatch.setattr(distribution, "has_bfloat16_units", lambda: False)
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: warnings.append(text % args)
    )
    recipe = tiny_recipe(dtype_policy="mixed_bfloat16", epochs=1)
    encoder = pretrain(recipe, tmp_path / "run", verbose=0)

    assert "--set dtype_policy=float32" in warnings[0]
    assert keras.config.dtype_policy().name == "float32"
    computing = [
        layer
        for layer in encoder.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    assert all(layer.compute_dtype == "float32" for layer in computing)


def test_a_damaged_log_is_refused(tmp_path, finished):
    directory = tmp_path / "run"
    shutil.copytree(finished, directory)
    log = directory / "log.csv"
    log.write_text(log.read_text().rstrip() + ",1,2\n")
    with pytest.raises(ValueError, match="log.csv is not the log"):
        pretrain(tiny_recipe(), directory, resume=True, verbose=0)


def test_a_damaged_record_is_left_out(tmp_path, monkeypatch):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(40):
            image = tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[encode(pixels(number))])
            )
            features = tf.train.Features(feature={"image": image})
            example = tf.train.Example(features=features)
            writer.write(example.SerializeToString())
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    monkeypatch.setattr(tfrecord, "_SAMPLE", 8)
    monkeypatch.setattr(reading, "HELD_BYTES", 0)
    # Other readers of some images do not reach the damaged one.
    monkeypatch.setattr(pretraining, "NUM_WATCHED", 8)
    recipe = tiny_recipe(source=str(path), image_size=8, batch_size=8)
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: warnings.append(text % args)
    )
    pretrain(recipe, tmp_path / "run", verbose=0)
    assert f"Skipped {path}:39: the record is damaged" in "".join(warnings)
