"""Pictures show their data."""

import importlib.util

import numpy as np
import pytest

from keras_dim import plots

DRAW = np.random.default_rng(0)
FEATURES = DRAW.normal(size=(40, 6))
IMAGES = DRAW.integers(0, 256, (40, 8, 8, 1), "uint8")


def titles(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_curves_show_every_column_of_a_log_and_its_references(tmp_path):
    rows = [
        {"epoch": 1, "loss": 2.0, "rank_me_global": 3.0, "seconds": 9.0},
        {"epoch": 2, "loss": 1.0, "rank_me_global": 4.0, "seconds": 9.0},
        {"epoch": 3, "loss": 0.5, "rank_me_global": 4.0, "late": 1.0},
    ]
    ends = {"rank_me_global": {"random": 6.0, "collapsed": None}}
    figure = plots.curves(rows, ends)

    assert titles(figure) == ["loss", "rank_me_global", "late"]
    loss, rank, late, unused = figure.axes
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), [2, 1, 0.5])
    assert len(rank.lines) == 2
    assert rank.lines[1].get_ydata()[0] == 6
    np.testing.assert_array_equal(late.lines[0].get_ydata(), [np.nan] * 2 + [1])
    assert not unused.axison
    figure.savefig(tmp_path / "curves.png")


def test_neighbours_are_the_most_similar_images():
    # The angles of all but the last are close to that of the first.
    angles = np.array([0.0, 0.3, 0.1, 0.2, 2.0])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    features *= np.array([[1], [5], [1], [9], [1]])
    figure = plots.neighbors(IMAGES[:5], features, [0], k=3)

    shown = [axes.images[0].get_array() for axes in figure.axes]
    for found, number in zip(shown, (0, 2, 3, 1), strict=True):
        np.testing.assert_array_equal(found, IMAGES[number, ..., 0])
    assert titles(figure) == [f"{np.cos(a):.2f}" for a in (0.1, 0.2, 0.3)]


@pytest.mark.parametrize("projection", ["pca", "tsne"])
def test_a_map_has_a_point_for_each_image(projection):
    figure = plots.feature_map(FEATURES, np.arange(40) % 3, projection)
    (axes,) = figure.axes
    assert axes.collections[0].get_offsets().shape == (40, 2)
    assert len(axes.get_legend().get_texts()) == 3


def test_a_confusion_matrix_has_the_counts():
    figure = plots.confusion_matrix([1, 1, 1, 4], [1, 4, 1, 4], "abcde")
    (axes,) = figure.axes
    found = {t.get_position(): t.get_text() for t in axes.texts}
    assert found == {(0, 0): "2", (1, 0): "1", (1, 1): "1"}
    assert [t.get_text() for t in axes.get_yticklabels()] == ["b", "e"]


def test_accuracies_are_drawn_in_order_of_views():
    points = {"simclr": {1e6: 0.7, 1e5: 0.5}, "byol": {1e5: 0.4}}
    points |= {"moco": {1e5: 0.4}, "cpc": {1e5: 0.39}}
    figure = plots.accuracy_against_views(
        points, {"raw pixels": 0.35}, {"theirs": {1e7: 0.9, 1e5: 0.2}}
    )
    (axes,) = figure.axes
    theirs, ours = (line.get_xydata() for line in axes.lines[:2])
    np.testing.assert_allclose(theirs, [[1e5, 20], [1e7, 90]])
    np.testing.assert_allclose(ours, [[1e5, 50], [1e6, 70]])
    heights = {text.get_text(): text.xyann[1] for text in axes.texts[2:]}
    assert heights.pop("simclr") == pytest.approx(70)
    assert list(heights) == ["cpc", "byol", "moco"]
    gaps = np.diff(list(heights.values()))
    assert (gaps > 2).all()
    assert np.mean(list(heights.values())) == pytest.approx(119 / 3)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plots.curves([]), "nothing to draw"),
        (lambda: plots.neighbors(IMAGES, FEATURES[:9], [0]), "9 for 40"),
        (lambda: plots.neighbors(IMAGES, FEATURES, [40]), "`query`"),
        (lambda: plots.neighbors(IMAGES, FEATURES, [0], k=40), "`k`"),
        (lambda: plots.feature_map(FEATURES, projection="pcca"), "'pca'"),
        (lambda: plots.feature_map(FEATURES * np.nan), "finite"),
        (lambda: plots.confusion_matrix([1, 2], [1]), "predictions"),
        # One-hot labels, and one without a name: -1 is no last class.
        (lambda: plots.confusion_matrix(*[np.eye(2)] * 2), "labels"),
        (lambda: plots.confusion_matrix([-1], [0], "ab"), "`label`.*: -1"),
        (lambda: plots.confusion_matrix([0], [2], "ab"), "`label`.*: 2"),
    ],
)
def test_invalid_arguments_are_refused(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"keras-dim\[plots\]"):
        plots.accuracy_against_views({})
