"""Probes as callbacks: every epoch's logs have their key."""

import csv
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim.evaluation import LinearProbe
from keras_dim.evaluation import MLPProbe
from keras_dim.evaluation import NearestNeighborsProbe
from keras_dim.evaluation import extract
from keras_dim.evaluation import linear_probe


class Method(keras.Model):
    """The least that has an encoder and can be fitted."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def call(self, images):
        return self.encoder(images)["global"]


def compiled(model):
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    return model


@pytest.fixture
def model():
    return compiled(Method(tiny_encoder()))


@pytest.fixture
def train():
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    # Dark and bright images.
    return pixels(generator, 40) // 4 + (labels * 180).astype("uint8").reshape(
        -1, 1, 1, 1
    ), labels


def fit(model, train, epochs, callbacks):
    return model.fit(
        train[0].astype("float32"),
        np.zeros((40, 5)),
        epochs=epochs,
        verbose=0,
        callbacks=callbacks,
    )


def test_every_epoch_has_a_score(model, train):
    probe = LinearProbe(train, train)
    history = fit(model, train, 2, [probe]).history
    scores = history["linear_probe_global"]
    assert len(scores) == 2
    assert [result["accuracy"] for result in probe.results] == scores
    assert [result["epoch"] for result in probe.results] == [0, 1]
    assert probe.results[0]["feature"] == "global"
    assert "logistic regression" in probe.results[0]["protocol"]


def test_the_score_is_that_of_the_trained_encoder(model, train):
    probe = LinearProbe(train, train, feature="fc", batch_size=16)
    fit(model, train, 1, [probe])
    found = extract(model.encoder, train, "fc")
    expected = linear_probe(
        found["fc"], found["label"], found["fc"], found["label"]
    )
    assert probe.results[0]["accuracy"] == expected["accuracy"]


def test_epochs_without_a_score_say_nan(model, train):
    probe = LinearProbe(train, train, every=2)
    scores = fit(model, train, 5, [probe]).history["linear_probe_global"]
    # Epochs 2 and 4 are due, and the last one always is.
    assert [math.isnan(score) for score in scores] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert [result["epoch"] for result in probe.results] == [1, 3, 4]


def test_the_log_file_gets_the_scores(model, train, tmp_path):
    probe = LinearProbe(train, train, every=2)
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    fit(model, train, 2, [probe, log])
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert math.isnan(float(rows[0]["linear_probe_global"]))
    expected = probe.results[0]["accuracy"]
    assert float(rows[1]["linear_probe_global"]) == expected


def test_several_features_are_scored_one_by_one(model, train):
    probe = NearestNeighborsProbe(train, train, feature=("fc", "local"), k=3)
    history = fit(model, train, 1, [probe]).history
    assert {"nearest_neighbors_fc", "nearest_neighbors_local"} <= set(history)
    assert history["nearest_neighbors_local"] == [1.0]


def test_settings_reach_the_probes(model, train):
    probes = [
        LinearProbe(train, train, c=0.3, max_iterations=50),
        MLPProbe(
            train,
            train,
            units=7,
            dropout=0.2,
            learning_rate=0.02,
            beta_1=0.5,
            probe_batch_size=8,
            epochs=2,
            milestones=(1,),
            decay=0.4,
            seed=3,
        ),
        NearestNeighborsProbe(train, train, k=4, temperature=0.5),
    ]
    history = fit(model, train, 1, probes).history
    assert {
        "linear_probe_global",
        "mlp_probe_global",
        "nearest_neighbors_global",
    } <= set(history)
    linear, mlp, neighbors = (probe.results[0]["protocol"] for probe in probes)
    assert "C=0.3, L-BFGS with at most 50" in linear
    assert "7 units (dropout 0.2" in mlp
    assert "rate 0.02 times 0.4 after epochs 1, beta_1 0.5)" in mlp
    assert "batch 8, 2 epochs, seed 3" in mlp
    assert "4 nearest" in neighbors and "/ 0.5)" in neighbors


def test_a_model_without_an_encoder_is_its_own(train):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)]
    )
    probe = LinearProbe(train, train, feature="output")
    fit(compiled(model), train, 1, [probe])
    assert len(probe.results) == 1


def test_data_sets_of_dicts_are_read_anew_each_time(model, train):
    dataset = tf.data.Dataset.from_tensor_slices(
        {"image": train[0], "label": train[1], "index": np.arange(40)}
    ).batch(16)
    probe = LinearProbe(dataset, dataset)
    fit(model, train, 2, [probe])
    assert [result["num_train"] for result in probe.results] == [40, 40]


def test_the_encoder_is_traced_once_for_all_epochs(model, train):
    probe = LinearProbe(train, (train[0][:7], train[1][:7]), batch_size=7)
    fit(model, train, 3, [probe])
    function = probe._feature_model().predict_function
    assert function.experimental_get_tracing_count() == 1


def test_probing_does_not_change_the_training(train):
    def weights(callbacks):
        keras.utils.set_random_seed(0)
        model = compiled(Method(tiny_encoder()))
        fit(model, train, 2, callbacks)
        return model.get_weights()

    probed = weights(
        [MLPProbe(train, train, epochs=1, every=2), LinearProbe(train, train)]
    )
    for plain, other in zip(weights([]), probed, strict=True):
        np.testing.assert_array_equal(plain, other)


def test_two_replicas_can_be_probed(two_replicas, train):
    with two_replicas.scope():
        model = compiled(Method(tiny_encoder()))
    probes = [LinearProbe(train, train), MLPProbe(train, train, epochs=1)]
    fit(model, train, 1, probes)
    found = extract(model.encoder, train)
    expected = linear_probe(
        found["global"], found["label"], found["global"], found["label"]
    )
    assert probes[0].results[0]["accuracy"] == expected["accuracy"]


def test_an_unknown_feature_is_refused_before_the_first_epoch(model, train):
    before = model.encoder.get_weights()
    with pytest.raises(ValueError, match="no feature 'glob'"):
        fit(model, train, 1, [LinearProbe(train, train, feature="glob")])
    for old, new in zip(before, model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"image": x}])
def test_images_without_labels_are_refused_at_once(train, wrap):
    with pytest.raises(ValueError, match="`test` without any"):
        LinearProbe(train, wrap(train[0]))


def test_a_data_set_without_labels_is_refused(model, train):
    dataset = tf.data.Dataset.from_tensor_slices(train[0]).batch(8)
    with pytest.raises(ValueError, match="`train` without any"):
        fit(model, train, 1, [LinearProbe(dataset, train)])


def test_every_must_be_positive(train):
    with pytest.raises(ValueError, match="`every`"):
        LinearProbe(train, train, every=0)
