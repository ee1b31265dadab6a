import os

import numpy as np
import pytest
import tensorflow as tf
from tiny_images import encode
from tiny_images import images_by_index
from tiny_images import indices_of
from tiny_images import pixels

import keras_dim.data
from keras_dim.data import reading
from keras_dim.data.crc32c import crc32c
from keras_dim.data.tfrecord import open_file


def example(features):
    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[value])
            )
        if isinstance(value, float):
            return tf.train.Feature(
                float_list=tf.train.FloatList(value=[value])
            )
        values = value if isinstance(value, list) else [value]
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    features = {key: feature(value) for key, value in features.items()}
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def write_records(path, records, compression=""):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for record in records:
            writer.write(record)


def write_shards(folder, image_key="image", compression="", num_shards=3):
    """Ten images in shards of unequal sizes, labelled by their number."""
    parts = np.array_split(np.arange(10), num_shards)
    for shard, numbers in enumerate(parts):
        records = [
            example({image_key: encode(pixels(n)), "label": int(n)})
            for n in numbers
        ]
        path = folder / f"set.tfrecord-{shard:05}-of-{num_shards:05}"
        write_records(path, records, compression)
    return str(folder / "set.tfrecord-*")


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_images_labels_and_indices_belong_together(
    tmp_path, compression, held, request
):
    if not held:
        request.getfixturevalue("nothing_held")
    pattern = write_shards(tmp_path, "image/encoded", compression)
    dataset = keras_dim.data.load(pattern, batch_size=2)
    seen = 0
    for batch in dataset.as_numpy_iterator():
        np.testing.assert_array_equal(batch["label"], batch["index"])
        for image, index in zip(batch["image"], batch["index"], strict=True):
            np.testing.assert_array_equal(image, pixels(index))
            seen += 1
    assert seen == 10


def test_one_file_or_a_list_may_be_given(tmp_path):
    write_shards(tmp_path)
    paths = sorted(str(path) for path in tmp_path.iterdir())
    assert keras_dim.data.open_source(paths[0]).num_images == 4
    assert keras_dim.data.open_source(paths[:2]).num_images == 7


def test_labels_are_optional(tmp_path):
    records = [example({"image": encode(pixels(n))}) for n in range(3)]
    write_records(tmp_path / "a.tfrecord", records)
    source = keras_dim.data.open_source(tmp_path / "a.tfrecord")
    assert not source.has_labels
    assert len(images_by_index(keras_dim.data.load(source, batch_size=1))) == 3


def test_the_order_depends_on_seed_and_epoch(tmp_path, nothing_held):
    pattern = write_shards(tmp_path)

    def orders(**arguments):
        dataset = keras_dim.data.load(pattern, batch_size=2, **arguments)
        return [indices_of(dataset) for _ in range(3)]

    first = orders()
    assert len({tuple(order) for order in first}) == 3
    tf.random.set_seed(123)  # The global seed must not matter.
    assert orders(first_epoch=1)[:2] == first[1:]
    assert orders(seed=1) != first
    # Two of the five batches of two images are left out.
    assert orders(first_batch=2) == [order[4:] for order in first]


def test_checksums_are_those_of_castagnoli():
    # RFC 3720, appendix B.4, and the check value of the usual nine digits.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


@pytest.mark.parametrize("size", [0, 1, 5, 60, 61, 4092, 4093, 2**18 + 1])
def test_checksums_are_those_that_tensorflow_writes(tmp_path, size):
    record = np.random.default_rng(size).bytes(size)
    write_records(tmp_path / "a.tfrecord", [record])
    file = open_file(str(tmp_path / "a.tfrecord"))
    assert file.record(0) == record


@pytest.mark.parametrize("held", [True, False])
def test_damaged_images_are_skipped_with_their_place(tmp_path, held, request):
    if not held:
        request.getfixturevalue("nothing_held")
    images = [encode(pixels(n)) for n in range(6)]
    images[2], images[4] = images[2][:60], b""
    path = tmp_path / "a.tfrecord"
    write_records(path, [example({"image": image}) for image in images])
    source = keras_dim.data.open_source(path)
    dataset = keras_dim.data.load(source, "test", 2)
    assert indices_of(dataset) == [0, 1, 3, 5]
    assert source.skipped == [f"{path}:2", f"{path}:4"]


def test_mixed_sizes_are_refused_with_two_examples(tmp_path):
    sizes = [(8, 8, 3), (6, 9, 3)]
    records = [example({"image": encode(pixels(0, size))}) for size in sizes]
    path = tmp_path / "a.tfrecord"
    write_records(path, records)
    with pytest.raises(ValueError, match=":0 is 8x8 and .*:1 is 6x9"):
        keras_dim.data.open_source(path)
    source = keras_dim.data.open_source(path, image_size=4)
    assert source.image_shape == (4, 4, 3)


