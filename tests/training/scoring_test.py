"""Scores of a run have baselines, can be repeated, and are of test images."""

import json
import shutil

import numpy as np
import pytest
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder
from tiny_recipe import tiny_recipe

from keras_dim import evaluation
from keras_dim.training import NoLabelsError
from keras_dim.training import labelled_images
from keras_dim.training import labelled_images_of
from keras_dim.training import pretrain
from keras_dim.training import run_probe
from keras_dim.training import score
from keras_dim.training import score_run


@pytest.fixture
def images():
    return labelled_images("digits", image_shape=(8, 8, 3))


@pytest.fixture
def blobs():
    """Two separate classes of 30 rows, and 10 rows to score."""
    generator = np.random.default_rng(0)
    labels = np.arange(70) % 2
    rows = generator.normal(size=(70, 4)).astype("float32")
    rows[:, 0] += 8 * labels
    return rows[:60], labels[:60], rows[60:], labels[60:]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "finished"
    pretrain(tiny_recipe(epochs=1), directory, verbose=0)
    return directory


def test_a_run_is_scored_with_raw_pixels_and_its_untrained_encoder(
    finished, tmp_path
):
    run = shutil.copytree(finished, tmp_path / "run")
    seen = []
    scores = score_run(run, report=seen.append)

    assert seen == scores
    assert json.loads((run / "metrics.json").read_text())["scores"] == scores
    found = {(s["probe"], s["feature"], s["num_train"]) for s in scores}
    # 100 are 10 labels to each of 10 classes.
    assert found == {
        (probe, feature, rows)
        for probe, rows in (
            ("linear_probe", 1437),
            ("nearest_neighbors", 1437),
            ("linear_probe", 100),
        )
        for feature in ("fc", "global")
    }
    for entry in scores:
        assert entry["num_test"] == 360
        for who in ("accuracy", "untrained", "raw_pixels"):
            assert 0 <= entry[who] <= 1
    # The scores of raw pixels do not depend on the feature.
    assert scores[0]["raw_pixels"] == scores[1]["raw_pixels"] > 0.9


def test_a_run_from_a_trained_encoder_is_scored_with_that_one_too(
    finished, tmp_path
):
    run = shutil.copytree(finished, tmp_path / "run")
    recipe = tiny_recipe(epochs=1, start_from="elsewhere")
    recipe.save(run / "recipe.json")
    shutil.copy(run / "encoder.keras", run / "start_encoder.keras")
    scores = score_run(run, labelled_images("digits", image_shape=(8, 8, 1)))

    assert [s["start"] for s in scores] == [s["accuracy"] for s in scores]
    assert [s["untrained"] for s in scores] != [s["start"] for s in scores]


def test_raw_pixels_are_scored_by_the_same_probe(finished):
    images = labelled_images_of(tiny_recipe())
    encoder = evaluation.raw_pixels_encoder((8, 8, 1))
    found = score(encoder, images, "raw_pixels", "nearest_neighbors", {"k": 1})

    train, test = (
        evaluation.extract(encoder, part, "raw_pixels")
        for part in (images.train, images.test)
    )
    expected = evaluation.nearest_neighbors(
        train["raw_pixels"],
        train["label"],
        test["raw_pixels"],
        test["label"],
        1,
    )
    assert found["accuracy"] == expected["accuracy"]
    assert found["arguments"] == {"k": 1}


def test_a_score_says_how_to_repeat_it(images):
    encoder = tiny_encoder()
    few = {"labels_per_class": 3, "num_draws": 2, "draw_seed": 5}
    first = score(encoder, images, "fc", "linear_probe", few)

    again = score(
        encoder, images, first["feature"], first["probe"], first["arguments"]
    )
    assert again == first
    assert (
        "3 labels to a class, mean of 2 draws with seed 5"
        in (first["protocol"])
    )
    json.dumps(first)


