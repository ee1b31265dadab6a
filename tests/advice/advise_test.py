"""Advice on images: what is seen, what is chosen, and that it can be run."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest
import tiny_images
import tiny_recipe  # noqa: F401  registers the encoder "tiny"
from PIL import Image

import keras_dim
from keras_dim import advice
from keras_dim import encoders
from keras_dim import parts
from keras_dim.advice import choosing
from keras_dim.advice import looking
from keras_dim.cli import main

ROOT = pathlib.Path(__file__).parents[2]
FACTS = looking.Facts(
    source="photos",
    split="train",
    num_images=50_000,
    smallest=(20, 30),
    median=(96, 128),
    largest=(400, 300),
    bands=3,
    dtype="uint8",
    values="8_bit",
    num_decoded=2_000,
    num_unreadable=0,
    num_exact=0,
    num_near=0,
    num_classes=0,
    test_split=None,
    images_per_second=500.0,
)


def write(folder, image, name, kind="png"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tiny_images.encode(image, kind))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Grey images of two classes: a copy, a near one, and a damaged file."""
    folder = tmp_path_factory.mktemp("advice") / "photos"
    for number in range(18):
        name = f"{'ab'[number % 2]}/{number:02d}.png"
        # Smooth, so that no image correlates with another by chance.
        coarse = tiny_images.pixels(number, (5, 5))
        size = (24, 16) if number == 17 else (12, 10)
        image = np.array(Image.fromarray(coarse).resize(size))
        path = write(folder, image[..., None], name)
    first = np.array(Image.open(folder / "a/00.png"))[..., None]
    write(folder, first, "a/same.png")
    write(folder, (first * 0.8).astype("uint8"), "b/darker.png")
    (folder / "b/damaged.png").write_bytes(path.read_bytes()[:60])
    return folder


def test_planted_facts_are_found(photos):
    facts = looking.look(str(photos))

    # The header of the damaged file is whole.
    assert (facts.num_images, facts.num_decoded) == (21, 20)
    assert facts.num_unreadable == 1
    assert (facts.num_exact, facts.num_near) == (1, 1)
    assert (facts.smallest, facts.largest) == ((10, 12), (16, 24))
    assert facts.median == (10, 12)
    assert (facts.bands, facts.dtype, facts.values) == (1, "uint8", "8_bit")
    # All images lie in folders of classes, and none is a split.
    assert (facts.num_classes, facts.test_split) == (2, 0.2)
    assert "21 images of 10 x 12 to 16 x 24, median 10 x 12 pixels" in str(
        facts
    )


def test_values_that_8_bits_would_lose_are_read_as_stored(tmp_path):
    image = tiny_images.pixels(0, (8, 8)).astype("uint16") * 16
    for number in range(3):
        Image.fromarray(image + number).save(tmp_path / f"{number}.png")
    deep = looking.look(str(tmp_path))
    np.save(tmp_path / "array.npy", np.zeros((16, 8, 8, 7), "float32"))
    array = looking.look(str(tmp_path / "array.npy"))

    assert (deep.dtype, deep.values, deep.num_images) == ("uint16", "stored", 3)
    assert (array.dtype, array.values, array.bands) == ("float32", "stored", 7)


def test_pages_are_not_guessed(tmp_path):
    pages = [Image.fromarray(tiny_images.pixels(n, (8, 8))) for n in range(4)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])

    with pytest.raises(ValueError, match="pass channels=4 to read them as"):
        looking.look(str(tmp_path))
    assert looking.look(str(tmp_path), channels=4).bands == 4


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        advice.advise(str(tmp_path / "none.png"))
    (tmp_path / "a.txt").write_text("no image")
    with pytest.raises(ValueError, match="There is no image in"):
        advice.advise(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("amdim", 64, 128, 11, None)),
        ({"median": (40, 90)}, ("amdim", 32, 128, 11, None)),
        ({"num_images": 10**7}, ("amdim", 64, 128, 1, None)),
        (
            {"num_images": 900, "median": (32, 32)},
            ("amdim", 32, 128, 100, "amdim_cifar10"),
        ),
        ({"num_images": 100}, ("amdim", 64, 16, 100, "amdim_tiny_imagenet")),
        ({"bands": 1}, ("deep_infomax", 64, 128, 11, None)),
        ({"bands": 1, "num_images": 20}, ("deep_infomax", 64, 8, 100, None)),
        (
            {"bands": 5, "dtype": "uint16", "values": "stored"},
            ("amdim", 64, 64, 11, None),
        ),
    ],
)
def test_the_recipe_follows_from_the_facts(changes, expected):
    facts = dataclasses.replace(FACTS, **changes)
    recipe, choices, warnings = choosing.choose(facts)
    method, size, batch_size, epochs, start = expected

    assert recipe.method["name"] == method
    assert (recipe.image_size, recipe.channels) == (size, facts.bands)
    assert (recipe.batch_size, recipe.epochs) == (batch_size, epochs)
    assert (recipe.values, recipe.start_from) == (facts.values, start)
    # A few images may as well do without, preset or not.
    assert any("few" in each for each in warnings) == (facts.num_images <= 1000)
    for choice in choices:
        assert choice.reason and "\n" not in choice.reason
        stated = getattr(recipe, choice.name)
        stated = stated["name"] if isinstance(stated, dict) else stated
        assert stated == choice.value


