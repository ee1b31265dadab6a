"""A preset is saved with all that is to be known about it, or not at all."""

import functools
import json
import os

import keras
import pytest
from tiny_encoder import SHAPES
from tiny_encoder import tiny_encoder

from keras_dim import files
from keras_dim.presets import card
from keras_dim.presets import save_preset
from keras_dim.version import __version__

SCORE = {
    "feature": "fc",
    "probe": "mlp_probe",
    "accuracy": 0.7234,
    "raw_pixels": 0.5,
    "untrained": 0.4111,
    "protocol": "one hidden layer of 200 units",
}
METADATA = {
    "description": "A tiny encoder.",
    "trained_on": "Ten photographs of one cat.",
    "licence": "MIT",
    "scores": [SCORE],
    "recipe": {"bound": "info_nce"},
    "command": "keras-dim pretrain --recipe tiny",
    "seed": 3,
    "curve": [{"epoch": 1, "loss": 2.5}, {"epoch": 2, "loss": 1.25, "fc": 0.7}],
    "cost": {"hours": 2},
    "hardware": "two cores",
    "limits": "Knows one cat.",
}
# With what `save_preset` fills in.
FILLED = {
    **METADATA,
    "name": "tiny",
    "image_shape": [8, 8, 3],
    "features": {"fc": [6]},
    "parameters": 1,
    "bytes": 1,
    "sha256": "0",
    "versions": {"keras": "3.15"},
}
HEADINGS = [
    "What it is",
    "How to use it",
    "Data",
    "Recipe and command",
    "Scores",
    "Curve over epochs",
    "Cost and hardware",
    "Licence and limits",
]


@functools.cache
def one_encoder():
    return tiny_encoder()


def save(directory, encoder=None, name="tiny", **changes):
    metadata = {**METADATA, **changes}
    return save_preset(
        encoder or one_encoder(),
        name,
        directory,
        config={"units": 6},
        metadata={k: v for k, v in metadata.items() if v is not None},
    )


def test_a_preset_has_its_five_files(tmp_path):
    folder = save(tmp_path / "saved_models")
    assert folder == tmp_path / "saved_models" / "tiny"
    assert sorted(os.listdir(folder)) == [
        "README.md",
        "SHA256SUMS",
        "config.json",
        "encoder.keras",
        "metadata.json",
    ]
    assert os.listdir(tmp_path / "saved_models") == ["tiny"]


def test_what_can_be_measured_is_filled_in(tmp_path):
    encoder = one_encoder()
    folder = save(tmp_path, encoder)
    metadata = json.loads((folder / "metadata.json").read_text())
    path = folder / "encoder.keras"
    assert metadata["sha256"] == files.sha256(path)
    assert metadata["bytes"] == path.stat().st_size
    assert metadata["parameters"] == encoder.count_params()
    assert metadata["image_shape"] == [8, 8, 3]
    assert metadata["features"] == {
        name: list(shape) for name, shape in SHAPES.items()
    }
    assert metadata["versions"]["keras"] == keras.__version__
    assert metadata["versions"]["keras_dim"] == __version__
    assert metadata["scores"] == [SCORE]


def test_the_config_says_how_to_make_it_and_what_it_gives(tmp_path):
    folder = save(tmp_path)
    assert json.loads((folder / "config.json").read_text()) == {
        "units": 6,
        "name": "tiny",
        "image_shape": [8, 8, 3],
        "features": {name: list(shape) for name, shape in SHAPES.items()},
    }


def test_the_card_is_made_of_the_metadata(tmp_path):
    folder = save(tmp_path)
    metadata = json.loads((folder / "metadata.json").read_text())
    assert (folder / "README.md").read_text() == card(metadata)


def test_a_failed_save_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save(tmp_path, recipe={"bound": object()})
    assert os.listdir(tmp_path) == []


def test_an_existing_preset_is_not_overwritten(tmp_path):
    folder = save(tmp_path)
    before = (folder / "metadata.json").read_bytes()
    with pytest.raises(ValueError, match="Nothing is overwritten"):
        save(tmp_path, licence="none")
    assert (folder / "metadata.json").read_bytes() == before


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": "../tiny"}, "A preset's name"),
        ({"licence": None}, r"Missing: \['licence'\]"),
        ({"sha256": "0"}, "must not state measured .*sha256"),
        ({"scores": [{"feature": "fc"}]}, "Each score must have"),
        (
            {"scores": [SCORE | {"accuracy": 78.4}]},
            "`accuracy` must be from 0 to 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        save(tmp_path, **changes)
    assert os.listdir(tmp_path) == []


def test_an_encoder_without_named_outputs_is_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="dict of named features"):
        save(tmp_path, model)


def test_an_encoder_without_fixed_sizes_is_refused(tmp_path):
    images = keras.Input((None, None, 3))
    model = keras.Model(images, {"map": keras.layers.Conv2D(2, 3)(images)})
    with pytest.raises(ValueError, match=r"\['image_shape', 'map'\]"):
        save(tmp_path, model)


def test_a_card_has_every_heading_in_order():
    headings = [
        line.removeprefix("## ")
        for line in card(FILLED).splitlines()
        if line.startswith("## ")
    ]
    assert headings == HEADINGS


def test_a_card_with_nothing_known_says_so():
    optional = ("recipe", "curve", "cost", "hardware", "limits")
    known = {k: v for k, v in FILLED.items() if k not in optional}
    text = card({**known, "scores": []})
    for heading in HEADINGS[3:7]:
        assert f"## {heading}\n\nNot stated." in text


def test_a_card_shows_the_score_beside_both_baselines():
    text = card(FILLED)
    assert "| `fc` | mlp_probe | 72.34 | 41.11 | 50.00 |" in text
    assert "one hidden layer of 200 units" in text


def test_a_card_says_nothing_where_a_baseline_is_missing():
    score = {k: v for k, v in SCORE.items() if k != "untrained"}
    text = card({**FILLED, "scores": [score]})
    assert "| `fc` | mlp_probe | 72.34 | - | 50.00 |" in text


def test_a_card_shows_the_curve_with_gaps():
    text = card(FILLED)
    assert "| epoch | loss | fc |" in text
    assert "| 1 | 2.5 | - |" in text
    assert "| 2 | 1.25 | 0.7 |" in text


def test_a_card_s_python_is_three_lines_that_compile():
    text = card(FILLED)
    code = text.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) == 3
    compile(code, "card", "exec")
    assert 'keras_dim.pretrained("tiny")' in code
    assert '["fc"]' in code
