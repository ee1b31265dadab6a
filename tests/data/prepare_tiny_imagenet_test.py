"""The script that prepares `tiny_imagenet` from the official folder."""

import pathlib
import runpy

import pytest
from PIL import Image

import keras_dim.data

SCRIPT = (
    pathlib.Path(__file__)
    .parents[2]
    .joinpath("benchmarks", "prepare_tiny_imagenet.py")
)


def write(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), (grey, grey, grey)).save(path, "JPEG")


@pytest.fixture
def folder(tmp_path):
    """Four classes of two images each, in the layout of the archive."""
    folder = tmp_path / "tiny-imagenet-200"
    lines = []
    for label, name in enumerate(["n01", "n02", "n03", "n04"]):
        for number in range(2):
            path = folder / "train" / name / "images" / f"{name}_{number}.JPEG"
            write(path, 20 * label + number)
        write(folder / "val" / "images" / f"val_{label}.JPEG", 20 * label)
        lines.append(f"val_{label}.JPEG\t{name}\t0\t0\t62\t62\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    return folder


def test_train_has_the_even_classes_and_validation_all(folder, tmp_path):
    data_dir = tmp_path / "made"
    runpy.run_path(str(SCRIPT))["prepare"](folder, data_dir)
    expected = {
        "train": {(0, 0), (1, 0), (40, 2), (41, 2)},
        "validation": {(0, 0), (20, 1), (40, 2), (60, 3)},
    }
    for split, greys_and_labels in expected.items():
        batches = keras_dim.data.load(
            "tiny_imagenet", split, batch_size=4, data_dir=data_dir
        )
        (batch,) = batches.as_numpy_iterator()
        assert batch["image"].shape == (4, 64, 64, 3)
        greys = batch["image"].mean((1, 2, 3)).round().astype(int)
        found = set(zip(greys.tolist(), batch["label"].tolist(), strict=True))
        assert found == greys_and_labels


def test_another_folder_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(SystemExit, match="tiny-imagenet-200.zip"):
        runpy.run_path(str(SCRIPT))["prepare"](tmp_path)
