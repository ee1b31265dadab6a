import pathlib
import socket

import numpy as np
import pytest
from tiny_images import encode
from tiny_images import pixels

import keras_dim.data


@pytest.mark.parametrize(
    "name", ["./nothing", "nothing.tfrecord", "/nothing", "nothing/", ""]
)
def test_a_missing_path_is_reported_as_missing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        keras_dim.data.open_source(name)


def test_a_missing_path_object_is_never_a_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        keras_dim.data.open_source(pathlib.Path("cifar10_nothing"))


@pytest.fixture
def no_download(monkeypatch):
    """Fails if the network is used."""
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


def test_a_single_image_file_is_refused(tmp_path):
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


def test_a_source_has_a_readable_representation():
    source = keras_dim.data.open_source("digits", "test")
    assert repr(source) == "<Source digits: 360 images of 8x8x1>"


@pytest.fixture
def files(tmp_path):
    """Writes four image files, and returns their paths."""
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(encode(pixels(number)))
    return list(map(str, paths))


def test_a_list_of_image_files_keeps_its_order(files):
    source = keras_dim.data.open_source(files[::-1])
    assert source.paths == tuple(files[::-1])
    batch = next(iter(keras_dim.data.load(source, None, 4)))
    np.testing.assert_array_equal(batch["image"][0], pixels(3))


@pytest.mark.parametrize("pattern", ["*.png", "[0-3].png", "?.p*"])
def test_a_pattern_of_image_files_gives_them_by_name(files, tmp_path, pattern):
    source = keras_dim.data.open_source(str(tmp_path / pattern))
    assert source.paths == tuple(files)


def test_two_stars_twice_are_refused(files, tmp_path):
    with pytest.raises(ValueError, match=r"one `\*\*`.*photos"):
        keras_dim.data.open_source(f"{tmp_path}/photos/**/b/**/*.png")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("**/*.png", ["0.png", "1.png", "2.png", "3.png", "a/b/4.png"]),
        ("**", ["0.png", "1.png", "2.png", "3.png", "a/b/4.png"]),
        ("a/**/*.png", ["a/b/4.png"]),
        ("?/**/b/4.*", ["a/b/4.png"]),
        ("**/a/4.png", []),
    ],
)
def test_two_stars_are_folders_of_any_depth(
    files, tmp_path, monkeypatch, pattern, names
):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "4.png").write_bytes(encode(pixels(4)))
    for name in ("here", "again"):
        # `glob` would follow them for ever.
        (deep / name).symlink_to(deep)
    monkeypatch.chdir(tmp_path)

    for folder in ("", f"{tmp_path}/"):
        if not names:
            with pytest.raises(FileNotFoundError, match="or matches it"):
                keras_dim.data.open_source([folder + pattern])
            continue
        source = keras_dim.data.open_source(folder + pattern)
        assert source.paths == tuple(folder + name for name in names)


def test_a_split_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="`split` must be text or None"):
        keras_dim.data.open_source(np.zeros((2, 4, 4, 3), np.uint8), 0)


def test_other_files_in_a_list_are_skipped(files, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    paths = [*files, str(tmp_path / "notes.txt")]
    assert keras_dim.data.open_source(paths).skipped == paths[-1:]


def test_a_file_that_is_missing_from_a_list_is_an_error(files, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.png"):
        keras_dim.data.open_source([*files, "nothing.png"])
    with pytest.raises(FileNotFoundError, match="pass it without a list"):
        keras_dim.data.open_source([tmp_path])
    with pytest.raises(ValueError, match="empty list"):
        keras_dim.data.open_source([])
    with pytest.raises(ValueError, match="Received in it: int"):
        keras_dim.data.open_source([1, 2])


@pytest.mark.parametrize("as_path", [str, pathlib.Path])
def test_a_folder_comes_before_a_data_set_of_the_same_name(
    as_path, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    if as_path is pathlib.Path:
        with pytest.raises(FileNotFoundError):
            keras_dim.data.open_source(as_path("digits"))
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "1.png").write_bytes(encode(pixels(0)))
    assert keras_dim.data.open_source(as_path("digits")).num_images == 1
