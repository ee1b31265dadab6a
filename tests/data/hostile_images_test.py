"""Files of any kind in a folder are read, or skipped with the reason."""

import io
import os
import subprocess
import sys

import hostile_images
import keras
import numpy as np
import pytest
import tensorflow as tf
from hostile_images import BOMBS
from tiny_images import encode
from tiny_images import images_by_index
from tiny_images import pixels

import keras_dim.data
from keras_dim.data import image_files
from keras_dim.data import numpy_images
from keras_dim.data import tensorflow_images
from keras_dim.data.image_header import read_header

SIZE = 8


@pytest.fixture(params=["tensorflow", "jax"])
def backend(request, monkeypatch):
    """Sources are read with Keras on TensorFlow, and on another backend."""
    monkeypatch.setattr(keras.backend, "backend", lambda: request.param)
    return request.param


def fill(folder, files):
    """Writes a whole image, of number 0, and other files."""
    (folder / "0_whole.png").write_bytes(encode(pixels(0)))
    for name, content in files.items():
        (folder / name).write_bytes(content)


def load(folder):
    """Returns the source, and the names of the images that `load` gives."""
    source = keras_dim.data.open_source(folder, image_size=SIZE)
    batches = keras_dim.data.load(
        source, batch_size=4, shuffle=False, drop_remainder=False
    )
    names = [
        os.path.basename(source.paths[index])
        for batch in batches
        for index in np.asarray(batch["index"]).tolist()
    ]
    return source, names


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_header(name):
    assert len(BOMBS[name]) < 2**17
    with pytest.raises(ValueError, match="pixels, more than the 89,478,485"):
        numpy_images.decode(BOMBS[name])


def test_bombs_in_a_folder_are_skipped_with_the_reason(
    tmp_path, backend, warnings
):
    fill(tmp_path, BOMBS)
    source, names = load(tmp_path)

    assert names == ["0_whole.png"]
    assert len(source.skipped) == len(BOMBS)
    reasons = [one for one in warnings if "pixels, more than" in one]
    assert len(reasons) == len(BOMBS)
    assert any("it has 100000x100000 pixels" in one for one in reasons)


@pytest.mark.parametrize("held", [True, False])
def test_bombs_in_records_are_skipped_with_the_reason(
    tmp_path, held, request, warnings
):
    if not held:
        request.getfixturevalue("nothing_held")
    path = str(tmp_path / "a.tfrecord")
    images = [encode(pixels(0)), *BOMBS.values(), encode(pixels(1))]
    with tf.io.TFRecordWriter(path) as writer:
        for image in images:
            feature = tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[image])
            )
            features = tf.train.Features(feature={"image": feature})
            writer.write(
                tf.train.Example(features=features).SerializeToString()
            )
    source = keras_dim.data.open_source(path, image_size=SIZE)
    found = images_by_index(
        keras_dim.data.load(source, "test", 4, drop_remainder=False)
    )

    last = len(images) - 1
    assert sorted(found) == [0, last]
    np.testing.assert_array_equal(found[last], pixels(1))
    assert source.skipped == [f"{path}:{n}" for n in range(1, last)]
    assert all("more than the 89,478,485" in one for one in warnings)


def test_a_file_that_became_a_bomb_is_skipped(
    tmp_path, backend, nothing_held, warnings
):
    fill(tmp_path, {"1.png": encode(pixels(1))})
    source = keras_dim.data.open_source(tmp_path, image_size=SIZE)
    (tmp_path / "1.png").write_bytes(BOMBS["whole.png"])
    (batch,) = keras_dim.data.load(
        source, batch_size=2, shuffle=False, drop_remainder=False
    )

    assert np.asarray(batch["index"]).tolist() == [0]
    assert "it has 20000x20000 pixels" in warnings[-1]


def test_an_image_of_the_most_pixels_is_accepted():
    # An image with one row more is refused.
    width = 5
    height = hostile_images.MOST // width
    png = hostile_images.png_of(width, height, num_rows=1)
    header = read_header(io.BytesIO(png))
    assert (header.width, header.height) == (width, height)
    png = hostile_images.png_of(width, height + 1, num_rows=1)
    with pytest.raises(ValueError, match="more than"):
        read_header(io.BytesIO(png))