@pytest.mark.parametrize("num_bytes", [1, 50])
def test_a_cut_off_file_is_refused(tmp_path, num_bytes):
    write_shards(tmp_path, num_shards=1)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-num_bytes])
    with pytest.raises(ValueError, match="is cut off: record 9 does"):
        keras_dim.data.open_source(path)


def test_a_cut_off_compressed_file_is_refused(tmp_path):
    write_shards(tmp_path, compression="GZIP", num_shards=1)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for content in (whole[:-50], flipped):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cut off"):
            keras_dim.data.open_source(path)


def test_the_unpacked_file_of_a_compressed_one_is_removed(tmp_path):
    write_shards(tmp_path, compression="GZIP", num_shards=1)
    (path,) = tmp_path.iterdir()
    file = open_file(str(path))
    unpacked = file.unpacked.name
    assert os.path.exists(unpacked)
    del file
    assert not os.path.exists(unpacked)


def test_a_record_with_a_flipped_byte_is_skipped(tmp_path):
    write_shards(tmp_path, num_shards=1)
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))
    source = keras_dim.data.open_source(path)
    dataset = keras_dim.data.load(source, "test", batch_size=2)
    assert indices_of(dataset) == list(range(9))
    assert source.skipped == [f"{path}:9"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"no example", "not a tf.train.Example"),
        (example({"picture": b""}), r"no image.*'image'.*\['picture'\]"),
        (example({"image": b"text"}), "No image of .* can be read"),
    ],
)
def test_other_records_are_refused(tmp_path, record, message):
    write_records(tmp_path / "a.tfrecord", [record])
    with pytest.raises(ValueError, match=message):
        keras_dim.data.open_source(tmp_path / "a.tfrecord")


@pytest.mark.parametrize("held", [True, False])
def test_a_later_record_that_is_no_example_is_skipped(tmp_path, held, request):
    if not held:
        request.getfixturevalue("nothing_held")
    whole = example({"image": encode(pixels(0))})
    path = tmp_path / "a.tfrecord"
    write_records(path, [whole, b"no example", whole])
    source = keras_dim.data.open_source(path, image_size=8)
    assert indices_of(keras_dim.data.load(source, "test", 2)) == [0, 2]
    assert source.skipped == [f"{path}:1"]


@pytest.mark.parametrize("label", [b"cat", 0.5, [1, 2]])
def test_a_later_label_that_is_no_integer_is_skipped_with_the_reason(
    tmp_path, label, warnings
):
    whole = {"image": encode(pixels(0)), "label": 3}
    path = tmp_path / "a.tfrecord"
    write_records(path, [example(whole), example({**whole, "label": label})])
    (batch,) = keras_dim.data.load(path, None, 2)
    assert batch["label"].numpy().tolist() == [3]
    (warning,) = warnings
    assert f"Skipped {path}:1: its feature 'label' is not one int64" in warning


def test_other_images_take_the_place_of_damaged_records(tmp_path, nothing_held):
    records = [example({"image": encode(pixels(n))}) for n in range(6)]
    records[1] = b"no example"
    write_records(tmp_path / "a.tfrecord", records)
    dataset = keras_dim.data.load(tmp_path / "a.tfrecord", batch_size=3)
    assert [len(batch["index"]) for batch in dataset] == [3, 3]


def test_a_label_that_is_missing_is_minus_one(tmp_path):
    records = [{"image": encode(pixels(0)), "label": 3}]
    records.append({"image": encode(pixels(1))})
    path = tmp_path / "a.tfrecord"
    write_records(path, map(example, records))
    (batch,) = keras_dim.data.load(path, None, 2)
    assert batch["label"].numpy().tolist() == [3, -1]


def test_files_come_in_their_order_unless_shuffled(tmp_path, nothing_held):
    dataset = keras_dim.data.load(write_shards(tmp_path), None, 3)
    assert indices_of(dataset) == list(range(10))


def test_files_without_records_are_refused(tmp_path):
    write_records(tmp_path / "a.tfrecord", [])
    with pytest.raises(ValueError, match="There is no record"):
        keras_dim.data.open_source(tmp_path / "a.tfrecord")
    with pytest.raises(ValueError, match="an empty list"):
        keras_dim.data.open_source([])
    with pytest.raises(FileNotFoundError, match="or matches it"):
        keras_dim.data.open_source(str(tmp_path / "*.nothing"))


@pytest.mark.parametrize(
    "rows",
    [range(10), range(2, 5), range(4, 8), range(9, 10), range(10, 10)],
)
def test_a_range_is_read_in_the_order_of_its_indices(tmp_path, rows):
    # A file without records, too, and the second range ends within a file.
    write_records(tmp_path / "set.tfrecord-00001", [])
    pattern = write_shards(tmp_path)
    source = keras_dim.data.open_source(pattern)
    batches = list(reading.Epoch(source, 2, rows).batches())

    assert indices_of(batches) == list(rows)
    for batch in batches:
        for image, index in zip(batch["image"], batch["index"], strict=True):
            np.testing.assert_array_equal(image, pixels(index))
