"""Pictures of runs and of representations, by matplotlib (extra `plots`).

Each function returns a `matplotlib.figure.Figure`, which `figure.savefig(path)`
writes to a file and a notebook displays.
"""

import importlib.util
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dim import checks
from keras_dim.neighbors import nearest

# Columns of a log that are not drawn.
_NO_CURVE = ("epoch", "seconds", "images_per_second")
_GRID = 4
_COLORS = {"random": "0.5", "collapsed": "C3"}
PROJECTIONS = ("pca", "tsne", "umap")


def is_available() -> bool:
    """Returns whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def curves(
    rows: Sequence[Mapping[str, float]],
    references: Mapping[str, Mapping[str, float | None]] | None = None,
) -> Any:
    """Draws each number of a log over the epochs, in panels.

    Args:
        rows: sequence of dicts with `"epoch"`, such as the rows of `log.csv`.
        references: the `references` of an `evaluation.Board`: values of random
            and of collapsed features, drawn as dashed lines.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in names if name not in _NO_CURVE]
    if not names:
        raise ValueError(
            f"There is nothing to draw. Received: {len(rows)} rows"
        )
    height = -(-len(names) // _GRID)
    figure = _figure(3 * _GRID, 2.2 * height)
    panels = list(figure.subplots(height, _GRID, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        places = [row["epoch"] for row in rows]
        values = [float(row.get(name, "nan")) for row in rows]
        axes.plot(places, values, ".-", color="C0")
        for end, value in (references or {}).get(name, {}).items():
            if value is not None:
                color = _COLORS[end]
                axes.axhline(value, linestyle="--", color=color, label=end)
                axes.legend(fontsize=6, loc="best")
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("epoch", fontsize=8)
    return figure


def neighbors(
    images: np.ndarray,
    features: np.ndarray,
    queries: Sequence[int],
    k: int = 5,
) -> Any:
    """Draws images, and beside each those with the most similar features.

    Args:
        images: array `(num_images, height, width, channels)` in [0, 255].
        features: array `(num_images, units)`, compared by their cosine.
        queries: sequence of int. Indices of the images in the first column.
        k: int. Number of neighbours of each. Defaults to 5.
    """
    features = _rows(features, images=images)
    checks.integers(1, len(images) - 1, k=k)
    for number in queries:
        checks.integers(0, len(images) - 1, query=number)
    # One more, as the image itself is among them, not always as the first.
    found = nearest(features, k + 1, features[list(queries)])
    figure = _figure(1.1 * (k + 1), 1.2 * len(queries))
    panels = figure.subplots(len(queries), k + 1, squeeze=False)
    for line, query, *others in zip(panels, queries, *found, strict=True):
        _show(line[0], images[query])
        others = [
            each for each in zip(*others, strict=True) if each[0] != query
        ]
        for axes, (number, cosine) in zip(line[1:], others, strict=False):
            _show(axes, images[number])
            axes.set_title(f"{cosine:.2f}", fontsize=7)
    return figure


def feature_map(
    features: np.ndarray,
    labels: np.ndarray | None = None,
    projection: str = "pca",
    seed: int = 0,
) -> Any:
    """Draws each image as a point in a projection of its features.

    Args:
        features: array `(num_images, units)`.
        labels: array of int `(num_images,)`, the colours of the points, or
            None.
        projection: str. `"pca"`; `"tsne"`, in which distances between groups
            mean little; or `"umap"`, if umap-learn is installed.
        seed: int. Of t-SNE and UMAP. Defaults to 0.
    """
    checks.one_of(PROJECTIONS, projection=projection)
    features = _rows(features, labels=labels)
    if projection == "umap":
        from umap import UMAP as Projection  # noqa: N811
    elif projection == "tsne":
        from sklearn.manifold import TSNE as Projection  # noqa: N811
    else:
        from sklearn.decomposition import PCA as Projection  # noqa: N811
    places = Projection(2, random_state=seed).fit_transform(features)
    figure = _figure(6, 5)
    axes = figure.subplots()
    points = axes.scatter(*places.T, s=6, c=labels, cmap="tab10")
    if labels is not None:
        axes.legend(*points.legend_elements(), fontsize=7, title="label")
    axes.set_title(f"{projection} of {features.shape[1]} features", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    return figure


def confusion_matrix(
    labels: np.ndarray,
    predictions: np.ndarray,
    names: Sequence[str] | None = None,
) -> Any:
    """Draws how often each class (row) was predicted as each class (column).

    Args:
        labels, predictions: arrays of int `(num_images,)`.
        names: sequence of the names of classes 0, 1, ... Defaults to None, the
            numbers.

    Raises:
        ValueError: for other or different shapes, and classes without a name.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    checks.shape(labels.shape[:1], labels=labels, predictions=predictions)
    classes = np.unique([labels, predictions])
    for each in () if names is None else classes.tolist():
        checks.integers(0, len(names) - 1, label=each)
    counts = np.zeros((len(classes),) * 2, int)
    places = (np.searchsorted(classes, x) for x in (labels, predictions))
    np.add.at(counts, tuple(places), 1)
    texts = [str(each if names is None else names[each]) for each in classes]
    figure = _figure(1 + 0.5 * len(classes), 1 + 0.5 * len(classes))
    axes = figure.subplots()
    axes.imshow(counts / np.maximum(counts.sum(1, keepdims=True), 1), "Blues")
    for row, column in np.argwhere(counts):
        share = counts[row, column] / counts[row].sum()
        color = "white" if share > 0.5 else "black"
        text = {"ha": "center", "va": "center", "fontsize": 7, "color": color}
        axes.text(column, row, counts[row, column], **text)
    ticks = range(len(classes))
    axes.set_xticks(
        ticks, texts, rotation=0 if names is None else 90, fontsize=7
    )
    axes.set_yticks(ticks, texts, fontsize=7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("label")
    return figure


def accuracy_against_views(
    points: Mapping[str, Mapping[float, float]],
    baselines: Mapping[str, float] | None = None,
    published: Mapping[str, Mapping[float, float]] | None = None,
) -> Any:
    """Draws the accuracy of methods against the number of training views.

    Args:
        points: mapping from a method to a mapping from numbers of views to
            accuracies in `[0, 1]`.
        baselines: mapping from a name to an accuracy, drawn as a line.
        published: published accuracies, as `points`, drawn in grey.
    """
    figure = _figure(7, 4.5)
    axes = figure.subplots()
    for name, of_method in (published or {}).items():
        places, values = _curve(of_method)
        axes.plot(places, values, "x--", color="0.6", linewidth=0.8)
        place = {"size": 7, "ha": "right", "va": "bottom"}
        axes.annotate(
            f"{name} ", (places[-1], values[-1]), color="0.4", **place
        )
    ends = {}
    for name, of_method in points.items():
        places, values = _curve(of_method)
        (line,) = axes.plot(places, values, "o-", markersize=4, label=name)
        of_place = ends.setdefault(places[-1], [])
        of_place.append((values[-1], name, line.get_color()))
    for name, value in (baselines or {}).items():
        axes.axhline(100 * value, linestyle="--", color="0.7", linewidth=0.8)
        right = axes.get_yaxis_transform()
        place = {"transform": right, "ha": "right", "va": "bottom"}
        axes.text(0.99, 100 * value, name, color="0.4", fontsize=7, **place)
    axes.set_xscale("log")
    axes.set_xlabel("views in training")
    axes.set_ylabel("accuracy in percent")
    # Names beside the last points, which do not overlap.
    gap = 0.03 * np.ptp(axes.get_ylim())
    for place, named in ends.items():
        values, names, colors = zip(*sorted(named), strict=True)
        heights = _spread(values, gap)
        for value, name, color, height in zip(
            values, names, colors, heights, strict=True
        ):
            axes.annotate(
                name,
                (place, value),
                (1.3 * place, height),
                color=color,
                fontsize=7,
                va="center",
                arrowprops={
                    "arrowstyle": "-",
                    "color": "0.8",
                    "linewidth": 0.6,
                    "relpos": (0, 0.5),
                },
            )
    return figure


def _curve(of_method):
    """Returns the sorted numbers of views, and accuracies in percent."""
    places = sorted(of_method)
    return places, [100 * of_method[place] for place in places]


def _spread(values, gap):
    """Returns numbers near increasing values, each a gap above the last."""
    from sklearn.isotonic import IsotonicRegression

    steps = gap * np.arange(len(values))
    rising = IsotonicRegression().fit_transform(steps, values - steps)
    return rising + steps


def _figure(width, height):
    if not is_available():
        raise ImportError(
            "Pictures need matplotlib: pip install keras-dim[plots]"
        )
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def _rows(features, **others):
    """Returns finite features `(images, units)`, one for each of `others`."""
    features = np.asarray(features, np.float64)
    checks.shape((None, None), features=features)
    for name, column in checks.given(**others).items():
        if len(column) != len(features):
            raise ValueError(
                f"There must be one row of features for each of the {name}. "
                f"Received: {len(features)} for {len(column)}"
            )
    if not np.isfinite(features).all():
        raise ValueError("Features must be finite. Received NaN or infinity")
    return features


def _show(axes, image):
    pixels = np.clip(np.asarray(image), 0, 255).astype("uint8")
    pixels = pixels[..., :3] if pixels.shape[-1] >= 3 else pixels[..., 0]
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()
