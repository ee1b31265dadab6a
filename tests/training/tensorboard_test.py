"""TensorBoard shows terms, board, views and scores of a run."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.util import event_pb2
from tiny_recipe import tiny_recipe

from keras_dim.training import pretrain
from keras_dim.training import tensorboard

SCORE = {"probe": "linear_probe", "feature": "global", "num_train": 100}
SCORE |= {"accuracy": 0.75, "untrained": 0.5, "raw_pixels": 0.25}


def summaries(directory):
    """Returns pairs of a step and a tensor by the tags of all events."""
    found = {}
    for path in sorted((directory / "tensorboard").rglob("events.*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = event_pb2.Event.FromString(record)
            for value in event.summary.value:
                tensor = tf.make_ndarray(value.tensor)
                found.setdefault(value.tag, []).append((event.step, tensor))
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "run"
    recipe = tiny_recipe(epochs=2, batch_size=720)
    pretrain(recipe, directory, verbose=0)
    tensorboard.write_scores(directory, [SCORE], recipe.epochs)
    return directory


def test_terms_and_the_board_have_a_point_an_epoch(run):
    found = summaries(run)

    names = "loss", "local_information", "rank_me_global", "alignment_global"
    for name in names:
        assert [step for step, _ in found[f"epoch_{name}"]] == [0, 1]


def test_the_picture_of_views_is_that_of_the_folder(run):
    ((step, (_, _, encoded)),) = summaries(run)["views"]
    shown = Image.open(io.BytesIO(encoded))

    assert step == 0
    with Image.open(run / "views.png") as saved:
        np.testing.assert_array_equal(shown, saved)


def test_scores_are_written_with_those_without_training(run):
    found = summaries(run)
    scores = {
        tag: (step, float(value))
        for tag, ((step, value),) in (
            item for item in found.items() if item[0].startswith("scores/")
        )
    }

    of_score = "scores/linear_probe_global_100_labels"
    assert scores == {
        of_score: (2, 0.75),
        f"{of_score}_untrained": (2, 0.5),
        f"{of_score}_raw_pixels": (2, 0.25),
    }


def test_a_run_without_tensorboard_gets_none(tmp_path):
    tensorboard.write_scores(tmp_path, [SCORE], 2)

    assert list(tmp_path.iterdir()) == []
