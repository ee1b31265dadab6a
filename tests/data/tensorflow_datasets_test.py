import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tiny_images import indices_of
from tiny_images import pixels

import keras_dim.data
from keras_dim.data import numpy_images
from keras_dim.data import reading
from keras_dim.data import tensorflow_datasets


def prepare(folder, name, splits, shape=(8, 8, 3), num_files=1):
    """Prepares a real data set of pairs of images and labels."""

    def rows(images, labels):
        return tf.data.Dataset.from_generator(
            lambda: (
                {"image": image, "label": label}
                for image, label in zip(images, labels, strict=True)
            ),
            output_signature={
                "image": tf.TensorSpec(shape, tf.uint8),
                "label": tf.TensorSpec((), tf.int64),
            },
        )

    tfds.dataset_builders.TfDataBuilder(
        name=name,
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=shape),
                "label": tfds.features.ClassLabel(num_classes=4),
            }
        ),
        split_datasets={split: rows(*pair) for split, pair in splits.items()},
        data_dir=str(folder),
    ).download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=num_files)
    )
    return str(folder)


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory):
    """A real prepared data set: 20 training images in several files."""

    def split(begin, end):
        return [pixels(n) for n in range(begin, end)], np.arange(begin, end) % 4

    return prepare(
        tmp_path_factory.mktemp("tfds"),
        "tiny_set",
        {"train": split(0, 20), "test": split(20, 25)},
        num_files=3,
    )


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Names do not resolve; returns the list of names that were tried."""
    asked = []

    def fail(host, port):
        asked.append(host)
        raise OSError("no network")

    monkeypatch.setattr(tensorflow_datasets.socket, "getaddrinfo", fail)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    return asked


def test_the_environment_names_the_folder_at_any_time(tiny_set, monkeypatch):
    # tensorflow-datasets reads the variable when it is imported.
    monkeypatch.setenv("TFDS_DATA_DIR", tiny_set)

    assert keras_dim.data.open_source("tiny_set").num_images > 0


def test_a_prepared_data_set_is_described(tiny_set):
    source = keras_dim.data.open_source("tiny_set", data_dir=tiny_set)
    assert source.num_images == 20
    assert source.image_shape == (8, 8, 3)
    assert source.class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize("held", [True, False])
def test_an_image_keeps_its_index_in_any_order(tiny_set, held, request):
    if not held:
        request.getfixturevalue("nothing_held")

    def by_index(**arguments):
        dataset = keras_dim.data.load(
            "tiny_set", "train", 2, data_dir=tiny_set, **arguments
        )
        return {
            int(index): bytes(image)
            for batch in dataset.as_numpy_iterator()
            for index, image in zip(batch["index"], batch["image"], strict=True)
        }

    expected = by_index(shuffle=False)
    assert sorted(expected) == list(range(20))
    assert set(expected.values()) == {bytes(pixels(n)) for n in range(20)}
    assert by_index(seed=1) == by_index(seed=2, first_epoch=3) == expected


@pytest.mark.parametrize("split", ["train[:50%]", "train[5:9]+train[11:18]"])
def test_slices_are_indexed_from_zero(tiny_set, split, nothing_held):
    dataset = keras_dim.data.load("tiny_set", split, 1, data_dir=tiny_set)
    size = len(dataset)
    assert size == {"train[:50%]": 10}.get(split, 11)
    for _ in range(2):
        assert sorted(indices_of(dataset)) == list(range(size))


def test_the_order_of_a_stream_depends_on_seed_and_epoch(
    tiny_set, nothing_held
):
    def orders(**arguments):
        dataset = keras_dim.data.load(
            "tiny_set", "train", 2, data_dir=tiny_set, **arguments
        )
        return [indices_of(dataset) for _ in range(3)]

    first = orders()
    assert len({tuple(order) for order in first}) == 3
    tf.random.set_seed(123)  # The global seed must not matter.
    assert orders(first_epoch=1)[:2] == first[1:]


def test_a_folder_with_a_prepared_version_is_opened(tiny_set):
    folder = f"{tiny_set}/tiny_set/1.0.0"
    assert keras_dim.data.open_source(folder, "test").num_images == 5


def test_labels_belong_to_their_images(tiny_set):
    dataset = keras_dim.data.load("tiny_set", "test", 5, data_dir=tiny_set)
    labels = {bytes(pixels(n)): n % 4 for n in range(20, 25)}
    (batch,) = dataset.as_numpy_iterator()
    assert [labels[bytes(image)] for image in batch["image"]] == list(
        batch["label"]
    )


@pytest.mark.parametrize("split", ["nothing", "train[:x]", "train[30:]"])
def test_an_unknown_split_is_refused_in_one_line(tiny_set, split):
    with pytest.raises(ValueError, match="Its splits: test, train") as error:
        keras_dim.data.open_source("tiny_set", split, data_dir=tiny_set)
    assert "\n" not in str(error.value)


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'cifar10") as error:
        keras_dim.data.open_source("cifra10", data_dir=str(tmp_path))
    assert "\n" not in str(error.value)


def test_prepared_sets_are_suggested_too(tiny_set):
    with pytest.raises(ValueError, match="Did you mean 'tiny_set'"):
        keras_dim.data.open_source("tinyset", data_dir=tiny_set)


def test_an_unprepared_data_set_is_refused_at_once_without_a_network(
    tmp_path, no_network
):
    begin = time.monotonic()
    with pytest.raises(FileNotFoundError, match="tfds build stl10") as error:
        keras_dim.data.open_source("stl10", data_dir=str(tmp_path))
    assert time.monotonic() - begin < 20
    assert "no network" in str(error.value)
    assert "\n" not in str(error.value)
    assert no_network


def test_a_failed_download_is_reported_in_one_line(tmp_path, monkeypatch):
    def fail(self, **arguments):
        raise AssertionError("Manual download required.\nSee the page.")

    monkeypatch.setattr(
        tensorflow_datasets.socket, "getaddrinfo", lambda *_: ["an address"]
    )
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(FileNotFoundError, match="required. See") as error:
        keras_dim.data.open_source("stl10", data_dir=str(tmp_path))
    assert "\n" not in str(error.value)


def test_images_without_a_label_have_minus_one(tmp_path):
    folder = prepare(
        tmp_path, "some", {"some": ([pixels(0), pixels(1)], [-1, 2])}
    )
    batch = next(iter(keras_dim.data.load("some", "some", 2, data_dir=folder)))
    assert sorted(batch["label"].numpy()) == [-1, 2]


@pytest.mark.parametrize(
    ("stored", "channels", "size"),
    [(1, None, None), (1, 3, None), (3, 1, 16), (4, None, None)],
)
def test_channels_and_sizes_are_converted(tmp_path, stored, channels, size):
    image = pixels(0, (8, 8, stored))
    folder = prepare(tmp_path, "some", {"some": ([image], [0])}, image.shape)
    (batch,) = keras_dim.data.load(
        "some", "some", 1, data_dir=folder, image_size=size, channels=channels
    )
    shape = (size or 8, size or 8, channels or stored)
    expected = numpy_images.convert(image, shape)
    np.testing.assert_array_equal(batch["image"][0], expected)


def test_sets_without_an_image_are_refused(tmp_path):
    with pytest.raises(ValueError, match="one uint8 image in each example"):
        keras_dim.data.open_source("imdb_reviews", data_dir=str(tmp_path))


def test_mixed_sizes_are_refused_with_two_examples(tmp_path):
    images = [pixels(0, (8, 8, 3)), pixels(1, (9, 8, 3))]
    folder = prepare(
        tmp_path, "some", {"train": (images, [0, 1])}, (None, None, 3)
    )
    with pytest.raises(ValueError, match=":0 is 8x8 and .*:1 is 9x8"):
        keras_dim.data.open_source("some", data_dir=folder)
    dataset = keras_dim.data.load(
        "some", "train", 2, image_size=4, data_dir=folder
    )
    assert next(iter(dataset))["image"].shape == (2, 4, 4, 3)


@pytest.mark.parametrize("split", ["train", "train[3:]", "test+train"])
@pytest.mark.parametrize("rows", [range(0, 15), range(4, 11), range(6, 6)])
def test_a_range_is_read_in_the_order_of_its_indices(tiny_set, split, rows):
    source = keras_dim.data.open_source("tiny_set", split, data_dir=tiny_set)
    whole = np.concatenate(
        [b["image"] for b in reading.Epoch(source, 4).batches()]
    )
    batches = list(reading.Epoch(source, 2, rows).batches())

    assert indices_of(batches) == list(rows)
    images = [image for batch in batches for image in batch["image"]]
    np.testing.assert_array_equal(
        np.reshape(images, (-1, 8, 8, 3)), whole[rows.start : rows.stop]
    )
