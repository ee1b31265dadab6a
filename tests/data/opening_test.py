import pathlib
import socket

import pytest
from tiny_images import encode
from tiny_images import pixels

import keras_dim.data


@pytest.mark.parametrize(
    "name", ["./nothing", "nothing.tfrecord", "/nothing", "nothing/", ""]
)
def test_a_missing_path_is_called_missing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        keras_dim.data.open_source(name)


def test_a_missing_path_object_is_never_a_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        keras_dim.data.open_source(pathlib.Path("cifar10_nothing"))


@pytest.fixture
def no_download(monkeypatch):
    """Nobody asks the network for anything."""
    import tensorflow_datasets as tfds

    def never(*args, **kwargs):
        raise AssertionError("a download was begun")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, never)
    monkeypatch.setattr(socket.socket, "connect", never)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", never)


@pytest.mark.parametrize(
    "name",
    [
        "phtoos",
        "phtoos/train",
        "my photos",
        "C:\\photos",
        "user:photos",
        "ph\n",
    ],
)
def test_a_mistyped_folder_starts_no_download(
    name, no_download, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="Unknown source|cannot open") as error:
        keras_dim.data.open_source(name)
    assert "\n" not in str(error.value).replace(name, "")


@pytest.mark.parametrize(
    "name",
    ["https://host.example/photos", "gs://bucket/x.tfrecord", "file:///etc"],
)
def test_an_address_is_not_fetched(name, no_download):
    with pytest.raises(ValueError, match="Nothing is fetched from there"):
        keras_dim.data.open_source(name)


def test_one_image_is_no_set(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(pixels(0)))
    with pytest.raises(ValueError, match="is one image"):
        keras_dim.data.open_source(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("No records in this file.")
    with pytest.raises(ValueError, match="not a TFRecord file"):
        keras_dim.data.open_source(tmp_path / "notes.txt")


def test_other_objects_are_refused():
    with pytest.raises(ValueError, match="Received: int"):
        keras_dim.data.open_source(3)


def test_a_source_says_what_it_is():
    source = keras_dim.data.open_source("digits", "test")
    assert repr(source) == "<Source digits: 360 images of 8x8x1>"