def test_the_frames_of_an_animation_are_not_all_decoded():
    # A hundred frames of 16 million pixels, in one and a half million bytes.
    # TensorFlow would take 1.6 GB for them; the first takes 48 MB as colours.
    script = """
import resource
import hostile_images
from keras_dim.data import numpy_images
data = hostile_images.gif_of_frames(4000, 100)
small = hostile_images.gif_of_frames(8, 2)
print(numpy_images.decode(small).shape)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(numpy_images.decode(data).shape)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *_, shape, megabytes = done.stdout.splitlines()
    assert shape == "(4000, 4000, 3)"
    assert int(megabytes) < 400


@pytest.mark.parametrize("name", hostile_images.polyglots())
def test_a_file_of_two_kinds_is_read_as_an_image_or_skipped(
    name, tmp_path, backend
):
    content, is_image = hostile_images.polyglots()[name]
    fill(tmp_path, {name: content})
    source, names = load(tmp_path)

    assert names == ["0_whole.png", *([name] if is_image else [])]
    assert [os.path.basename(path) for path in source.skipped] == (
        [] if is_image else [name]
    )


@pytest.mark.parametrize(
    "name",
    [
        b"line\nbreak.png",
        b"not \xff\xfe utf-8.png",
        b" spaces  and\ttabs .png",
        "naïve 画像 \u202egnp.png".encode(),
        b"x" * 251 + b".png",
        b"--help.png",
        b"%s {0}.png",
        b"*.png",
    ],
)
def test_any_name_is_read_and_reported_on_one_line(
    name, tmp_path, backend, nothing_held, warnings
):
    folder = os.fsencode(tmp_path)
    for directory, content in (
        (b"whole", encode(pixels(0))),
        (b"cut", encode(pixels(1))[:60]),
    ):
        os.mkdir(os.path.join(folder, directory))
        with open(os.path.join(folder, directory, name), "wb") as file:
            file.write(content)
    source = keras_dim.data.open_source(tmp_path, image_size=SIZE)
    (batch,) = keras_dim.data.load(
        source, batch_size=2, shuffle=False, drop_remainder=False
    )

    path = os.fsdecode(os.path.join(folder, b"whole", name))
    assert [source.paths[i] for i in np.asarray(batch["index"])] == [path]
    np.testing.assert_array_equal(batch["image"][0], pixels(0))
    (warning,) = warnings
    assert warning.isprintable()


def test_dead_and_circular_links_are_ignored(tmp_path, backend):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    fill(folder, {})
    for name, target in (
        ("itself.png", "itself.png"),
        ("a.png", "b.png"),
        ("b.png", "a.png"),
        ("up", ".."),
        ("here", "."),
    ):
        (folder / name).symlink_to(target)
    (folder / "deep" / "loop").symlink_to(folder)
    source = keras_dim.data.open_source(folder / "here", image_size=SIZE)

    assert [os.path.basename(path) for path in source.paths] == ["0_whole.png"]


def test_pipes_and_devices_are_ignored(tmp_path, backend):
    fill(tmp_path, {})
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "null.png").symlink_to("/dev/null")
    source, names = load(tmp_path)

    assert names == ["0_whole.png"]
    assert source.skipped == []


def test_a_pipe_is_refused_as_a_source(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        keras_dim.data.open_source(tmp_path / "pipe.npy")


def test_a_file_with_holes_is_not_read_into_memory(tmp_path, warnings):
    fill(tmp_path, {"holes.png": encode(pixels(1))})
    os.truncate(tmp_path / "holes.png", 2**40)
    source, names = load(tmp_path)

    assert names == ["0_whole.png"]
    assert "it has 1,099,511,627,776 bytes" in warnings[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_warned_of(tmp_path, warnings):
    fill(tmp_path, {})
    (tmp_path / "secret").mkdir(mode=0)
    load(tmp_path)
    assert "Skipped the folder" in warnings[0]


def test_a_folder_that_cannot_be_listed_is_warned_of(
    tmp_path, warnings, monkeypatch
):
    fill(tmp_path, {})
    (tmp_path / "secret").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(image_files.os, "scandir", refuse)
    load(tmp_path)
    assert "secret: Permission denied" in warnings[0]


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "bmp", "webp"])
def test_pillow_and_tensorflow_refuse_cut_off_files(kind):
    # Noise, so that the pixels are most of the file.
    data = encode(pixels(0, (64, 64, 3)), kind)
    for length in np.linspace(1, len(data) * 3 // 4, 12).astype(int):
        with pytest.raises(ValueError):
            numpy_images.decode(data[:length])
        if kind in ("jpeg", "png"):
            with pytest.raises(tf.errors.OpError):
                tensorflow_images.decode_request(data[:length])
