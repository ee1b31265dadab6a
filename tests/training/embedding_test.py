"""An embedding is an array with a table of its rows."""

import csv

import keras
import numpy as np
import pytest
import tiny_images
from absl import logging
from tiny_encoder import tiny_encoder

from keras_dim import evaluation
from keras_dim.training import embed


@pytest.fixture(scope="module")
def encoder():
    return tiny_encoder()


@pytest.fixture
def photos(tmp_path):
    """Writes images whose names a table must quote, and two damaged ones."""
    folder = tmp_path / "photos"
    for number, name in enumerate(
        ["cat/a,b.png", "cat/line\nbreak.png", 'dog/"quoted".png', "dog/é.png"]
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny_images.encode(tiny_images.pixels(number)))
    whole = tiny_images.encode(tiny_images.pixels(9, (64, 64, 3)))
    # One is found by its header, the other when it is decoded.
    (folder / "cat" / "empty.png").write_bytes(b"")
    (folder / "dog" / "cut.png").write_bytes(whole[:200])
    return folder


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_has_its_image_and_its_label(photos, tmp_path, encoder):
    result = embed(encoder, photos, tmp_path / "out", "fc", batch_size=3)

    features = np.load(tmp_path / "out" / "features.npy", mmap_mode="r")
    index = table(tmp_path / "out" / "index.csv")
    assert result == {"num_images": 4, "num_skipped": 2, "width": 6}
    assert features.shape == (4, 6) and features.dtype == np.float32
    assert [row["row"] for row in index] == ["0", "1", "2", "3"]
    assert [row["path"].split("/")[-1] for row in index] == [
        "a,b.png",
        "line\nbreak.png",
        '"quoted".png',
        "é.png",
    ]
    assert [row["class"] for row in index] == ["cat", "cat", "dog", "dog"]
    assert [row["label"] for row in index] == ["0", "0", "1", "1"]
    pixels = np.stack([tiny_images.pixels(number) for number in range(4)])
    expected = evaluation.extract(encoder, pixels, "fc", 3)["fc"]
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


def test_unreadable_images_are_listed(photos, tmp_path, encoder):
    embed(encoder, photos, tmp_path / "out")

    skipped = table(tmp_path / "out" / "skipped.csv")
    assert sorted(row["path"].split("/")[-1] for row in skipped) == [
        "cut.png",
        "empty.png",
    ]


def test_images_of_an_array_are_listed_by_index(tmp_path, encoder):
    images = tiny_images.pixels(0, (5, 8, 8, 3))
    np.save(tmp_path / "x.npy", images)
    seen = []
    embed(
        encoder,
        tmp_path / "x.npy",
        tmp_path / "out",
        "local",
        2,
        report=lambda done, total: seen.append((done, total)),
    )

    assert table(tmp_path / "out" / "index.csv") == [
        {"row": str(row), "index": str(row)} for row in range(5)
    ]
    # 4 x 4 places with 3 channels.
    assert np.load(tmp_path / "out" / "features.npy").shape == (5, 48)
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_the_log_names_an_encoder_for_any_size(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(logging, "info", told.append)
    images = keras.Input((None, None, 3))
    encoder = keras.Model(
        images, {"global": keras.layers.GlobalAveragePooling2D()(images)}
    )
    np.save(tmp_path / "x.npy", tiny_images.pixels(0, (5, 8, 9, 3)))

    embed(encoder, tmp_path / "x.npy", tmp_path / "out")
    assert told == ["5 images 8x9x3 -> encoder ?x?x3 -> global"]


@pytest.mark.parametrize(
    ("feature", "source", "error"),
    [
        ("colour", "photos", ValueError),
        ("fc", "nowhere/", FileNotFoundError),
        ("fc", "broken", ValueError),
    ],
)
def test_a_failure_leaves_nothing(
    photos, tmp_path, encoder, feature, source, error
):
    (tmp_path / "broken").mkdir()
    whole = tiny_images.encode(tiny_images.pixels(9, (64, 64, 3)))
    (tmp_path / "broken" / "cut.png").write_bytes(whole[:200])
    before = sorted(tmp_path.iterdir())

    with pytest.raises(error):
        embed(encoder, f"{tmp_path}/{source}", tmp_path / "out", feature)
    assert sorted(tmp_path.iterdir()) == before


def test_nothing_is_overwritten(photos, tmp_path, encoder):
    (tmp_path / "out").mkdir()

    with pytest.raises(ValueError, match="Nothing is overwritten"):
        embed(encoder, photos, tmp_path / "out")


@pytest.mark.parametrize("batch_size", [0, -1, 2.5])
def test_a_batch_of_no_images_is_refused(tmp_path, encoder, batch_size):
    # A negative one wrote shards without rows.
    np.save(tmp_path / "x.npy", tiny_images.pixels(0, (5, 8, 8, 3)))
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        embed(
            encoder,
            tmp_path / "x.npy",
            tmp_path / "out",
            batch_size=batch_size,
            num_shards=2,
        )
    assert not (tmp_path / "out").exists()
