"""The HTML page of a report: a template filled with data."""

import base64
import json
import os
import pathlib
from typing import Any

import numpy as np

from keras_dim import curation
from keras_dim.data.source import printable
from keras_dim.report import reading
from keras_dim.report.analysis import Findings
from keras_dim.report.measures import MEASURES
from keras_dim.report.reading import Images
from keras_dim.report.sheets import sheets
from keras_dim.version import __version__

# In base64, small thumbnails take at most 48 MB and large ones 11 MB; names and
# numbers take about 130 bytes an image. So a page has less than 80 MB.
MOST_IMAGES = 100_000
_LARGE_BYTES = 8 * 2**20
_MOST_NAME = 120
_NEIGHBORS = 12
# The largest number of images, groups or members of a group in a section.
_OUTLIERS = 60
_GROUPS, _MEMBERS = 40, 8
_TYPICAL = 5
_TO_LABEL = 200
_FLAGGED = 24
_ISSUES = 60
_CLASSES = 30
_FOLDER = pathlib.Path(__file__).parent


def render(images: Images, found: Findings, about: dict[str, Any]) -> str:
    """Returns the page as HTML that needs no other file.

    `about` has the entries `"source"`, `"encoder"`, `"width"`, `"tables"` and
    `"parquet"` for the page's header.
    """
    sections = _sections(images, found)
    featured = sorted(_rows_of(sections))
    shown = np.union1d(images.on_page, featured).astype(np.int64)
    # The index of each image on the page; -1 if it is not there.
    place = np.full(len(images.rows), -1, np.int64)
    place[shown] = np.arange(len(shown))
    names, folder = _names(images, shown)
    near = found.near[:, :_NEIGHBORS]
    columns = {
        "x": np.rint(65535 * found.points[shown, 0]).astype("<u2"),
        "y": np.rint(65535 * found.points[shown, 1]).astype("<u2"),
        "cluster": found.clusters.labels[shown].astype("<u2"),
        "group": found.duplicates[shown].astype("<i4"),
        "outlier": found.outliers[shown].astype("<f4"),
        "near": place[near[shown]].astype("<i4"),
        "cosine": np.rint(1000 * found.cosines[shown, : near.shape[1]]).astype(
            "<i2"
        ),
        "defects": _bits(found, shown),
        "size": images.sizes[shown].astype("<u4"),
        "small": _places(images.on_page, shown),
        "large": _places(featured, shown),
    }
    classes = []
    if found.issues is not None:
        both = np.stack([images.labels, found.issues.suggested])[:, shown]
        used, numbers = np.unique(both, return_inverse=True)
        # The lowest label is -1 if images are unlabelled, and stays -1.
        numbers = numbers.reshape(both.shape) - (used[0] < 0)
        columns["label"], columns["suggested"] = numbers.astype("<i4")
        columns["issue"] = found.issues.scores[shown].astype("<f4")
        classes = [printable(images.class_name(n)) for n in used if n >= 0]
    large = images.pixels(featured)
    data = {
        **about,
        "source": printable(about["source"]),
        "version": __version__,
        "shown": _shown(images.values),
        "count": len(images.rows),
        "folder": folder,
        "names": names,
        "classes": classes,
        "columns": {name: _packed(values) for name, values in columns.items()},
        "neighbors": near.shape[1],
        "small": sheets(images.thumbnails),
        "large": sheets(
            reading.thumbnails_of(large, large.shape[1]), _LARGE_BYTES
        ),
        "sections": _placed(sections, place),
    }
    return _filled(data)


def _shown(values):
    """Returns a sentence on how the page shows images of stored values."""
    if values is None:
        return ""
    bands = len(values.low)
    how = "the first three as red, green and blue" if bands > 2 else "the first"
    return (
        f"Images hold {values.dtype} values of {bands} band(s), of which the "
        f"page shows {how}, stretched from the encoder's range of each band to "
        "8 bits and clipped. Defects are measured on these, too."
    )


