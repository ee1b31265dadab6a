import time
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tiny_images import indices_of
from tiny_images import pixels

import keras_dim.data
from keras_dim.data import tensorflow_datasets
from keras_dim.data.reading import batches_in_order


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory):
    """A real prepared data set: 20 training images in several files."""
    folder = tmp_path_factory.mktemp("tfds")

    def split(begin, end):
        return tf.data.Dataset.from_tensor_slices(
            {
                "image": np.stack([pixels(n) for n in range(begin, end)]),
                "label": np.arange(begin, end) % 4,
            }
        )

    builder_class = tfds.dataset_builders.TfDataBuilder
    builder_class(
        name="tiny_set",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(8, 8, 3)),
                "label": tfds.features.ClassLabel(num_classes=4),
            }
        ),
        split_datasets={"train": split(0, 20), "test": split(20, 25)},
        data_dir=str(folder),
    ).download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=3)
    )
    return str(folder)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Names do not resolve; how often it was tried."""
    asked = []

    def fail(host, port):
        asked.append(host)
        raise OSError("no network")

    monkeypatch.setattr(tensorflow_datasets.socket, "getaddrinfo", fail)
    monkeypatch.setattr(urllib.request, "getproxies", dict)
    return asked


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


def test_shards_are_disjoint_and_complete(tiny_set, nothing_held):
    shards = [
        indices_of(
            keras_dim.data.load(
                "tiny_set",
                "train",
                1,
                data_dir=tiny_set,
                shard_index=shard,
                num_shards=3,
                drop_remainder=False,
            )
        )
        for shard in range(3)
    ]
    assert sorted(sum(shards, [])) == list(range(20))


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
def test_an_unknown_split_is_one_line(tiny_set, split):
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


def test_what_is_not_prepared_fails_at_once_without_a_network(
    tmp_path, no_network
):
    begin = time.monotonic()
    with pytest.raises(FileNotFoundError, match="tfds build stl10") as error:
        keras_dim.data.open_source("stl10", data_dir=str(tmp_path))
    assert time.monotonic() - begin < 20
    assert "no network" in str(error.value)
    assert "\n" not in str(error.value)
    assert no_network


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    def fail(self, **arguments):
        raise AssertionError("Manual download required.\nSee the page.")

    monkeypatch.setattr(
        tensorflow_datasets.socket, "getaddrinfo", lambda *_: ["an address"]
    )
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(FileNotFoundError, match="required. See") as error:
        keras_dim.data.open_source("stl10", data_dir=str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("held", [True, False])
def test_stl10_loads_from_mock_data(held, request):
    if not held:
        request.getfixturevalue("nothing_held")
    with tfds.testing.mock_data(num_examples=6):
        dataset = keras_dim.data.load("stl10", "train", 3, image_size=64)
        batches = list(dataset)
    assert len(dataset) == 2
    assert batches[0]["image"].shape == (3, 64, 64, 3)
    assert "label" in batches[0]


def test_the_unlabelled_split_of_stl10_has_labels_of_minus_one():
    def unlabelled(self, decoders=None, **_):
        # What stl10 stores for `None` is -1, which mock data do not know.
        image = tf.io.encode_png(np.zeros((96, 96, 3), np.uint8))
        return tf.data.Dataset.from_tensors({"image": image, "label": -1})

    with tfds.testing.mock_data(as_dataset_fn=unlabelled):
        dataset = keras_dim.data.load("stl10", "unlabelled", 1)
        batch = next(iter(dataset))
    assert batch["label"].numpy().tolist() == [-1]


def test_sets_without_an_image_are_refused():
    with tfds.testing.mock_data(num_examples=2):
        with pytest.raises(ValueError, match="one image in each example"):
            keras_dim.data.open_source("imdb_reviews")


def test_mixed_sizes_are_refused_with_two_examples():
    def mixed(self, decoders=None, **_):
        images = [tf.io.encode_jpeg(pixels(0, (h, 8, 3))) for h in (8, 9)]
        return tf.data.Dataset.from_tensor_slices(
            {"image": images, "label": [0, 1]}
        )

    with tfds.testing.mock_data(as_dataset_fn=mixed):
        with pytest.raises(ValueError, match="image 0 is 8x8 and image 1 is"):
            keras_dim.data.open_source("imagenette")
        dataset = keras_dim.data.load("imagenette", "train", 2, image_size=4)
    assert next(iter(dataset))["image"].shape == (2, 4, 4, 3)


@pytest.mark.parametrize("split", ["train", "train[3:]", "test+train"])
@pytest.mark.parametrize("rows", [range(0, 15), range(4, 11), range(6, 6)])
def test_a_range_is_read_in_the_order_of_its_indices(tiny_set, split, rows):
    source = keras_dim.data.open_source("tiny_set", split, data_dir=tiny_set)
    whole = np.concatenate([b["image"] for b in batches_in_order(source, 4)])
    batches = list(batches_in_order(source, 2, rows))

    assert indices_of(batches) == list(rows)
    images = [image for batch in batches for image in batch["image"]]
    np.testing.assert_array_equal(
        np.reshape(images, (-1, 8, 8, 3)), whole[rows.start : rows.stop]
    )
