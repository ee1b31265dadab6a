"""The tables of a report, as CSV and Parquet."""

import csv
import importlib.util
import pathlib
from typing import Any

import numpy as np

from keras_dim import curation
from keras_dim.report.analysis import Findings
from keras_dim.report.measures import MEASURES
from keras_dim.report.reading import Images

Table = dict[str, Any]


def tables(images: Images, found: Findings) -> dict[str, Table]:
    """Returns the tables by name: dicts of columns of equal length."""
    key = "index" if images.source.paths is None else "path"
    name = np.array(images.names, object)
    if key == "index":
        name = images.rows
    shown: Table = {key: name}
    shown |= {"height": images.sizes[:, 0], "width": images.sizes[:, 1]}
    if images.labels is not None:
        shown |= {
            "label": images.labels,
            "class": _class_names(images, images.labels),
        }
    rank = np.full(len(name), -1, np.int64)
    rank[found.coreset] = np.arange(len(found.coreset))
    shown |= {
        "duplicate_group": found.duplicates,
        "exact_duplicate_group": images.exact,
        "outlier_score": found.outliers,
        "cluster": found.clusters.labels,
        "typicality": found.clusters.typicality,
        "coreset_rank": rank,
        "map_x": found.points[:, 0],
        "map_y": found.points[:, 1],
        "nearest": name[found.near[:, 0]],
        "nearest_cosine": found.cosines[:, 0],
    }
    if found.issues is not None:
        shown["label_issue_score"] = found.issues.scores
        shown["suggested_label"] = found.issues.suggested
        shown["suggested_class"] = _class_names(images, found.issues.suggested)
    shown |= {
        each: values
        for each, (values, _) in found.defects.items()
        if each in curation.DEFECTS
    }
    flags = np.array([flags for _, flags in found.defects.values()])
    kinds = np.array(list(found.defects), object)
    shown["defects"] = [";".join(kinds[row]) for row in flags.T]
    every = {
        "images": shown,
        "duplicates": _duplicates(key, name, found),
        "defects": _defects(key, name, images, found),
        "labelling": {
            "rank": np.arange(len(found.coreset)),
            key: name[found.coreset],
            "label": [""] * len(found.coreset),
        },
        "measures": {
            "measure": list(found.measures),
            "value": list(found.measures.values()),
            "reading": [MEASURES[each].reading for each in found.measures],
        },
    }
    if found.issues is not None:
        issues = found.issues
        order = found.labels_in_question()
        every["label_issues"] = {
            key: name[order],
            "score": issues.scores[order],
            "class": _class_names(images, images.labels[order]),
            "suggested_class": _class_names(images, issues.suggested[order]),
        }
        used, counts = np.unique(
            np.stack([images.labels, issues.suggested])[
                :, np.isfinite(issues.scores)
            ],
            axis=1,
            return_counts=True,
        )
        every["confusion"] = {
            "class": _class_names(images, used[0]),
            "suggested_class": _class_names(images, used[1]),
            "num_images": counts,
        }
    return every


def write_tables(folder: pathlib.Path, every: dict[str, Table]) -> bool:
    """Writes CSV and, with pyarrow, Parquet; returns whether Parquet, too."""
    for title, table in every.items():
        with open(
            folder / f"{title}.csv",
            "w",
            newline="",
            encoding="utf-8",
            # File names need not be valid UTF-8.
            errors="surrogateescape",
        ) as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*map(_plain, table.values()), strict=True))
    if importlib.util.find_spec("pyarrow") is None:
        return False
    import pyarrow
    from pyarrow import parquet

    for title, table in every.items():
        columns = {
            key: [_valid(one) if isinstance(one, str) else one for one in each]
            for key, each in table.items()
        }
        parquet.write_table(pyarrow.table(columns), folder / f"{title}.parquet")
    return True


def _duplicates(key, name, found):
    rows = np.flatnonzero(found.duplicates >= 0)
    rows = rows[np.argsort(found.duplicates[rows], kind="stable")]
    return {"group": found.duplicates[rows], key: name[rows]}


def _defects(key, name, images, found):
    table: Table = {"defect": [], key: [], "value": []}
    for defect, (values, flags) in found.defects.items():
        rows = np.flatnonzero(flags)
        table["defect"] += [defect] * len(rows)
        table[key] += name[rows].tolist()
        table["value"] += values[rows].tolist()
    table["defect"] += ["damaged"] * len(images.damaged)
    # Without files, `damaged` has descriptions, so that indices become texts.
    table[key] = [str(one) for one in table[key]] + images.damaged
    table["value"] += [float("nan")] * len(images.damaged)
    return table


def _class_names(images, labels):
    return [images.class_name(label) for label in labels.tolist()]


def _plain(column):
    """Yields the cells of a CSV: floats in 6 digits, empty for NaN."""
    if isinstance(column, np.ndarray):
        column = column.tolist()
    for value in column:
        if isinstance(value, float):
            value = "" if value != value else f"{value:.6g}"
        yield value


def _valid(text):
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
