"""The page and the tables of a report, on photographs with planted defects."""

import base64
import csv
import io
import json
import math
import re

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet
from tiny_encoder import tiny_encoder

from keras_dim import report
from keras_dim.report import page
from keras_dim.report import reading
from keras_dim.report import sheets
from keras_dim.report.layout import layout
from keras_dim.report.measures import MEASURES
from keras_dim.report.measures import measure_all


def table(written, name):
    with open(
        written[0] / f"{name}.csv",
        newline="",
        encoding="utf-8",
        errors="surrogateescape",
    ) as file:
        return list(csv.DictReader(file))


def data_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script', text)[1])


def file_name(row):
    return row["path"].rpartition("/")[2]


def test_counts_are_those_of_the_tables(written):
    _, counts = written

    assert counts["num_images"] == len(table(written, "images")) == 53
    assert counts["num_damaged"] == 1
    assert counts["num_duplicates"] == len(table(written, "duplicates"))
    assert counts["num_label_issues"] == len(table(written, "label_issues"))


def test_images_that_are_enlarged_are_not_measured_for_blur(tmp_path):
    draw = np.random.default_rng(0).integers
    for number, side in enumerate((64, 64, 64, 32, 60)):
        image = Image.fromarray(draw(0, 256, (side, side, 3), dtype="uint8"))
        image.save(tmp_path / f"{number}.png")

    images = reading.read_pixels(
        str(tmp_path), "train", True, 9, lambda *_: None
    )

    blurred = images.measures["blurred"]
    assert np.isnan(blurred).tolist() == [False, False, False, True, False]
    assert not np.nan_to_num(blurred).max() > 0.6


def test_planted_duplicates_are_in_one_group(written):
    groups = {
        file_name(row): row["duplicate_group"]
        for row in table(written, "images")
        if "china" in row["path"] or "05" in row["path"]
    }
    exact = {
        file_name(row): row["exact_duplicate_group"]
        for row in table(written, "images")
        if row["class"] == "flower"
    }

    assert groups["copy_of_03.jpg"] == groups["03.png"] != "-1"
    assert groups["same_as_05.png"] != "-1"
    assert exact["same_as_05.png"] == exact["05.png"] == "0"
    assert sorted(exact.values())[:-2] == ["-1"] * (len(exact) - 2)


def test_planted_defects_are_listed(written, hostile):
    found = {}
    for row in table(written, "defects"):
        found.setdefault(row["defect"], []).append(file_name(row))

    assert hostile in found["dark"] and "03.png" not in found["dark"]
    assert "blurred.png" in found["blurred"]
    assert found["damaged"] == ["damaged.png"]
    assert found["exact_duplicate"] == ["same_as_05.png"]


def test_images_to_label_have_no_defects_and_are_distinct(written, hostile):
    chosen = table(written, "labelling")
    paths = [row["path"] for row in chosen]

    assert [row["rank"] for row in chosen] == list("012345")
    assert len(set(paths)) == 6 and {row["label"] for row in chosen} == {""}
    assert not any(hostile in path or "blurred" in path for path in paths)


def test_confusion_counts_every_labelled_image(written):
    counts = [int(row["num_images"]) for row in table(written, "confusion")]

    assert sum(counts) == 53


def test_parquet_holds_the_tables(written):
    for path in written[0].glob("*.csv"):
        rows = table(written, path.stem)
        columns = parquet.read_table(path.with_suffix(".parquet"))
        assert columns.num_rows == len(rows)
        if rows:
            assert columns.column_names == list(rows[0])
    scores = parquet.read_table(written[0] / "images.parquet")["outlier_score"]
    assert scores.to_numpy() == pytest.approx(
        [float(row["outlier_score"]) for row in table(written, "images")],
        rel=1e-5,
    )


