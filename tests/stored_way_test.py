"""A folder of images of five 16-bit bands: run, features, export, report."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn import datasets
from tiny_recipe import tiny_recipe

from keras_dim import batches
from keras_dim import data
from keras_dim.cli import main
from keras_dim.report import reading

NUM_IMAGES = {"train": 48, "test": 24}
GAINS = np.array([900, 2000, 4000, 9000, 60])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Digits of two classes, with a gain and an offset for each page."""
    root = tmp_path_factory.mktemp("tiles")
    digits = datasets.load_digits(n_class=2)
    images = (digits.images[..., None] / 16 * GAINS + 500).astype("uint16")
    begin = 0
    for split, num_images in NUM_IMAGES.items():
        for row in range(begin, begin + num_images):
            path = root / split / str(digits.target[row]) / f"{row:03d}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            first, *others = (
                Image.fromarray(page)
                for page in np.moveaxis(images[row], -1, 0)
            )
            first.save(path, save_all=True, append_images=others)
        begin += num_images
    return root


@pytest.fixture(scope="module")
def run(folder):
    recipe = tiny_recipe(
        source=str(folder),
        channels=5,
        values="stored",
        views={"name": "any_bands", "num_views": 1},
        epochs=1,
        batch_size=16,
    )
    recipe.save(folder / "recipe.json")
    run = folder / ".run"
    flags = [f"--recipe={folder / 'recipe.json'}", f"--directory={run}"]
    assert main.run(["pretrain", *flags]) == 0
    return run


def test_a_run_measures_writes_and_scores(run, folder, capsys):
    written = json.loads((run / "recipe.json").read_text())["values"]
    scores = json.loads((run / "metrics.json").read_text())["scores"]

    assert (written["dtype"], written["num_images"]) == ("uint16", 48)
    assert written["min"] == [500] * 5
    assert written["max"] == (500 + GAINS).tolist()
    # Zeros and ones: scaled raw pixels separate them.
    assert scores[0]["raw_pixels"] > 0.9

    # `--resume` continues with the measured range.
    flags = [f"--directory={run}", "--resume", "--noscore"]
    assert main.run(["pretrain", *flags]) == 0
    assert "uint16, range measured: 500 to 1400, 500 to" in (
        capsys.readouterr().out
    )
    flags = [*flags, f"--recipe={folder / 'recipe.json'}"]
    assert main.run(["pretrain", *flags]) == 0
    assert main.run(["pretrain", *flags, "--set", "values=[0,9999]"]) == 2
    assert "another recipe" in capsys.readouterr().err


def test_predict_embed_and_export_give_equal_features(
    run, folder, tmp_path, capsys
):
    source = f"--source={folder}"
    output = tmp_path / "features"
    embed = ["embed", f"--encoder={run}", source, f"--output={output}"]
    assert main.run(embed) == 0
    assert main.run(["probe", f"--encoder={run}", source]) == 0
    assert main.run(["export", str(run), str(tmp_path / "served")]) == 0
    assert "of 24 test images" in capsys.readouterr().out
    found = np.load(output / "features.npy")

    # Loaded by TensorFlow only, with raw values of their own type and size.
    opened = data.open_source(folder, values="stored", channels=5)
    images = opened.read(np.arange(48))["image"]
    loaded = tf.saved_model.load(tmp_path / "served" / "1")
    served = loaded.signatures["serving_default"]
    assert images.dtype == np.uint16
    np.testing.assert_allclose(
        served(images=tf.constant(images))["global"], found, atol=1e-5
    )
    larger = images.repeat(2, axis=1).repeat(2, axis=2)
    assert served(images=tf.constant(larger))["global"].shape == found.shape
    assert "encoded_images" not in loaded.signatures


def test_compare_and_report_take_them(run, folder, tmp_path, capsys):
    flags = [f"--encoder={run}", f"--source={folder}"]
    compare = ["compare", *flags, "--protocol=linear", "--supervised_steps=0"]
    assert main.run(compare) == 0
    rows = re.findall(r"^raw pixels +([\d.]+)$", capsys.readouterr().out, re.M)
    # Zeros and ones.
    assert float(rows[0]) > 90

    output = tmp_path / "report"
    assert main.run(["report", *flags, f"--output={output}"]) == 0
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "uint16 values of 5 band(s), of which the page shows the first" in (
        page
    )


def test_reports_show_the_whole_range_of_each_band(folder):
    values = batches.ValueRange((500,) * 5, tuple(500 + GAINS), "uint16")
    images = reading.read_pixels(
        folder, "train", False, 100, lambda *_: None, values
    )

    # The upper 8 bits of the last band, of 500 to 560, are 1 and 2.
    assert images.thumbnails.shape == (48, 8, 8, 3)
    assert images.pixels(np.arange(48)).shape == (48, 8, 8, 5)
    for shown in (images.thumbnails, images.pixels(np.arange(48))):
        assert (shown.min((0, 1, 2)) == 0).all()
        assert (shown.max((0, 1, 2)) == 255).all()
    assert (images.sizes == 8).all()


def test_another_number_of_bands_is_refused(run, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 4), "uint16"))
    flags = [f"--source={tmp_path}", f"--output={tmp_path / 'features'}"]

    assert main.run(["embed", f"--encoder={run}", *flags]) == 2
    assert "have 4 band" in capsys.readouterr().err


def test_statistics_of_another_type_are_refused():
    images = np.arange(128).reshape(2, 8, 8, 1)
    of_bytes, of_floats = (
        data.open_source(images.astype(dtype), values="stored")
        for dtype in ("uint8", "float64")
    )
    recipe = tiny_recipe(values="[0, 200]").measured(of_bytes)

    assert recipe.values["high"] == [200] and recipe.how_read == "stored"
    assert recipe.measured(of_bytes) == recipe
    with pytest.raises(ValueError, match="measured as uint8.*Received float32"):
        recipe.measured(of_floats)
