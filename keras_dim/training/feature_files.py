"""The files of an embedding: an array, and tables of its images."""

import csv
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

import numpy as np

from keras_dim import data


def write_features(
    features_path: pathlib.Path,
    index_path: pathlib.Path,
    batches: Iterable[dict[str, np.ndarray]],
    feature: str,
    images: data.Source,
    width: int | None = None,
    report: Callable[[int], None] | None = None,
) -> tuple[int, int]:
    """Writes features and a table of their images, batch by batch.

    Args:
        features_path: path of the array, float32 `(rows, width)`.
        index_path: path of the table, with a line for each row.
        batches: iterable of dicts with the feature, `(rows, width)`,
            `"index"` and, if images have labels, `"label"`.
        feature: str. Name of the feature.
        images: `Source`. The source of the images.
        width: int or `None`. The width of the feature. Defaults to `None`,
            the width of the first batch.
        report: function that is called with the number of rows so far, or
            `None`.

    Returns:
        tuple of int. The number of rows, and the width.

    Raises:
        ValueError: for batches of different widths, and if there are neither
            images nor a `width`.
    """
    num_rows = 0
    with (
        open(features_path, "wb") as features,
        _open_csv(index_path) as index,
    ):
        table = csv.writer(index)
        table.writerow(_columns(images))
        for batch in batches:
            values = np.ascontiguousarray(batch[feature], "<f4")
            if width not in (None, values.shape[1]):
                raise ValueError(
                    f"The feature {feature!r} has changed its width from "
                    f"{width} to {values.shape[1]}."
                )
            if not num_rows:
                width = values.shape[1]
                start = _write_header(features, images.num_images, width)
            features.write(values.data)
            table.writerows(_rows(images, batch, num_rows))
            num_rows += len(values)
            if report:
                report(num_rows)
        if width is None:
            raise ValueError(f"No image of {images.name} can be read.")
        # Only now the number of readable images is known.
        features.seek(0)
        end = _write_header(features, num_rows, width)
        if num_rows and end != start:
            raise RuntimeError("The header of the array has grown.")
    return num_rows, width


def write_skipped(path: pathlib.Path, places: Sequence[str]) -> None:
    """Writes a table of the images that cannot be read."""
    with _open_csv(path) as file:
        table = csv.writer(file)
        table.writerow(["path"])
        table.writerows([place] for place in places)


def _write_header(file, num_rows, width):
    """Writes the header of an .npy file; returns where the array begins.

    NumPy pads headers, so that another number of rows takes no more room.
    """
    np.lib.format.write_array_header_1_0(
        file,
        {"descr": "<f4", "fortran_order": False, "shape": (num_rows, width)},
    )
    return file.tell()


def _open_csv(path: str | os.PathLike):
    # The name of a file need not be valid text.
    return open(
        path, "w", newline="", encoding="utf-8", errors="surrogateescape"
    )


def _columns(images):
    columns = ["row", "index" if images.paths is None else "path"]
    if images.has_labels:
        columns.append("label")
    if images.has_labels and images.class_names is not None:
        columns.append("class")
    return columns


def _rows(images, batch, first):
    for offset, index in enumerate(batch["index"].tolist()):
        row = [first + offset]
        row.append(index if images.paths is None else images.paths[index])
        if images.has_labels:
            label = int(batch["label"][offset])
            row.append(label)
            if images.class_names is not None:
                row.append(images.class_names[label] if label >= 0 else "")
        yield row
