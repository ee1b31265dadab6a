"""The scores of a preset's card are computed again and compared."""

import json

import numpy as np
import pytest
from tiny_encoder import tiny_encoder

from keras_dim import catalog
from keras_dim import presets
from keras_dim.presets import registry
from keras_dim.training import labelled_images
from keras_dim.training import score
from keras_dim.training import verify

DATA = {"source": "digits", "split": "train", "test_split": "test"}


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A preset whose card has two true scores."""
    root = tmp_path_factory.mktemp("presets")
    encoder = tiny_encoder()
    images = labelled_images("digits", image_shape=(8, 8, 3))
    scores = [
        score(encoder, images, "fc", "linear_probe", {"labels_per_class": 20}),
        score(encoder, images, "local", "nearest_neighbors", {"k": 3}),
    ]
    presets.save_preset(
        encoder,
        "tiny",
        root,
        config={},
        metadata={
            "description": "Untrained.",
            "trained_on": "nothing",
            "licence": "MIT",
            "scores": scores,
            "data": DATA,
        },
    )
    return root


@pytest.fixture
def edit(preset):
    """Changes the metadata, and restores them after the test."""
    path = preset / "tiny" / "metadata.json"
    before = path.read_text()

    def write(text):
        path.write_text(text)
        sums = registry.sums(path.parent)
        (path.parent / registry.SUMS).write_text(sums)

    def change(function):
        metadata = json.loads(before)
        function(metadata)
        write(json.dumps(metadata))

    yield change
    write(before)


def test_a_true_card_is_confirmed(preset):
    results = verify("tiny", preset, tolerance=0.0)

    assert [result["feature"] for result in results] == ["fc", "local"]
    assert all(result["agrees"] for result in results)
    assert all(result["card"] == result["measured"] for result in results)


def test_a_preset_may_be_given_by_its_folder(preset, monkeypatch):
    monkeypatch.chdir(preset)
    assert all(result["agrees"] for result in verify("./tiny"))


def test_a_false_card_is_found_out(preset, edit):
    def boast(metadata):
        metadata["scores"][1]["accuracy"] += 0.01

    edit(boast)

    assert [r["agrees"] for r in verify("tiny", preset)] == [True, False]
    assert all(r["agrees"] for r in verify("tiny", preset, tolerance=1.0))


def test_missing_images_are_reported_and_the_others_are_scored(preset, edit):
    missing = {**DATA, "source": "no/such/folder"}
    edit(lambda metadata: metadata["scores"][0].update(data=missing))

    first, second = verify("tiny", preset)

    assert (first["measured"], first["agrees"]) == (None, False)
    assert "no/such/folder" in first["reason"]
    assert second["agrees"]


def test_a_card_none_of_whose_images_are_found_is_refused(preset, edit):
    edit(lambda metadata: metadata["data"].update(source="no/such/folder"))

    with pytest.raises((ValueError, FileNotFoundError), match="no/such/folder"):
        verify("tiny", preset)


def test_a_stand_in_is_verified_by_its_own_card(preset, monkeypatch):
    stand_ins = {"other": ("tiny", "This is 'tiny'.")}
    monkeypatch.setattr(catalog, "STAND_INS", stand_ins)

    with pytest.warns(UserWarning, match="This is 'tiny'"):
        results = verify("other", preset, tolerance=0.0)

    assert all(result["agrees"] for result in results)


def test_a_score_may_be_of_other_images(preset, edit, tmp_path):
    generator = np.random.default_rng(0)
    images = generator.integers(256, size=(40, 8, 8, 3), dtype="uint8")
    for split in ("train", "test"):
        np.savez(
            tmp_path / f"{split}.npz",
            image=images if split == "train" else images[::-1],
            label=np.arange(40) % 4 + (4 if split == "test" else 0),
        )
    with np.load(tmp_path / "train.npz") as train:
        with np.load(tmp_path / "test.npz") as test:
            np.savez(
                tmp_path / "both.npz",
                **{f"train_{name}": train[name] for name in train},
                **{f"test_{name}": test[name] for name in test},
            )
    data = {
        "source": str(tmp_path / "both.npz"),
        "split": "train",
        "test_split": "test",
    }
    arguments = {"ways": 4, "shots": 2, "queries": 5, "episodes": 10}
    few_shot = score(
        presets.pretrained("tiny", preset),
        labelled_images(**data, image_shape=(8, 8, 3)),
        "fc",
        "few_shot",
        arguments,
    )
    edit(lambda m: m["scores"].insert(1, {**few_shot, "data": data}))

    results = verify("tiny", preset, tolerance=0.0)
    assert [result["probe"] for result in results] == [
        "linear_probe",
        "few_shot",
        "nearest_neighbors",
    ]
    assert all(result["agrees"] for result in results)


def test_a_preset_may_state_its_own_tolerance(preset, edit):
    def boast(metadata):
        metadata["scores"][1]["accuracy"] += 0.01
        metadata["tolerance"] = 2.0

    edit(boast)

    assert all(result["agrees"] for result in verify("tiny", preset))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("data"), "Missing: .'source'"),
        (
            lambda m: m["scores"][0].update(data={"source": "digits"}),
            "Missing: .'split'",
        ),
        (lambda m: m["scores"].clear(), "hold no score"),
        (lambda m: m["scores"][0].pop("arguments"), "Missing: .'arguments'"),
        (lambda m: m["scores"][0].update(probe="svm"), "Unknown probe"),
    ],
)
def test_a_card_that_cannot_be_repeated_is_refused(
    preset, edit, change, message
):
    edit(change)

    with pytest.raises(ValueError, match=message):
        verify("tiny", preset)