def _filled(data):
    """Returns the template with style, script and data inserted."""
    text, style, script = (
        (_FOLDER / f"page.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    # Names of files and classes may be hostile: the data must not close their
    # element, and the script inserts texts as text, not as HTML.
    encoded = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    for place, part in (
        ("/*STYLE*/", style),
        ("/*SCRIPT*/", script),
        ("/*DATA*/", encoded),
    ):
        before, after = text.split(place)
        text = before + part + after
    return text


class _Row(int):
    """The index of an image, distinguished from other integers in sections."""


def _row_list(rows):
    return [_Row(row) for row in np.asarray(rows).tolist()]


def _sections(images, found):
    """Returns the content of the sections, with images as `_Row`."""
    groups = _groups(found.duplicates)
    clusters = range(len(found.clusters.centers))
    members = [found.clusters.members(number) for number in clusters]
    outliers = np.argsort(-found.outliers, kind="stable")[:_OUTLIERS]
    kinds = []
    for name, (values, flags) in found.defects.items():
        rows = np.flatnonzero(flags)
        kind = curation.DEFECTS.get(name)
        if kind is None:
            kinds.append(_kind("Exact duplicate", "later copies", rows))
            continue
        order = np.argsort(values[rows] * (-1 if kind.is_above else 1))
        limit = f"{'above' if kind.is_above else 'below'} {kind.limit:g}"
        kinds.append(_kind(kind.title, f"{kind.value}, {limit}", rows[order]))
    damaged = [printable(name) for name in images.damaged[:_FLAGGED]]
    kinds.append(
        {
            **_kind("Damaged", "files that cannot be read", []),
            "count": len(images.damaged),
            "names": damaged,
        }
    )
    sections = {
        "measures": [
            [MEASURES[name].title, value, MEASURES[name].reading]
            for name, value in found.measures.items()
            if np.isfinite(value)
        ],
        "num_groups": len(groups),
        "num_in_groups": int(np.sum(found.duplicates >= 0)),
        "groups": [
            {"count": len(rows), "rows": _row_list(rows[:_MEMBERS])}
            for rows in groups[:_GROUPS]
        ],
        "outliers": _row_list(outliers),
        "clusters": [
            {"count": len(rows), "rows": _row_list(rows[:_TYPICAL])}
            for rows in members
        ],
        "coreset": _row_list(found.coreset[:_TO_LABEL]),
        "num_coreset": len(found.coreset),
        "defects": kinds,
    }
    if found.issues is not None:
        sections |= _label_sections(images, found)
    return sections


def _kind(title, value, rows):
    return {
        "title": title,
        "value": value,
        "count": len(rows),
        "rows": _row_list(rows[:_FLAGGED]),
    }


def _label_sections(images, found):
    issues = found.issues
    wrong = found.labels_in_question()
    known = np.flatnonzero(np.isfinite(issues.scores))
    used, counts = np.unique(issues.labels[known], return_counts=True)
    used = np.sort(used[np.argsort(-counts, kind="stable")[:_CLASSES]])
    matrix = [
        [
            int(
                np.sum(
                    (issues.labels[known] == given)
                    & (issues.suggested[known] == suggested)
                )
            )
            for suggested in used
        ]
        for given in used
    ]
    return {
        "num_issues": len(wrong),
        "issues": _row_list(wrong[:_ISSUES]),
        "confusion": {
            "classes": [printable(images.class_name(n)) for n in used],
            "counts": matrix,
            "num_left_out": len(counts) - len(used),
        },
    }


def _groups(labels):
    """Returns the images of each group of duplicates, largest group first."""
    rows = np.flatnonzero(labels >= 0)
    rows = rows[np.argsort(labels[rows], kind="stable")]
    _, starts = np.unique(labels[rows], return_index=True)
    groups = np.split(rows, starts[1:]) if len(rows) else []
    return sorted(groups, key=len, reverse=True)


def _rows_of(value):
    """Yields the images in sections."""
    if isinstance(value, _Row):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _rows_of(each)


def _placed(value, place):
    """Replaces the index of each image in sections by that on the page."""
    if isinstance(value, _Row):
        return int(place[value])
    if isinstance(value, dict):
        return {name: _placed(each, place) for name, each in value.items()}
    if isinstance(value, list):
        return [_placed(each, place) for each in value]
    return value


def _names(images, shown):
    """Returns the names of images relative to their common folder, and it."""
    names = [images.names[row] for row in shown]
    folder = ""
    if images.source.paths is not None:
        folder = os.path.commonpath([os.path.dirname(name) for name in names])
        names = [os.path.relpath(name, folder) for name in names]
    names = [printable(name) for name in names]
    cut = [
        name if len(name) <= _MOST_NAME else f"...{name[-_MOST_NAME:]}"
        for name in names
    ]
    return cut, printable(folder)


def _bits(found, shown):
    bits = np.zeros(len(shown), "<u2")
    for number, (_, flags) in enumerate(found.defects.values()):
        bits |= (flags[shown].astype("<u2") << number).astype("<u2")
    return bits


def _places(some, shown):
    """Returns the index in `some` of each shown image, -1 if absent."""
    some = np.asarray(some, np.int64)
    place = np.searchsorted(some, shown)
    place[place == len(some)] = 0
    return np.where(some[place] == shown, place, -1).astype("<i4")


def _packed(values):
    kinds = {"<u2": "Uint16", "<i2": "Int16", "<i4": "Int32"}
    kinds |= {"<u4": "Uint32", "<f4": "Float32"}
    text = base64.b64encode(np.ascontiguousarray(values)).decode()
    return {"type": kinds[values.dtype.str], "data": text}