def test_few_labels_are_the_stated_number(blobs):
    result = run_probe(
        *blobs, "linear_probe", {"labels_per_class": 4, "num_draws": 3}
    )

    assert result["num_train"] == 8
    assert len(result["accuracies"]) == 3
    assert result["accuracy"] == np.mean(result["accuracies"]) > 0.9


def test_rows_without_a_label_are_not_drawn(blobs):
    train, labels, test, test_labels = blobs
    labels = np.where(np.arange(60) < 40, -1, labels)

    result = run_probe(
        train,
        labels,
        test,
        test_labels,
        "nearest_neighbors",
        {"labels_per_class": 10, "k": 1},
    )
    assert result["num_train"] == 20


def test_classes_without_training_images_may_be_left_out(blobs):
    train, labels, test, test_labels = blobs
    other = np.full(len(test_labels), 7)
    rows = (
        train,
        labels,
        np.concatenate([test, test]),
        np.concatenate([test_labels, other]),
    )
    all_rows = run_probe(*rows, "nearest_neighbors", {"k": 3})
    known = run_probe(
        *rows, "nearest_neighbors", {"k": 3, "test_classes": "trained"}
    )
    expected = run_probe(*blobs, "nearest_neighbors", {"k": 3})
    assert known["accuracy"] == expected["accuracy"]
    assert known["num_test"] == len(test)
    assert known["protocol"].endswith("classes that have training images")
    assert all_rows["accuracy"] == expected["accuracy"] / 2


def test_few_shot_episodes_have_only_labelled_images(blobs):
    train, labels, test, _ = blobs
    names = np.where(np.arange(10) < 2, -1, 2 + np.arange(10) % 2)
    arguments = {"ways": 2, "shots": 1, "queries": 1, "episodes": 2}
    found = run_probe(train, labels, test, names, "few_shot", arguments)
    assert found["num_test"] == 8


def test_few_shot_episodes_have_classes_without_training_images(blobs):
    train, labels, test, test_labels = blobs
    features = np.concatenate([test, test + 100, test - 100])
    # The first two classes are those of training, and are left out.
    names = np.concatenate([test_labels, test_labels + 2, test_labels + 4])
    arguments = {"ways": 4, "shots": 1, "queries": 2, "episodes": 20}
    found = run_probe(train, labels, features, names, "few_shot", arguments)
    assert found["num_classes"] == 4
    assert found["num_test"] == 2 * len(test)
    assert "without training images" in found["protocol"]
    expected = evaluation.few_shot(
        features[names >= 2], names[names >= 2], **arguments
    )
    assert found["accuracy"] == expected["accuracy"]


@pytest.mark.parametrize(
    ("probe", "arguments", "message"),
    [
        ("svm", {}, "Unknown probe"),
        ("linear_probe", {"test_classes": "odd"}, "'odd'.*'trained'"),
        ("few_shot", {"k": 3}, "Unknown argument of few_shot: 'k'"),
        ("linear_probe", {"k": 3}, "Unknown argument .*: 'k'"),
        ("linear_probe", {"labels_per_class": 0}, "1 or more"),
        ("linear_probe", {"num_draws": 1.5}, "1 or more"),
        ("linear_probe", {"labels_per_class": 31}, "only 30 images of class"),
    ],
)
def test_arguments_that_a_probe_does_not_take_are_refused(
    blobs, probe, arguments, message
):
    with pytest.raises(ValueError, match=message):
        run_probe(*blobs, probe, arguments)


def write_array(path, labels=True, **splits):
    generator = np.random.default_rng(0)
    arrays = {}
    for name, number in splits.items():
        arrays[f"images_{name}" if name else "images"] = pixels(
            generator, number
        )
        if labels:
            arrays[f"labels_{name}" if name else "labels"] = (
                np.arange(number) % 2
            )
    np.savez(path, **arrays)
    return path


def test_images_without_labels_are_not_scored(tmp_path):
    path = write_array(tmp_path / "x.npz", labels=False, train=6, test=4)

    with pytest.raises(NoLabelsError, match="no labels in 'train'"):
        labelled_images(path, image_shape=(8, 8, 3))


