import io
import zipfile

import numpy as np
import pytest
from tiny_images import images_by_index
from tiny_images import pixels

import keras_dim.data

IMAGES = pixels(0, (10, 4, 5, 3))
LABELS = np.arange(10) % 3


def test_an_array_gives_its_images():
    dataset = keras_dim.data.load(IMAGES, batch_size=4)
    assert dataset.element_spec["image"].shape == (4, 4, 5, 3)
    assert "label" not in dataset.element_spec
    for index, image in images_by_index(dataset).items():
        np.testing.assert_array_equal(image, IMAGES[index])


def test_a_pair_gives_labels():
    for batch in keras_dim.data.load((IMAGES, LABELS), batch_size=4):
        assert batch["label"].dtype == "int64"
        np.testing.assert_array_equal(batch["label"], LABELS[batch["index"]])


def test_an_array_without_channels_is_grey():
    source = keras_dim.data.open_source(IMAGES[..., 0])
    assert source.image_shape == (4, 5, 1)


def test_any_number_of_channels_passes():
    source = keras_dim.data.open_source(pixels(0, (3, 4, 4, 13)))
    assert source.image_shape == (4, 4, 13)


def test_arrays_are_resized_and_turned_grey():
    dataset = keras_dim.data.load(
        IMAGES, batch_size=2, image_size=8, channels=1
    )
    assert dataset.element_spec["image"].shape == (2, 8, 8, 1)


def test_large_arrays_are_resized_batch_by_batch(nothing_held):
    dataset = keras_dim.data.load(IMAGES, batch_size=2, image_size=8)
    batch = next(iter(dataset))
    assert batch["image"].shape == (2, 8, 8, 3)


def test_a_npy_file_is_mapped(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    source = keras_dim.data.open_source(tmp_path / "images.npy")
    assert isinstance(source.images, np.memmap)
    by_index = images_by_index(keras_dim.data.load(source, batch_size=5))
    np.testing.assert_array_equal(by_index[7], IMAGES[7])


@pytest.mark.parametrize(
    "keys", [("images", "labels"), ("x", "y"), ("x_test", "y_test")]
)
def test_a_npz_file_gives_images_and_labels(tmp_path, keys):
    path = str(tmp_path / "set.npz")
    np.savez(path, **dict(zip(keys, (IMAGES, LABELS[:, None]), strict=True)))
    split = "test" if "x_test" in keys else None
    batch = next(iter(keras_dim.data.load(path, split, 10)))
    np.testing.assert_array_equal(batch["image"], IMAGES)
    np.testing.assert_array_equal(batch["label"], LABELS)


def test_a_npz_file_gives_the_split_that_was_asked_for(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, train_images=IMAGES[:6], val_images=IMAGES[6:])
    sizes = [
        keras_dim.data.open_source(path, split).num_images
        for split in ("train", "validation")
    ]
    assert sizes == [6, 4]
    with pytest.raises(ValueError, match="no images of the split 'test'"):
        keras_dim.data.open_source(path, "test")


def test_python_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "x.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="objects are not loaded"):
        keras_dim.data.open_source(tmp_path / "x.npy")


def test_python_objects_in_an_archive_are_not_loaded(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, images=np.array([{}], object))
    with pytest.raises(ValueError, match="objects are not loaded"):
        keras_dim.data.open_source(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # No Python literal, an invalid shape, more bytes than any machine has.
        (b"{'descr'", b"z'descr'"),
        (b"(10, ", b"(-1, "),
        (b"(10, ", b"(9999999999999999, "),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_false_header_is_refused_in_one_line(tmp_path, old, new, suffix):
    buffer = io.BytesIO()
    np.save(buffer, IMAGES)
    data = buffer.getvalue()
    assert old in data[:128]
    # In place of the blanks at the end of the header.
    longer = len(new) - len(old)
    data = data.replace(old, new, 1).replace(b" " * longer, b"", 1)
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        path.write_bytes(data)
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("images.npy", data)
    with pytest.raises(ValueError, match=f"Cannot read .*x{suffix}") as error:
        keras_dim.data.open_source(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_damaged_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no array")
    with pytest.raises(ValueError, match=name):
        keras_dim.data.open_source(tmp_path / name)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES / 255.0, "must be uint8"),
        (IMAGES.astype("uint16"), "must be uint8"),
        (IMAGES[0, 0], "expects batches of shape"),
        (IMAGES[:0], "There is no image"),
        (np.ma.masked_less(IMAGES, 9), "masked. Fill them: images.filled"),
    ],
)
def test_other_arrays_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        keras_dim.data.open_source(images)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS[:5], "one 'label' for every image. Received 5 for 10"),
        (LABELS / 2, "fractions"),
        (np.eye(10), "one-hot"),
        (list("abcdefghij"), "turn names into numbers"),
    ],
)
def test_other_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        keras_dim.data.open_source((IMAGES, labels))


def test_a_wrong_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="have 3 channel.*channels=3"):
        keras_dim.data.open_source(IMAGES, channels=4)


def test_a_list_of_arrays_is_one_array():
    for images in (list(IMAGES), list(IMAGES[..., 0]), list(IMAGES[:2])):
        source = keras_dim.data.open_source(images)
        assert source.num_images == len(images)
        np.testing.assert_array_equal(
            np.squeeze(source.images), np.stack(images)
        )


@pytest.mark.parametrize("pair", [tuple, list])
@pytest.mark.parametrize("images", [IMAGES, list(IMAGES), list(IMAGES[..., 0])])
@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), list(LABELS)])
def test_images_and_labels_may_be_lists(images, labels, pair):
    source = keras_dim.data.open_source(pair([images, labels]))
    assert source.num_images == 10
    np.testing.assert_array_equal(source.labels, LABELS)


def test_a_list_of_arrays_of_many_shapes_is_refused():
    with pytest.raises(ValueError, match="must have one shape.*3 arrays"):
        keras_dim.data.open_source([IMAGES[0], IMAGES[0, :2], IMAGES[0]])


@pytest.mark.parametrize("num_channels", [1, 3, 4])
def test_channels_first_is_refused(num_channels, tmp_path):
    images = pixels(0, (5, num_channels, 16, 20))
    np.save(tmp_path / "x.npy", images)
    for source in (images, tmp_path / "x.npy"):
        with pytest.raises(ValueError, match="channels first.*transpose"):
            keras_dim.data.open_source(source, image_size=8)


def test_labelled_files_without_splits_have_no_test_split(tmp_path):
    np.savez(tmp_path / "x.npz", x=IMAGES, y=LABELS)
    with pytest.raises(keras_dim.data.NoSplitError, match="no split 'test'"):
        keras_dim.data.open_source(tmp_path / "x.npz", "test")
