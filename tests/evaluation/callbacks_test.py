"""Probes as callbacks: the logs of every epoch have their scores."""

import csv
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim.evaluation import OnlineProbe
from keras_dim.evaluation import ProbeCallback
from keras_dim.evaluation import extract
from keras_dim.evaluation import linear_probe
from keras_dim.evaluation import mlp_probe


class Method(keras.Model):
    """A minimal model with an encoder that can be fitted."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def call(self, images):
        return self.encoder(images)["global"]


def compiled(model):
    model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
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
    probe = ProbeCallback("linear_probe", train, train)
    history = fit(model, train, 2, [probe]).history
    scores = history["linear_probe_global"]
    assert len(scores) == 2
    assert [result["accuracy"] for result in probe.results] == scores
    assert [result["epoch"] for result in probe.results] == [0, 1]
    assert probe.results[0]["feature"] == "global"
    assert "logistic regression" in probe.results[0]["protocol"]


def test_the_score_is_that_of_the_trained_encoder(model, train):
    probe = ProbeCallback(
        "linear_probe", train, train, feature="fc", batch_size=16
    )
    fit(model, train, 1, [probe])
    found = extract(model.encoder, train, "fc")
    expected = linear_probe(
        found["fc"], found["label"], found["fc"], found["label"]
    )
    assert probe.results[0]["accuracy"] == expected["accuracy"]


def test_epochs_without_a_score_repeat_the_last_one(model, train):
    scores = iter(range(9))
    probe = ProbeCallback(
        lambda *arrays: {"accuracy": next(scores) / 10}, train, train, every=3
    )
    history = fit(model, train, 8, [probe]).history

    # The first epoch is due, epochs 3 and 6 are, and the last one always is.
    assert [result["epoch"] for result in probe.results] == [0, 2, 5, 7]
    assert history["<lambda>_global"] == [
        *(0, 0, 0.1, 0.1, 0.1, 0.2, 0.2, 0.3),
    ]


def test_keras_callbacks_can_monitor_a_score_that_is_not_always_due(
    model, train, tmp_path
):
    scores = iter([0.1, 0.5, 0.4, 0.3, 0.9])

    def falling(*arrays):
        return {"accuracy": next(scores)}

    probe = ProbeCallback(falling, train, train, every=2)
    watched = {"monitor": "falling_global", "mode": "max"}
    saved = []
    checkpoint = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "{epoch}.weights.h5"),
        save_best_only=True,
        save_weights_only=True,
        **watched,
    )
    stop = keras.callbacks.EarlyStopping(patience=4, **watched)
    history = fit(model, train, 20, [probe, checkpoint, stop]).history

    # The best is of epoch 2; four epochs later, none of them better, it ends.
    assert history["falling_global"] == [0.1, 0.5, 0.5, 0.4, 0.4, 0.3]
    saved = sorted(path.name for path in tmp_path.iterdir())
    assert saved == ["1.weights.h5", "2.weights.h5"]


def test_the_log_file_gets_the_scores(model, train, tmp_path):
    probe = ProbeCallback("linear_probe", train, train, every=2)
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    fit(model, train, 3, [probe, log])
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found = [float(row["linear_probe_global"]) for row in rows]
    assert found == [result["accuracy"] for result in probe.results]


def test_several_features_are_scored_one_by_one(model, train):
    probe = ProbeCallback(
        "nearest_neighbors", train, train, feature=("fc", "local"), k=3
    )
    history = fit(model, train, 1, [probe]).history
    assert {"nearest_neighbors_fc", "nearest_neighbors_local"} <= set(history)
    assert history["nearest_neighbors_local"] == [1.0]


def test_settings_reach_the_probes(model, train):
    probes = [
        ProbeCallback("linear_probe", train, train, c=0.3, max_iterations=50),
        ProbeCallback(
            # Its batches are not those of the encoder.
            functools.partial(mlp_probe, units=7, batch_size=8),
            train,
            train,
            dropout=0.2,
            learning_rate=0.02,
            beta_1=0.5,
            epochs=2,
            milestones=(1,),
            decay=0.4,
            seed=3,
        ),
        ProbeCallback("nearest_neighbors", train, train, k=4, temperature=0.5),
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


def test_a_model_without_an_encoder_is_its_own_encoder(train):
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)]
    )
    probe = ProbeCallback("linear_probe", train, train, feature="output")
    fit(compiled(model), train, 1, [probe])
    assert len(probe.results) == 1


def test_data_sets_of_dicts_are_read_anew_each_time(model, train):
    dataset = tf.data.Dataset.from_tensor_slices(
        {"image": train[0], "label": train[1], "index": np.arange(40)}
    ).batch(16)
    probe = ProbeCallback("linear_probe", dataset, dataset)
    fit(model, train, 2, [probe])
    assert [result["num_train"] for result in probe.results] == [40, 40]


def test_the_encoder_is_traced_once_for_all_epochs(model, train):
    probe = ProbeCallback(
        "linear_probe", train, (train[0][:7], train[1][:7]), batch_size=7
    )
    fit(model, train, 3, [probe])
    function = probe._encoder.predict_function
    assert function.experimental_get_tracing_count() == 1


def test_probing_does_not_change_the_training(train):
    def weights(callbacks):
        keras.utils.set_random_seed(0)
        model = compiled(Method(tiny_encoder()))
        fit(model, train, 2, callbacks)
        return model.get_weights()

    probed = weights(
        [
            ProbeCallback("mlp_probe", train, train, epochs=1, every=2),
            ProbeCallback("linear_probe", train, train),
        ]
    )
    for plain, other in zip(weights([]), probed, strict=True):
        np.testing.assert_array_equal(plain, other)


def test_two_replicas_can_be_probed(two_replicas, train):
    with two_replicas.scope():
        model = compiled(Method(tiny_encoder()))
    probes = [
        ProbeCallback("linear_probe", train, train),
        ProbeCallback("mlp_probe", train, train, epochs=1),
    ]
    fit(model, train, 1, probes)
    found = extract(model.encoder, train)
    expected = linear_probe(
        found["global"], found["label"], found["global"], found["label"]
    )
    assert probes[0].results[0]["accuracy"] == expected["accuracy"]


def test_an_unknown_feature_is_refused_before_the_first_epoch(model, train):
    before = model.encoder.get_weights()
    with pytest.raises(ValueError, match="no feature 'glob'"):
        fit(
            model,
            train,
            1,
            [ProbeCallback("linear_probe", train, train, feature="glob")],
        )
    for old, new in zip(before, model.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"image": x}])
def test_images_without_labels_are_refused_at_once(train, wrap):
    with pytest.raises(ValueError, match="`test` of .* needs labels"):
        ProbeCallback("linear_probe", train, wrap(train[0]))


def no_epoch(model, train, probe):
    """Fits, and fails if a step changed the weights."""
    before = model.get_weights()
    try:
        fit(model, train, 1, [probe()])
    finally:
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


PROBES = {
    "callback": lambda train, test: ProbeCallback("linear_probe", train, test),
    "online": lambda train, test: OnlineProbe(train, test, 2),
}


def as_data_set(columns, kind):
    if kind == "arrays":
        return columns
    if kind == "tf.data":
        return tf.data.Dataset.from_tensor_slices(columns).batch(16)
    return [tuple(column[:16] for column in columns)]


@pytest.mark.parametrize("kind", ["arrays", "tf.data", "list"])
@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda y: np.eye(2)[y], "numpy.argmax"),
        (lambda y: np.array(["cat", "dog"])[y], "numpy.unique"),
        (lambda y: None, "needs labels"),
    ],
)
def test_labels_are_checked_before_the_first_epoch(
    model, train, kind, probe, labels, message
):
    images, y = train
    y = labels(y)
    wrong = as_data_set((images,) if y is None else (images, y), kind)
    for parts in ((wrong, train), (train, wrong)):
        with pytest.raises(ValueError, match=message):
            no_epoch(model, train, lambda parts=parts: PROBES[probe](*parts))


@pytest.mark.parametrize("probe", PROBES)
def test_images_are_checked_before_the_first_epoch(model, train, probe):
    images, y = train
    for wrong, message in (
        (images / 255, r"\[0, 255\]"),
        (images[:, :6], "do not fit"),
        (images.transpose(0, 3, 1, 2), "channels first"),
    ):
        with pytest.raises(ValueError, match=message):
            no_epoch(
                model,
                train,
                lambda wrong=wrong: PROBES[probe](train, (wrong, y)),
            )


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize("kind", ["arrays", "tf.data", "list"])
def test_a_column_of_labels_is_taken(model, train, probe, kind):
    columns = as_data_set((train[0], train[1][:, None]), kind)

    fit(model, train, 1, [PROBES[probe](columns, columns)])


@pytest.mark.parametrize("probe", PROBES)
def test_all_images_without_a_label_are_refused(train, probe):
    with pytest.raises(ValueError, match="All 40 are -1"):
        PROBES[probe]((train[0], -np.ones(40, int)), train)


@pytest.mark.parametrize("probe", PROBES)
def test_an_iterator_is_refused(train, probe):
    with pytest.raises(ValueError, match="an iterator only once"):
        PROBES[probe](iter([train]), train)


def test_labels_out_of_range_are_refused_by_the_online_probe(train):
    with pytest.raises(ValueError, match="from 0 to 1"):
        OnlineProbe(train, (train[0], train[1] + 1), 2)


def test_an_unknown_argument_is_refused_at_once(train):
    with pytest.raises(
        ValueError, match="Unknown argument of nearest_neighbors: 'kk'"
    ):
        ProbeCallback("nearest_neighbors", train, train, kk=3)


def test_a_function_gets_labels_as_numbers(model, train):
    seen = []

    def own_probe(train_features, train_labels, test_features, test_labels):
        seen.append((train_labels, test_labels))
        return {"accuracy": 0.5}

    column = (train[0], train[1][:, None])
    fit(model, train, 1, [ProbeCallback(own_probe, column, column)])
    for labels in seen[0]:
        assert labels.tolist() == train[1].tolist()


def test_a_probe_can_use_few_labels(model, train):
    probe = ProbeCallback("linear_probe", train, train, labels_per_class=5)
    fit(model, train, 1, [probe])
    assert probe.results[0]["num_train"] == 10


def test_numbers_below_one_are_refused(train):
    with pytest.raises(ValueError, match="`every`"):
        ProbeCallback("linear_probe", train, train, every=0)
    with pytest.raises(ValueError, match="`batch_size`"):
        ProbeCallback("linear_probe", train, train, batch_size=0)