def test_the_images_of_training_are_not_scored(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "x.npz"
    np.savez(path, images=pixels(generator, 6), labels=np.arange(6) % 2)

    with pytest.raises(NoLabelsError, match="no split 'test'.*_split 0.2"):
        labelled_images(path, image_shape=(8, 8, 3))


def test_a_recipe_without_a_test_split_is_not_scored():
    with pytest.raises(NoLabelsError, match="no split to score on"):
        labelled_images_of(tiny_recipe(test_split=None))


def test_larger_images_are_cut_in_their_middle(tmp_path):
    path = write_array(tmp_path / "x.npz", train=6, test=4)

    whole = labelled_images(path, image_shape=(8, 8, 3))
    cut = labelled_images(path, image_shape=(4, 4, 3), image_size=8)

    first = next(iter(whole.test))["image"].numpy()
    np.testing.assert_array_equal(
        next(iter(cut.test))["image"].numpy(), first[:, 2:6, 2:6]
    )
    assert "centre crops of 4 x 4 pixels" in cut.note


def test_a_cut_that_the_images_are_too_small_for_is_refused(tmp_path):
    path = write_array(tmp_path / "x.npz", train=2, test=2)
    with pytest.raises(ValueError, match="`image_size` .* 8 or more.*: 6"):
        labelled_images(path, image_shape=(8, 8, 3), image_size=6)


def test_of_too_many_training_images_a_sample_is_drawn_and_noted(tmp_path):
    path = write_array(tmp_path / "x.npz", train=20, test=4)

    images = labelled_images(
        path, image_shape=(8, 8, 3), max_train_images=7, batch_size=4
    )

    drawn, again = (
        [int(i) for batch in images.train for i in batch["index"]]
        for _ in range(2)
    )
    assert again == drawn
    assert all(len(batch["label"]) <= 4 for batch in images.train)
    assert len(drawn) == len(set(drawn)) == 7
    assert drawn != list(range(7))
    assert "7 of 20 training images" in images.note
    assert sum(len(batch["label"]) for batch in images.test) == 4


def test_a_share_is_one_of_the_images_of_the_split():
    for name in ("probe_split", "test_split"):
        parts = labelled_images_of(tiny_recipe(**{name: "0.2"}))
        assert "; 287 of 1,437 images drawn for test" in parts.note
        counts = [
            sum(len(batch["label"]) for batch in part)
            for part in (parts.train, parts.test)
        ]
        assert counts == [1150, 287]
    parts = labelled_images(
        "digits", "test", 0.5, image_shape=(8, 8, 1), batch_size=64
    )
    assert "180 of 360 images" in parts.note


def test_images_without_splits_are_split(tmp_path):
    path = tmp_path / "x.npz"
    images = pixels(np.random.default_rng(0), 20)
    np.savez(path, images=images, labels=np.arange(20) % 2)
    parts = labelled_images(
        path, test_split=0.25, image_shape=(8, 8, 3), max_train_images=9
    )

    train, test = (
        {int(i) for batch in part for i in batch["index"]}
        for part in (parts.train, parts.test)
    )
    assert len(train) == 9 and len(test) == 5 and not train & test
    assert "5 of 20 images drawn for test" in parts.note
    # Opened once.
    assert parts.sources[0] is parts.sources[1]
    assert "9 of 15 training images" in parts.note
    for name in ("probe_split", "test_split"):
        recipe = tiny_recipe(probe_source=str(path), **{name: "0.25"})
        other = labelled_images_of(recipe)
        assert test == {int(i) for batch in other.test for i in batch["index"]}
    recipe = tiny_recipe(
        split="all", probe_source=str(path), probe_split="0.25"
    )
    assert "5 of 20 images drawn" in labelled_images_of(recipe).note
    with pytest.raises(ValueError, match="number of test images.*1 to 19.*: 0"):
        labelled_images(path, test_split=0.01, image_shape=(8, 8, 3))
    with pytest.raises(ValueError, match="`test_split` must.*: 2"):
        labelled_images(path, test_split=2, image_shape=(8, 8, 3))