@pytest.mark.parametrize("side", [32, 64])
def test_the_preset_to_start_from_has_the_network_of_the_recipe(side):
    facts = dataclasses.replace(FACTS, num_images=900, median=(side, side))
    recipe, _, _ = choosing.choose(facts)
    presets = {row["name"]: row for row in keras_dim.list_pretrained()}
    make, arguments = parts.factory(
        "encoder", encoders.ENCODERS, recipe.encoder
    )
    encoder = make(image_size=side, channels=3, **arguments)

    assert encoder.count_params() == presets[recipe.start_from]["parameters"]


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match=r"15 image\(s\).*16 or more"):
        choosing.choose(dataclasses.replace(FACTS, num_images=15))


def test_the_share_or_the_split_to_score_on_is_taken_over():
    for split in ("validation", 0.2):
        facts = dataclasses.replace(FACTS, num_classes=2, test_split=split)
        assert choosing.choose(facts)[0].test_split == split


def test_reasons_are_figures_of_the_pages():
    reasons = " ".join(
        choice.reason
        for bands, values in ((3, "8_bit"), (1, "8_bit"), (5, "stored"))
        for choice in choosing.choose(
            dataclasses.replace(
                FACTS, bands=bands, values=values, num_images=900
            )
        )[1]
    )
    found = {}
    for path in (ROOT / "docs/per_view").glob("*_100000_*.json"):
        row = json.loads(path.read_text())
        if row["method"] != "supervised":
            found[row["method"]] = 100 * row["neighbors_20"]
    order = sorted(found, key=found.get)
    card = (ROOT / "saved_models/amdim_cifar10/README.md").read_text()
    images = (ROOT / "docs/your_images.md").read_text()

    assert order[-1] == "amdim" and order[-2] == "deep_infomax"
    for method in order[-2:]:
        assert f"{found[method]:.1f} %" in reasons
    assert "- epochs: 11\n" in card and "50,000" in card
    assert re.search(r"`global` \| linear_probe[^|]*\| 78\.4", card)
    assert "78.4 %" in reasons
    for row, stated in (
        ("| xray | linear | 4,000 | 16.0 | 18.3 | 36.6 |", "36.6 %"),
        ("| random weights | 13.1 |", "13.1 %"),
        ("| the preset `deep_infomax_cifar10` | 22.4 |", "22.4 %"),
        ("| the same preset, not trained further | 22.5 |", "22.5 %"),
        ("| satellite | linear | 4,000 | 27.4 | 39.2 | 45.9 |", "45.9 %"),
    ):
        assert row in images and stated in reasons


def test_advice_becomes_a_run(photos, tmp_path, capsys):
    output, run = tmp_path / "recipe.json", tmp_path / "run"
    flags = [f"--source={photos}", f"--output={output}", "--seconds=0.01"]
    settled = ["encoder=tiny", "image_size=8", "epochs=1", "batch_size=8"]
    flags += [f"--set={each}" for each in settled]

    assert main.run(["advise", *flags]) == 0
    printed = capsys.readouterr().out
    assert "21 images" in printed and "Measured here, 1 step(s)" in printed
    assert re.search(r"^epochs +1\n +given$", printed, re.M)
    assert printed.endswith(f"keras-dim pretrain --recipe {output}\n")

    pretrain = [f"--recipe={output}", f"--directory={run}", "--noscore"]
    assert main.run(["pretrain", *pretrain]) == 0
    assert (run / "encoder.keras").exists()
    assert main.run(["advise", *flags]) == 2
    assert "Nothing is overwritten" in capsys.readouterr().err


def test_hours_follow_from_the_slower_of_steps_and_reading():
    recipe, choices, _ = choosing.choose(FACTS)
    timing = advice.Timing(30, 100.0, 200.0, 9.0, 1000.0, 10**6)
    found = advice.Advice(FACTS, recipe, choices, [], timing)

    # 50,000 images of 64 x 64 x 3 bytes are not held in memory.
    assert found.hours == pytest.approx(11 * 50_000 / 100 / 3600)
    slow = dataclasses.replace(FACTS, images_per_second=10.0)
    slow = dataclasses.replace(found, facts=slow)
    assert slow.hours == pytest.approx(11 * 50_000 / 10 / 3600)
    few = dataclasses.replace(slow.facts, num_images=5_000)
    few = dataclasses.replace(slow, facts=few)
    assert few.hours == pytest.approx(11 * 5_000 / 100 / 3600)
    assert dataclasses.replace(found, timing=None).hours is None
    assert "200 views or 100 images a second" in str(found)
    assert "8 hours are enough for 5 epoch(s)" in str(slow).replace("\n", " ")
    assert "are enough" not in str(few)


def test_it_is_a_function_of_the_package():
    assert keras_dim.advise is advice.advise
