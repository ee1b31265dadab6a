"""Writes a report: reads images, analyses them, writes page and tables."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from keras_dim import checks
from keras_dim import encoders
from keras_dim import files
from keras_dim.report import page
from keras_dim.report import reading
from keras_dim.report import tables
from keras_dim.report.analysis import analyse

PAGE = "report.html"


def write_report(
    encoder: keras.Model,
    source: Any,
    output: str | os.PathLike,
    split: str | None = "train",
    feature: str | None = None,
    labels: bool = True,
    num_labels: int = 100,
    encoder_name: str = "",
    report: Callable[[str, int, int], None] | None = None,
) -> dict[str, int]:
    """Writes a page and tables about a set of images.

    The folder has `report.html`, one page that needs neither a server nor a
    network and shows at most 100,000 images; `images.csv`, a line for each
    image that could be read; `duplicates.csv`, `defects.csv`, `measures.csv`
    and `labelling.csv`, the images to label first; with labels also
    `label_issues.csv` and `confusion.csv`; and all of these as Parquet if
    pyarrow is installed.

    Args:
        encoder: `keras.Model`.
        source, split: see `keras_dim.data.open_source`.
        output: str or path. The folder to write, whole or not at all.
        feature: str. Defaults to `encoders.default_feature(encoder)`.
        labels: bool. Whether to use labels, if there are any. Defaults to
            `True`.
        num_labels: int. The number of images to choose for labelling, 1 to
            10,000. Defaults to `100`.
        encoder_name: str. The name of the encoder on the page.
        report: function that is called with the name of a step, the amount
            done and the whole amount.

    Returns:
        dict of numbers of images: `"num_images"` read, `"num_damaged"`,
        `"num_duplicates"` (in groups), `"num_defects"` (flagged) and, with
        labels, `"num_label_issues"`.

    Raises:
        ValueError: if `output` exists; for an unknown feature; for a source
            that cannot be opened or has fewer than two readable images.
        FileNotFoundError: if there is no such source.
    """
    output = pathlib.Path(output)
    files.refuse_existing(output)
    checks.integers(1, 10_000, num_labels=num_labels)
    feature = feature or encoders.default_feature(encoder)
    encoders.features.features_of(encoder, feature)
    report = report or (lambda step, done, total: None)
    images = reading.read_pixels(
        source,
        split,
        labels,
        page.MOST_IMAGES,
        report,
        encoders.value_range(encoder),
    )
    images.features = reading.read_features(
        images, encoder, source, split, feature, report
    )
    found = analyse(images, num_labels, report)
    every = tables.tables(images, found)
    report("Writing", 0, 1)
    with files.atomic_folder(output) as folder:
        has_parquet = tables.write_tables(folder, every)
        about = {
            "source": images.source.name,
            "encoder": encoder_name,
            "width": images.features.shape[1],
            "tables": [f"{name}.csv" for name in every],
            "parquet": has_parquet,
        }
        text = page.render(images, found, about)
        (folder / PAGE).write_text(text, encoding="utf-8")
    report("Writing", 1, 1)
    counts = {
        "num_images": len(images.rows),
        "num_damaged": len(images.damaged),
        "num_duplicates": len(every["duplicates"]["group"]),
        "num_defects": sum(map(bool, every["images"]["defects"])),
    }
    if found.issues is not None:
        counts["num_label_issues"] = len(every["label_issues"]["score"])
    return counts
