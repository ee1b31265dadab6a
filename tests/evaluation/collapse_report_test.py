import keras
import numpy as np
import pytest
from absl import logging
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim.evaluation import CollapseReport
from keras_dim.evaluation import extract
from keras_dim.evaluation import spread


@pytest.fixture
def images():
    return pixels(np.random.default_rng(0), 64)


@pytest.fixture
def warnings(monkeypatch):
    found = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: found.append(text % args)
    )
    return found


def report_on(encoder, images, epochs=1, **arguments):
    """The report and the logs of epochs without training."""
    report = CollapseReport(images, **arguments)
    report.set_model(encoder)
    report.on_train_begin()
    logs = [{} for _ in range(epochs)]
    for epoch in range(epochs):
        report.on_epoch_end(epoch, logs[epoch])
    return report, logs


def collapse_to_a_point(encoder):
    kernel, bias = encoder.layers[-1].weights
    kernel.assign(1e-4 * kernel)
    bias.assign(np.ones(bias.shape))


def collapse_to_a_line(encoder):
    kernel, bias = encoder.layers[-1].weights
    kernel.assign(np.ones(kernel.shape))
    bias.assign(np.zeros(bias.shape))


def test_the_numbers_are_those_of_the_features(images):
    encoder = tiny_encoder()
    (logs,) = report_on(encoder, images, feature=("fc", "global"))[1]
    found = extract(encoder, images, ("fc", "global"))

    assert len(logs) == 6
    for name in ("fc", "global"):
        rank = spread.effective_rank(found[name])
        assert logs[f"effective_rank_{name}"] == rank
        deviations = found[name].astype(float).std(axis=0)
        np.testing.assert_allclose(
            [
                logs[f"smallest_deviation_{name}"],
                logs[f"mean_deviation_{name}"],
            ],
            [deviations.min(), deviations.mean()],
            rtol=1e-6,
        )


def test_a_healthy_encoder_is_not_warned_about(images, warnings):
    report_on(tiny_encoder(), images)
    assert not warnings


@pytest.mark.parametrize(
    ("collapse", "words"),
    [
        (collapse_to_a_point, "the same for all 64 images"),
        (collapse_to_a_line, "its 5 units vary in a single direction"),
    ],
)
def test_a_collapse_is_warned_about_in_the_first_epoch(
    collapse, words, images, warnings
):
    encoder = tiny_encoder()
    collapse(encoder)
    report_on(encoder, images)

    (warning,) = warnings
    assert "'global' has collapsed by the end of epoch 1" in warning
    assert words in warning


def test_a_collapse_is_warned_about_once_and_again_after_a_recovery(
    images, warnings
):
    encoder = tiny_encoder()
    healthy = encoder.get_weights()
    report, _ = report_on(encoder, images)
    for epoch, is_healthy in enumerate((False, False, True, False)):
        if is_healthy:
            encoder.set_weights(healthy)
        else:
            collapse_to_a_point(encoder)
        report.on_epoch_end(epoch)

    assert ["epoch 1:" in warnings[0], "epoch 4:" in warnings[1]] == [True] * 2
    assert len(warnings) == 2


def test_fit_has_the_numbers_in_its_history(images):
    encoder = tiny_encoder()
    model = keras.Model(encoder.inputs, encoder.output["global"])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    history = model.fit(
        images,
        np.zeros((64, 5)),
        epochs=2,
        callbacks=[CollapseReport(images, feature="output")],
        verbose=0,
    ).history

    assert len(history["effective_rank_output"]) == 2
    assert 1.5 < history["effective_rank_output"][0] <= 5


def test_one_image_is_refused(images):
    with pytest.raises(ValueError, match="2 images or more.*features vary"):
        CollapseReport(images[:1])


def test_a_missing_feature_is_refused_before_training(images):
    with pytest.raises(ValueError, match="no feature 'colour'"):
        report_on(tiny_encoder(), images, feature="colour")


@pytest.mark.parametrize("kind", ["range", "size"])
def test_images_that_are_no_raw_pixels_are_refused_before_training(
    images, kind
):
    wrong = images / 255 if kind == "range" else images[:, :6]
    with pytest.raises(ValueError, match="expects"):
        report_on(tiny_encoder(), wrong)


def lagging(momentum=0.999):
    """An encoder whose batch norm has a far too large moving variance."""
    images = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(images)
    x = keras.layers.Dense(5)(keras.layers.Flatten()(x))
    norm = keras.layers.BatchNormalization(momentum=momentum)
    x = keras.layers.Dropout(0.1)(norm(x))
    encoder = keras.Model(images, {"global": keras.layers.Dense(5)(x)})
    norm.moving_variance.assign(1e8 * np.ones(5))
    encoder.layers[-1].bias.assign(np.ones(5))
    return encoder


def test_a_lagging_batch_norm_is_no_collapse(images, warnings):
    encoder = lagging()
    before = [np.array(variable) for variable in encoder.variables]

    (logs,) = report_on(encoder, images)[1]

    (warning,) = warnings
    assert "moving statistics lag behind" in warning
    # The logged numbers are those with the moving statistics.
    assert logs["mean_deviation_global"] < 1e-3
    for one, other in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_collapse_is_found_in_spite_of_a_lagging_batch_norm(images, warnings):
    encoder = lagging()
    collapse_to_a_point(encoder)

    report_on(encoder, images)

    assert "has collapsed" in warnings[0]


def test_two_replicas_distinguish_lag_from_collapse(
    two_replicas, images, warnings
):
    with two_replicas.scope():
        encoder = lagging()

    report_on(encoder, images)

    assert "lag behind" in warnings[0]
