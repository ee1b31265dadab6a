import json

import keras
import numpy as np
import pytest
from absl import logging
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim import views
from keras_dim.evaluation import Board
from keras_dim.evaluation import board
from keras_dim.evaluation import extract
from keras_dim.evaluation import measures

IMAGES = pixels(np.random.default_rng(0), 64)
MEASURES = ("rank_me", "uniformity", "alpha_req", "alignment", "lidar")


@pytest.fixture
def said(monkeypatch):
    found = {"info": [], "warning": []}
    for level, texts in found.items():
        monkeypatch.setattr(
            logging, level, lambda text, *a, t=texts: t.append(text % a)
        )
    return found


def run(encoder, epochs=1, change=lambda epoch: None, **arguments):
    """The board and the logs of epochs without training."""
    kept = Board(IMAGES, **arguments)
    kept.set_params({"epochs": epochs})
    kept.set_model(encoder)
    kept.on_train_begin()
    logs = [{} for _ in range(epochs)]
    for epoch in range(epochs):
        change(epoch)
        kept.on_epoch_end(epoch, logs[epoch])
    return kept, logs


def crops():
    return views.dim(crop_size=8, crop_padding=2, flip=True, seed=0)


def test_the_measures_are_those_of_images_and_views():
    encoder = tiny_encoder()
    pair = IMAGES, IMAGES[:, ::-1].copy()
    (logs,) = run(encoder, views=pair)[1]

    found, mirrored = (extract(encoder, part)["global"] for part in pair)
    for name in ("rank_me", "uniformity", "alpha_req"):
        assert logs[f"{name}_global"] == getattr(measures, name)(found)
    assert logs["alignment_global"] == measures.alignment(found, mirrored)
    stacked = np.stack([found, mirrored], axis=1)
    assert logs["lidar_global"] == measures.lidar(stacked)
    # Those of CollapseReport.
    assert "effective_rank_global" in logs


def test_views_of_the_model_are_drawn_without_changing_its_random_state():
    encoder = tiny_encoder()
    encoder.views = crops()
    state = [np.array(variable) for variable in encoder.views.variables]
    first, second = (run(encoder)[1][0] for _ in range(2))

    assert first == second
    assert first["alignment_global"] > 0
    for one, other in zip(state, encoder.views.variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("layer", "why"),
    [(None, "the model has no views"), (views.dim(), "views of each image")],
)
def test_without_two_views_their_measures_are_left_out(layer, why, said):
    (logs,) = run(tiny_encoder(), views=layer)[1]

    assert why in said["info"][0]
    assert "rank_me_global" in logs
    assert not {"alignment_global", "lidar_global"} & set(logs)


def test_more_units_than_images_have_no_lidar():
    rows = np.random.default_rng(0).normal(size=(2, 9, 9))
    assert set(board(rows[0], rows)) == set(MEASURES) - {"lidar"}


def test_values_are_logged_beside_those_of_random_and_collapsed_features(said):
    kept, (logs,) = run(tiny_encoder(), views=crops())

    assert set(kept.references) == {f"{name}_global" for name in MEASURES}
    # 64 images in 5 units, each of which varies alike.
    ends = kept.references["rank_me_global"]
    assert ends["random"] == pytest.approx(5, abs=0.1)
    assert ends["collapsed"] == pytest.approx(1, abs=1e-4)
    assert kept.references["alignment_global"]["collapsed"] == 0
    assert kept.references["alpha_req_global"]["collapsed"] is None
    # Independent vectors: |x|^2 + |y|^2, to within four deviations.
    random = kept.references["alignment_global"]["random"]
    assert random == pytest.approx(2, abs=0.5)
    (line,) = said["info"]
    assert f"rank_me {logs['rank_me_global']:.2f} ({ends['random']:.2f}" in line


def test_between_measurements_the_last_one_is_repeated():
    encoder = tiny_encoder()
    kernel = encoder.layers[-1].kernel

    def change(epoch):
        kernel.assign(np.random.default_rng(epoch).normal(size=kernel.shape))

    _, logs = run(encoder, 6, change, every=2)
    ranks = [each["rank_me_global"] for each in logs]
    # The first, each second one and the last are measured.
    is_new = [ranks[i] != ranks[i + 1] for i in range(5)]
    assert is_new == [True, False, True, False, True]


def test_a_board_that_does_not_change_is_warned_about_once(said):
    encoder = tiny_encoder()
    kernel = encoder.layers[-1].kernel

    def change(epoch):
        if epoch == 7:
            kernel.assign(np.random.default_rng(0).normal(size=kernel.shape))

    run(encoder, 12, change, patience=3)
    hints = [text for text in said["warning"] if "No measure" in text]
    assert ["up to epoch 4:" in hints[0], "up to epoch 11:" in hints[1]] == [
        True,
        True,
    ]
    assert len(hints) == 2


def test_a_board_that_changes_is_not_warned_about(said):
    encoder = tiny_encoder()
    kernel = encoder.layers[-1].kernel

    def change(epoch):
        kernel.assign(np.random.default_rng(epoch).normal(size=kernel.shape))

    run(encoder, 6, change, patience=3)
    assert said["warning"] == []


def test_a_collapse_is_warned_about(said):
    encoder = tiny_encoder()
    for weight in encoder.layers[-1].weights:
        weight.assign(np.ones(weight.shape) * (weight.shape == (5,)))
    (logs,) = run(encoder)[1]

    assert "has collapsed" in said["warning"][0]
    assert logs["rank_me_global"] == pytest.approx(1, abs=1e-4)
    assert json.dumps(logs)


def test_views_of_other_images_are_refused():
    for parts in ((IMAGES, IMAGES[1:]), (IMAGES,), (IMAGES,) * 3):
        with pytest.raises(ValueError, match="two arrays of views"):
            Board(IMAGES, views=parts)
    with pytest.raises(ValueError, match="patience"):
        Board(IMAGES, patience=0)
    with pytest.raises(ValueError, match="8, 8, 3"):
        run(tiny_encoder(), views=(np.zeros((64, 9, 9, 3)),) * 2)


class Subclassed(keras.Model):
    """Does not tell the shape of its images."""

    def call(self, images):
        pixels = keras.ops.reshape(images, (-1, 8 * 8 * 3))
        return {"global": keras.ops.cast(pixels[:, :5], "float32")}


def test_an_encoder_of_unknown_image_shape_has_views():
    (logs,) = run(Subclassed(), views=crops())[1]
    assert "alignment_global" in logs


def test_history_has_the_board():
    encoder = tiny_encoder()
    model = keras.Model(encoder.input, encoder.output["global"])
    model.compile("sgd", "mse")
    kept = Board(IMAGES, views=crops())
    fitted = model.fit(
        IMAGES, np.zeros((64, 5)), epochs=2, verbose=0, callbacks=[kept]
    )
    assert len(fitted.history["lidar_output"]) == 2