def test_without_pyarrow_only_csv_is_written(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    report.write_report(tiny_encoder(), photos, tmp_path / "r", labels=False)
    names = {path.name for path in (tmp_path / "r").iterdir()}

    assert "images.csv" in names
    assert not any(name.endswith(".parquet") for name in names)
    assert not names & {"label_issues.csv", "confusion.csv"}


def test_the_page_needs_no_other_file_and_no_network(written):
    text = (written[0] / report.PAGE).read_text(encoding="utf-8")
    # The script links only to tables beside the page.
    assert re.findall(r"""(?:src|href)=["'][^"']*["']|https?://""", text) == []
    assert "default-src 'none'" in text


def test_no_data_can_close_its_element(written, hostile):
    text = (written[0] / report.PAGE).read_text(encoding="utf-8")
    data = data_of(written[0] / report.PAGE)

    # There are two script elements, whatever the names contain.
    assert text.count("<script") == text.count("</script") == 2
    assert "<!--" not in text
    assert f"flower/{hostile}" in data["names"]
    assert "'china/caf\\udce9.png'" in data["names"]


def test_the_page_shows_a_limited_number_of_images(
    photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(page, "MOST_IMAGES", 10)
    for name in ("_OUTLIERS", "_TO_LABEL", "_FLAGGED", "_ISSUES", "_GROUPS"):
        monkeypatch.setattr(page, name, 2)
    monkeypatch.setattr(page, "_TYPICAL", 1)
    output = tmp_path / "r"
    counts = report.write_report(tiny_encoder(), photos, output)
    data = data_of(output / report.PAGE)

    assert counts["num_images"] == data["count"] == 53
    # 10 on the map and those in sections: at most 2 for each of 7 defects, 16
    # duplicates, 2 outliers, 2 to label, 2 label issues and 5 typical ones.
    assert 10 <= len(data["names"]) < 53
    rows = data["sections"]["outliers"]
    assert max(rows) < len(data["names"]) and min(rows) >= 0


def test_sheets_stay_below_most_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3))
    noise = noise.astype(np.uint8)

    def num_bytes(**options):
        images = sheets.sheets(noise, **options)["images"]
        return sum(map(len, images)) * 3 / 4

    assert num_bytes() > 80_000
    assert num_bytes(most_bytes=80_000) <= 80_000


def test_sheets_have_each_thumbnail_in_its_place():
    grey = np.arange(40, 240, 10, np.uint8)[:, None, None, None]
    found = sheets.sheets(np.broadcast_to(grey, (20, 256, 256, 3)))
    file = io.BytesIO(base64.b64decode(found["images"][1]))
    sheet = np.asarray(Image.open(file))

    assert found["columns"] == 4 and len(found["images"]) == 2
    # The second sheet has the last 4 of 20, in one row.
    assert sheet.shape == (256, 1024, 3)
    np.testing.assert_allclose(
        sheet[128, 128::256, 0], [200, 210, 220, 230], atol=4
    )


def test_the_map_keeps_neighbours_together(monkeypatch):
    monkeypatch.setattr("keras_dim.report.layout.NUM_LANDMARKS", 60)
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    features = np.eye(3)[labels] + 0.05 * rng.normal(size=(90, 3))

    points = layout(features)

    assert points.min() == 0 and points.max() == pytest.approx(1)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert np.mean(labels[distances.argmin(axis=1)] == labels) == 1
    np.testing.assert_array_equal(layout(features), points)


@pytest.mark.parametrize("num", [1, 2, 4, 7])
def test_the_map_takes_few_and_equal_images(num):
    assert layout(np.ones((num, 5))).shape == (num, 2)
    assert np.isfinite(layout(np.eye(num, 5))).all()


def test_measures_are_finite():
    features = np.random.default_rng(0).normal(size=(200, 4))
    features[:, 3] = 7

    found = measure_all(features)

    assert found.keys() == MEASURES.keys()
    assert all(map(math.isfinite, found.values()))
    assert found["dead_units"] == 0.25


def test_a_report_of_equal_images_is_written(tmp_path):
    images = np.full((3, 8, 8, 3), 100, np.uint8)
    counts = report.write_report(tiny_encoder(), images, tmp_path / "r")

    assert counts == {
        "num_images": 3,
        "num_damaged": 0,
        "num_duplicates": 3,
        "num_defects": 3,
    }


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), {}, "only one"),
        (np.zeros((4, 8, 8, 3), np.uint8), {"num_labels": 0}, "num_labels"),
        ("no_such_folder", {"feature": "x"}, "'x'"),
    ],
)
def test_invalid_arguments_leave_no_files(tmp_path, images, options, message):
    with pytest.raises(ValueError, match=message):
        report.write_report(tiny_encoder(), images, tmp_path / "r", **options)

    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="exists"):
        report.write_report(tiny_encoder(), "digits", tmp_path)
