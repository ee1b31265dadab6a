import json

import keras
import numpy as np
import pytest
import tiny_images
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

import keras_dim
from keras_dim import encoders
from keras_dim import training
from keras_dim.cli import main
from keras_dim.training import classifying


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return tiny_encoder(channels=1)


@pytest.fixture(scope="module")
def run(encoder, tmp_path_factory):
    """The result, the reports, the folder, and the weights before."""
    folder = tmp_path_factory.mktemp("classify")
    encoder.save(folder / "encoder.keras")
    before = encoder.get_weights()
    reports = []
    result = training.classify(
        encoder,
        "digits",
        folder / "out",
        feature="fc",
        epochs=2,
        learning_rate=3e-3,
        report=reports.append,
    )
    return result, reports, folder / "out", before


@pytest.fixture
def no_export(monkeypatch):
    """Skips the SavedModel, which takes seconds; `run` has one."""
    monkeypatch.setattr(classifying.exporting, "export", lambda *_: None)


def test_each_stage_is_better_than_the_majority_class(run):
    result, reports, _, _ = run
    assert result["majority_class"] < 0.2
    assert result["majority_class"] < result["linear"] < result["accuracy"]
    assert result["frozen_probe"] > result["majority_class"]
    assert result["stage"] == "unfrozen"
    # 10 % of each of ten classes.
    assert result["num_held_out"] == pytest.approx(144, abs=3)
    assert result["num_train"] + result["num_held_out"] == 1437
    stages = [about["stage"] for about in reports]
    assert stages == ["features", "linear", "unfrozen", "unfrozen"]


def test_the_folder_holds_the_classifier_that_was_scored(run):
    result, _, folder, _ = run
    assert json.loads((folder / "metrics.json").read_text()) == result
    names = json.loads((folder / "classes.json").read_text())
    assert len(names) == 10
    model = keras.models.load_model(folder / "classifier.keras")
    batches = keras_dim.data.load(
        "digits", "test", image_size=8, channels=1, as_pairs=True
    )
    right = [
        np.argmax(model(image), axis=-1) == label for image, label in batches
    ]
    assert np.mean(np.concatenate(right)) == result["accuracy"]
    loaded = keras.layers.TFSMLayer(
        folder / "classifier" / "1", call_endpoint="native"
    )
    images = next(iter(batches))[0]
    np.testing.assert_allclose(
        loaded(images)["probabilities"], model(images), atol=1e-5
    )


def test_the_encoder_is_not_changed(run, encoder):
    for old, new in zip(run[3], encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_linear_stage_is_the_logistic_regression(num_classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    features = rng.normal(5.0, 3.0, (60, 4))
    labels = rng.integers(0, num_classes, 60)
    kernel, bias = classifying._regression(features, labels)
    logits = features @ kernel + bias
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected = probe.fit(features, labels).predict_proba(features)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_some_of_each_class_are_held_out():
    labels = np.repeat([0, 1, 2], [50, 5, 1])
    is_out = classifying._held_out(labels, 0.1, seed=0)
    assert [np.sum(is_out[labels == label]) for label in range(3)] == [5, 1, 0]
    again = classifying._held_out(labels, 0.1, seed=0)
    other = classifying._held_out(labels, 0.1, seed=1)
    np.testing.assert_array_equal(is_out, again)
    assert not np.array_equal(is_out, other)
    with pytest.raises(ValueError, match="no class has two labelled"):
        classifying._held_out(np.arange(3), 0.1, seed=0)


def arrays(labels, folder):
    """An `.npz` file of the same images for training and test."""
    rng = np.random.default_rng(1)
    parts = {"x_train": pixels(rng, 24, channels=1), "y_train": labels}
    parts |= {"x_test": pixels(rng, 12, channels=1), "y_test": labels[:12]}
    np.savez(folder / "images.npz", **parts)
    return str(folder / "images.npz")


@pytest.mark.usefixtures("no_export")
def test_worse_weights_of_the_second_stage_are_not_kept(encoder, tmp_path):
    # On noise, a huge step increases the held-out cross entropy.
    source = arrays(np.arange(24) % 2, tmp_path)
    result = training.classify(
        encoder, source, tmp_path / "out", epochs=1, learning_rate=10.0
    )
    assert result["stage"] == "linear" and result["epochs"] == 1
    assert result["accuracy"] == result["linear"]
    model = keras.models.load_model(tmp_path / "out" / "classifier.keras")
    trained = model.get_layer("encoder").get_weights()
    part = encoders.classifier(encoder, 2).get_layer("encoder").get_weights()
    for old, new in zip(part, trained, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.usefixtures("no_export")
def test_images_keep_their_labels_where_some_are_damaged(tmp_path):
    for split in ("train", "test"):
        for shade, name in ((20, "dark"), (220, "light")):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(12):
                image = np.full((4, 4, 1), shade + number, np.uint8)
                data = tiny_images.encode(image)
                # Each one shifts the rows of later images.
                is_damaged = split == "train" and number in (0, 5)
                data = data[:40] if is_damaged else data
                (folder / f"{number:02}.png").write_bytes(data)
    image = keras.Input((4, 4, 1))
    mean = keras.layers.GlobalAveragePooling2D()(image)
    reports = []
    result = training.classify(
        keras.Model(image, {"global": mean}),
        tmp_path / "photos",
        tmp_path / "out",
        epochs=0,
        held_out=0.5,
        report=reports.append,
    )
    assert result["num_train"] + result["num_held_out"] == 20
    # Of the images that are read again by their rows.
    assert reports[1]["stage"] == "linear" and reports[1]["accuracy"] == 1.0
    assert result["accuracy"] == 1.0


@pytest.mark.usefixtures("no_export")
def test_labels_need_not_begin_at_0_and_may_be_missing(encoder, tmp_path):
    labels = np.array([7, 3, -1, 7] * 6)
    source = arrays(labels, tmp_path)
    result = training.classify(encoder, source, tmp_path / "out", epochs=0)
    assert result["num_train"] + result["num_held_out"] == 18
    names = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert names == ["3", "7"]


@pytest.mark.usefixtures("no_export")
def test_the_command_prints_stages_and_scores(run, tmp_path, capsys):
    encoder = run[2].parent / "encoder.keras"
    arguments = [f"--encoder={encoder}", "--source=digits", "--epochs=1"]
    arguments += ["--patience=1", f"--output={tmp_path / 'out'}"]
    assert main.run(["classify", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Reading the features of 1,797 images..."
    assert lines[1].startswith("Linear: ")
    assert lines[2].startswith("Epoch 1 of at most 1: loss ")
    assert any(line.startswith("the most frequent class") for line in lines)
    assert "Accuracy on 360 test images" in lines[-2]
    # The same folder is refused.
    assert main.run(["classify", *arguments]) == 2
    assert "out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"test_split": "train"}, "no split 'train' of its own"),
        ({"held_out": 1.5}, "held_out"),
        ({"feature": "nothing"}, "no feature 'nothing'"),
    ],
)
def test_mistakes_are_refused(encoder, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        training.classify(encoder, "digits", tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
