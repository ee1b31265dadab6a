"""Each method has a page, whose scores are those that were measured."""

import json
import pathlib

import pytest

from keras_dim.methods import METHODS

DOCS = pathlib.Path(__file__).parents[2] / "docs"
PARTS = ("Idea", "Loss", "What is particular", "When to take it")
PARTS += ("Measured", "Checked against")


@pytest.mark.parametrize("name", METHODS)
def test_a_page_has_its_parts_and_the_scores_that_were_measured(name):
    page = (DOCS / "methods" / f"{name}.md").read_text(encoding="utf-8")
    text = " ".join(page.split())

    places = [text.index(f"**{part}.**") for part in PARTS]
    assert places == sorted(places)
    if "100,000 views of the small" in text:
        measured = DOCS / "per_view" / f"{name}_100000_seed0.json"
        found = json.loads(measured.read_text())
        neighbors, linear = found["neighbors_20"], found["linear"]
        score = f"{100 * neighbors:.1f} by 20 neighbours and {100 * linear:.1f}"
        assert score in text
    measured = DOCS / "per_view" / f"{name}_1000000_seed0.json"
    if measured.exists():
        found = json.loads(measured.read_text())
        neighbors, linear = found["neighbors_20"], found["linear"]
        score = f"{100 * neighbors:.1f} and {100 * linear:.1f}"
        assert f"1,000,000 views bring {score}" in text
