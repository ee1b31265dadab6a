"""Workers write the shards of one embedding, also if some are killed."""

import csv
import filecmp
import json
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_images
from tiny_encoder import tiny_encoder

from keras_dim.data import arrays
from keras_dim.data import open_source
from keras_dim.training import embed
from keras_dim.training import read_embedding

TESTS = pathlib.Path(__file__).parents[1]
NUM_IMAGES = 11

# Prints a line and waits within the second shard.
UNTIL_KILLED = """
import sys, time
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
import keras
from keras_dim.training import embed
encoder, source, output = sys.argv[1:]

def report(done, total):
    if done == 7:
        print("within a shard", flush=True)
        time.sleep(600)

embed(
    keras.models.load_model(encoder), source, output, "fc", 2,
    report=report, num_shards=3,
)
"""


@pytest.fixture(scope="module")
def encoder():
    return tiny_encoder()


def folder_of_images(folder):
    """Two classes of images, a file that is none, and a cut off image."""
    for number in range(NUM_IMAGES):
        path = folder / "photos" / "ab"[number // 6] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny_images.encode(tiny_images.pixels(number)))
    whole = tiny_images.encode(tiny_images.pixels(9, (64, 64, 3)))
    (folder / "photos" / "a" / "00_empty.png").write_bytes(b"")
    (folder / "photos" / "b" / "07_cut.png").write_bytes(whole[:200])
    return folder / "photos"


def array_file(folder):
    path = folder / "images.npy"
    np.save(path, tiny_images.pixels(0, (NUM_IMAGES, 8, 8, 3)))
    return path


def tfrecords(folder, kind="png"):
    """Three record files of unequal lengths, with a record that is no image."""
    for name, numbers in (("0", range(2)), ("1", range(2, 9)), ("2", [9, 10])):
        with tf.io.TFRecordWriter(f"{folder}/{name}.tfrecord") as writer:
            for number in numbers:
                image = tiny_images.pixels(number)
                encoded = tiny_images.encode(image, kind)
                encoded = encoded[:60] if number == 4 else encoded
                value = tf.train.BytesList(value=[encoded])
                feature = {"image": tf.train.Feature(bytes_list=value)}
                features = tf.train.Features(feature=feature)
                example = tf.train.Example(features=features)
                writer.write(example.SerializeToString())
    return f"{folder}/*.tfrecord"


def rows_of(folder, kind):
    """The lines of all tables of a kind, in order of the shards."""
    rows = []
    for path in sorted(folder.glob(f"{kind}*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            rows += [line[1:] for line in csv.reader(file)][1:]
    return rows


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def names_of_shards(num_shards):
    return sorted(
        ["embed.json"]
        + [
            f"{kind}-{shard:05}-of-{num_shards:05}.{suffix}"
            for shard in range(num_shards)
            for kind, suffix in (
                ("features", "npy"),
                ("index", "csv"),
                ("skipped", "csv"),
            )
        ]
    )


def assert_same_bytes(found, expected):
    assert names(found) == names(expected)
    for name in set(names(expected)) - {"embed.json"}:
        assert filecmp.cmp(found / name, expected / name, shallow=False), name


@pytest.mark.parametrize("make", [folder_of_images, tfrecords, array_file])
def test_shards_after_each_other_are_the_rows_of_one_array(
    make, tmp_path, encoder
):
    source = make(tmp_path)
    whole, shards = tmp_path / "whole", tmp_path / "shards"
    embed(encoder, source, whole, "fc", 4)
    results = [
        embed(
            encoder,
            source,
            shards,
            "fc",
            4,
            num_shards=3,
            worker=worker,
            num_workers=2,
        )
        for worker in (1, 0)
    ]

    assert [result["num_written"] for result in results] == [1, 2]
    assert names(shards) == names_of_shards(3)
    expected = np.load(whole / "features.npy")
    np.testing.assert_allclose(
        np.concatenate(read_embedding(shards)), expected, rtol=1e-5, atol=1e-6
    )
    assert sum(result["num_images"] for result in results) == len(expected)
    assert rows_of(shards, "index") == rows_of(whole, "index")
    assert rows_of(shards, "skipped") == rows_of(whole, "skipped")


def test_a_shard_has_a_row_for_each_line_of_its_index(tmp_path, encoder):
    embed(encoder, folder_of_images(tmp_path), tmp_path / "out", num_shards=4)

    for shard, features in enumerate(read_embedding(tmp_path / "out")):
        path = tmp_path / "out" / f"index-{shard:05}-of-00004.csv"
        with open(path, newline="") as file:
            rows = [int(line["row"]) for line in csv.DictReader(file)]
        assert rows == list(range(len(features)))
        assert 2 <= len(rows) <= 3


def test_more_shards_than_images_leave_some_empty(tmp_path, encoder):
    result = embed(
        encoder, array_file(tmp_path), tmp_path / "out", "fc", num_shards=30
    )

    features = read_embedding(tmp_path / "out")
    assert result["num_images"] == NUM_IMAGES
    assert [len(part) for part in features].count(0) == 30 - NUM_IMAGES
    assert {part.shape[1] for part in features} == {6}
    assert {part.dtype for part in features} == {np.dtype("float32")}


def test_a_killed_worker_loses_only_its_current_shard(tmp_path, encoder):
    source = array_file(tmp_path)
    encoder.save(tmp_path / "tiny.keras")
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    process = subprocess.Popen(
        [sys.executable, "-c", UNTIL_KILLED]
        + [str(path) for path in (tmp_path / "tiny.keras", source, broken)],
        env=os.environ | {"PYTHONPATH": str(TESTS.parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    assert said == "within a shard\n"
    left = set(names(broken)) - set(names_of_shards(3))
    assert len(left) == 3 and all(name[0] == "." for name in left)
    assert (broken / "features-00000-of-00003.npy").exists()
    assert not (broken / "features-00001-of-00003.npy").exists()

    result = embed(encoder, source, broken, "fc", 2, num_shards=3)
    embed(encoder, source, unbroken, "fc", 2, num_shards=3)

    assert (result["num_written"], result["num_passed_over"]) == (2, 1)
    assert_same_bytes(broken, unbroken)


def test_a_shard_may_be_written_by_two_workers_at_once(tmp_path, encoder):
    source = array_file(tmp_path)
    out, alone = tmp_path / "out", tmp_path / "alone"
    others = []

    def report(done, total):
        if not others:
            # Another worker writes the shard first.
            others.append(embed(encoder, source, out, "fc", 2, num_shards=2))

    result = embed(encoder, source, out, "fc", 2, report=report, num_shards=2)
    embed(encoder, source, alone, "fc", 2, num_shards=2)

    assert others[0]["num_written"] == 2
    assert result["num_passed_over"] == 1
    assert_same_bytes(out, alone)


def test_existing_shards_are_skipped_whatever_the_batch_size(tmp_path, encoder):
    source = array_file(tmp_path)
    embed(encoder, source, tmp_path / "out", batch_size=2, num_shards=3)
    seen = []
    result = embed(
        encoder,
        source,
        tmp_path / "out",
        batch_size=5,
        report=lambda done, total: seen.append((done, total)),
        num_shards=3,
    )

    assert result == {
        "num_images": 0,
        "num_skipped": 0,
        "width": 5,
        "num_written": 0,
        "num_passed_over": 3,
    }
    assert seen == [(3, 11), (7, 11), (11, 11)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature": "fc"}, "feature was 'global' and is 'fc'; width was 5"),
        ({"num_shards": 4}, "num_shards was 3 and is 4"),
        ({"split": "test"}, "split was 'train' and is 'test'"),
        ({"source": "more"}, "num_images was 11 and is 12"),
        ({"encoder": "other"}, "encoder was {'sha256': "),
    ],
)
def test_another_embedding_in_the_same_folder_is_refused(
    change, message, tmp_path, encoder
):
    same = {
        "encoder": encoder,
        "source": array_file(tmp_path),
        "num_shards": 3,
        "feature": "global",
    }
    embed(output=tmp_path / "out", **same)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    if change.get("encoder"):
        other = keras.models.clone_model(encoder)
        weights = encoder.get_weights()
        weights[-1] = weights[-1] + 1e-3
        other.set_weights(weights)
        change = {"encoder": other}
    if change.get("source"):
        np.save(tmp_path / "more.npy", np.zeros((12, 8, 8, 3), "uint8"))
        change = {"source": tmp_path / "more.npy"}

    with pytest.raises(ValueError, match="begun as another") as error:
        embed(output=tmp_path / "out", **{**same, **change})
    assert message in str(error.value)
    assert before == {
        path: path.read_bytes() for path in (tmp_path / "out").iterdir()
    }


def test_another_folder_of_as_many_images_is_refused(tmp_path, encoder):
    source = folder_of_images(tmp_path)
    embed(encoder, source, tmp_path / "out", num_shards=2)
    (source / "a" / "00.png").rename(source / "a" / "0.png")

    with pytest.raises(ValueError, match="paths_sha256 was"):
        embed(encoder, source, tmp_path / "out", num_shards=2)


@pytest.mark.parametrize("as_file", [False, True])
def test_another_array_of_the_same_shape_is_refused(as_file, tmp_path, encoder):
    images = tiny_images.pixels(0, (NUM_IMAGES, 8, 8, 3))
    other = images.copy()
    other[-1, -1, -1, -1] ^= 1

    def run(array):
        source = array
        if as_file:
            source = tmp_path / "images.npy"
            np.save(source, array)
        return embed(encoder, source, tmp_path / "out", num_shards=2)

    run(images)
    assert run(images.copy())["num_passed_over"] == 2
    with pytest.raises(ValueError, match="contents was 'sha256 "):
        run(other)


def test_the_checksum_of_an_array_is_that_of_its_bytes_in_blocks(
    tmp_path, monkeypatch
):
    images = tiny_images.pixels(0, (NUM_IMAGES, 8, 8, 3))
    whole = open_source(images).contents()
    np.save(tmp_path / "x.npy", images)
    # Blocks of two images, and a last one of one.
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 2 * 8 * 8 * 3)
    assert open_source(tmp_path / "x.npy").contents() == whole
    # Another order in memory.
    assert open_source(np.asfortranarray(images)).contents() == whole
    assert open_source((images, np.arange(11))).contents() != whole


def test_other_record_files_of_the_same_names_are_refused(tmp_path, encoder):
    pattern = tfrecords(tmp_path)
    embed(encoder, pattern, tmp_path / "out", num_shards=2)
    # The same number of records, some of them longer.
    tfrecords(tmp_path, "bmp")

    with pytest.raises(ValueError, match="contents was 'sha256 "):
        embed(encoder, pattern, tmp_path / "out", num_shards=2)


@pytest.mark.parametrize("holds", ["other files", "no folder"])
def test_a_folder_of_other_files_is_refused(holds, tmp_path, encoder):
    output = tmp_path / "out"
    if holds == "no folder":
        output.write_text("mine")
    else:
        output.mkdir()
        (output / "mine.txt").write_text("mine")

    with pytest.raises(ValueError, match="no embedding in shards"):
        embed(encoder, array_file(tmp_path), output, num_shards=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_shards": 0}, "`num_shards` must be an integer from 1"),
        ({"num_shards": 10**7}, "`num_shards` must be .* to 1,000,000"),
        ({"num_shards": 2, "num_workers": 0}, "`num_workers` must be"),
        (
            {"num_shards": 2, "worker": 1},
            "`worker` must be an integer from 0 to 0",
        ),
        ({"num_shards": 2, "worker": -1, "num_workers": 2}, "from 0 to 1"),
        ({"num_workers": 2}, "pass `num_shards`"),
    ],
)
def test_invalid_workers_and_shards_are_refused(
    arguments, message, tmp_path, encoder
):
    with pytest.raises(ValueError, match=message):
        embed(encoder, "nowhere/", tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_incomplete_embedding_is_not_read(tmp_path, encoder):
    embed(
        encoder,
        array_file(tmp_path),
        tmp_path / "out",
        num_shards=6,
        worker=1,
        num_workers=5,
    )

    with pytest.raises(ValueError, match="5 of 6 shards .* number 0"):
        read_embedding(tmp_path / "out")


def test_a_folder_without_an_embedding_in_shards_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no embed.json"):
        read_embedding(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"num_shards": 0}',
        '{"num_shards": "4"}',
        '{"num_shards": 4.0}',
        '{"num_shards": true}',
        # Looking for so many shards would not end.
        '{"num_shards": 1000000000000}',
    ],
)
def test_a_damaged_manifest_is_refused_in_one_line(text, tmp_path, encoder):
    source = array_file(tmp_path)
    embed(encoder, source, tmp_path / "out", num_shards=2)
    (tmp_path / "out" / "embed.json").write_text(text)

    for use in (
        lambda: read_embedding(tmp_path / "out"),
        lambda: embed(encoder, source, tmp_path / "out", num_shards=2),
    ):
        with pytest.raises(ValueError, match="embed.json is damaged"):
            use()


def test_differences_are_named_in_one_line(tmp_path, encoder):
    source = array_file(tmp_path)
    embed(encoder, source, tmp_path / "out", num_shards=2)
    path = tmp_path / "out" / "embed.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "a\nb": 1}))

    with pytest.raises(ValueError, match=r"another embedding: 'a\\nb' was 1"):
        embed(encoder, source, tmp_path / "out", num_shards=2)


def test_the_manifest_identifies_the_features(tmp_path, encoder):
    source = array_file(tmp_path)
    embed(encoder, source, tmp_path / "out", "fc", num_shards=2)

    manifest = json.loads((tmp_path / "out" / "embed.json").read_text())
    assert len(manifest.pop("encoder")["sha256"]) == 64
    assert len(manifest.pop("contents")) == len("sha256 ") + 64
    assert manifest.pop("keras_dim")
    assert manifest == {
        "backend": "tensorflow",
        "source": str(source),
        "split": "train",
        "num_images": NUM_IMAGES,
        "image_shape": [8, 8, 3],
        "paths_sha256": None,
        "feature": "fc",
        "width": 6,
        "num_shards": 2,
    }
