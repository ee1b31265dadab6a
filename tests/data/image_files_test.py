import os

import numpy as np
import pytest
from absl import logging
from PIL import Image
from PIL import TiffImagePlugin
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import images_by_index
from tiny_images import indices_of
from tiny_images import pixels

import keras_dim.data
from keras_dim.data import reading


def test_every_format_is_found_at_any_depth(tmp_path, write_image):
    for number, kind in enumerate(KINDS):
        name = "/".join(["deep"] * number + [f"{number}.{kind}"])
        write_image(name, pixels(number), kind)
    source = keras_dim.data.open_source(tmp_path)
    assert source.num_images == 5
    assert source.class_names is None
    by_index = images_by_index(keras_dim.data.load(source, batch_size=5))
    for number, path in enumerate(source.paths):
        if path.endswith(("png", "bmp", "webp")):  # Without loss.
            expected = pixels(int(os.path.basename(path)[0]))
            np.testing.assert_array_equal(by_index[number], expected)


def test_the_format_is_that_of_the_content_not_of_the_name(
    tmp_path, write_image
):
    write_image("a.jpg", pixels(0), "png")
    write_image("no_suffix", pixels(1), "png")
    batch = next(
        iter(keras_dim.data.load(tmp_path, batch_size=2, shuffle=False))
    )
    np.testing.assert_array_equal(batch["image"][0], pixels(0))
    np.testing.assert_array_equal(batch["image"][1], pixels(1))


def test_hidden_files_and_other_files_are_ignored(tmp_path, write_image):
    path = write_image("a.png", pixels(0))
    write_image(".hidden.png", pixels(1))
    write_image(".cache/b.png", pixels(2))
    (tmp_path / "notes.txt").write_text("no image")
    source = keras_dim.data.open_source(tmp_path)
    assert source.paths == (path,)
    assert source.skipped == []


def test_class_folders_give_labels(tmp_path, write_image):
    write_image("dog/x/1.png", pixels(0))
    write_image("cat/1.png", pixels(1))
    write_image("cat/2.png", pixels(2))
    source = keras_dim.data.open_source(tmp_path)
    assert source.class_names == ("cat", "dog")
    batch = next(iter(keras_dim.data.load(source, "all", 3)))
    assert batch["label"].numpy().tolist() == [0, 0, 1]


def test_images_beside_folders_have_no_labels(tmp_path, write_image):
    write_image("dog/1.png", pixels(0))
    write_image("cat/1.png", pixels(1))
    write_image("1.png", pixels(2))
    assert not keras_dim.data.open_source(tmp_path).has_labels


def test_a_sub_folder_named_like_the_split_is_used(tmp_path, write_image):
    for split, animal in (("train", "cat"), ("train", "dog"), ("test", "dog")):
        write_image(f"{split}/{animal}/1.png", pixels(0))
    write_image("test/eel/1.png", pixels(0))
    test = keras_dim.data.open_source(tmp_path, "test")
    assert test.num_images == 2
    # A class has the same number in all splits.
    assert test.class_names == ("cat", "dog", "eel")
    batch = next(iter(keras_dim.data.load(test, "test", 2)))
    assert batch["label"].numpy().tolist() == [1, 2]


def test_a_split_that_the_folder_lacks_is_refused(tmp_path, write_image):
    write_image("train/1.png", pixels(0))
    write_image("val/1.png", pixels(0))
    with pytest.raises(ValueError, match="no sub-folder 'test'.*train, val"):
        keras_dim.data.open_source(tmp_path, "test")


def test_a_folder_has_no_slices(tmp_path, write_image):
    write_image("1.png", pixels(0))
    with pytest.raises(ValueError, match="tensorflow-datasets only"):
        keras_dim.data.open_source(tmp_path, "train[:10%]")


def test_only_grey_images_are_grey_and_a_mixture_is_colour(
    tmp_path, write_image
):
    write_image("a.png", pixels(0, (8, 8, 1)))
    assert keras_dim.data.open_source(tmp_path).image_shape == (8, 8, 1)
    write_image("b.png", pixels(1))
    assert keras_dim.data.open_source(tmp_path).image_shape == (8, 8, 3)


def test_grey_files_keep_their_pixels(tmp_path, write_image):
    write_image("a.png", pixels(0, (8, 8, 1)))
    batch = next(iter(keras_dim.data.load(tmp_path, batch_size=1)))
    np.testing.assert_array_equal(batch["image"][0], pixels(0, (8, 8, 1)))


def test_mixed_sizes_are_refused_with_two_examples(tmp_path, write_image):
    write_image("a.png", pixels(0, (8, 8, 3)))
    write_image("b.png", pixels(0, (6, 9, 3)))
    with pytest.raises(
        ValueError, match="a.png is 8x8 and .*b.png is 6x9 .*image_size="
    ):
        keras_dim.data.open_source(tmp_path)


def test_mixed_sizes_are_resized_on_request(tmp_path, write_image):
    write_image("a.png", pixels(0, (8, 8, 3)))
    write_image("b.png", pixels(0, (6, 9, 3)))
    dataset = keras_dim.data.load(tmp_path, batch_size=2, image_size=(4, 5))
    assert next(iter(dataset))["image"].shape == (2, 4, 5, 3)


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="There is no image in"):
        keras_dim.data.open_source(tmp_path)


def test_a_wrong_number_of_channels_is_refused(tmp_path, write_image):
    write_image("a.png", pixels(0))
    with pytest.raises(ValueError, match="cannot be turned into 4"):
        keras_dim.data.open_source(tmp_path, channels=4)


@pytest.fixture
def damaged(tmp_path, write_image):
    """Writes 20 images and four damaged ones; returns the names of these."""
    for number in range(20):
        write_image(f"{number:02}.png", pixels(number))
    whole = encode(pixels(99))
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "cut_header").write_bytes(whole[:20])
    (tmp_path / "cut_body.png").write_bytes(whole[:60])
    return ["cut_header", "empty.jpg", "text.png", "cut_body.png"]


def skipped_names(source):
    return [os.path.basename(path) for path in source.skipped]


def test_damaged_headers_are_skipped_when_the_folder_is_opened(
    tmp_path, damaged
):
    source = keras_dim.data.open_source(tmp_path)
    assert skipped_names(source) == damaged[:3]


@pytest.mark.parametrize("held", [True, False])
def test_damaged_bodies_are_skipped_when_they_come_up(
    tmp_path, damaged, held, request, monkeypatch
):
    if not held:
        request.getfixturevalue("nothing_held")
    warnings = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: warnings.append(text % args)
    )
    source = keras_dim.data.open_source(tmp_path)
    dataset = keras_dim.data.load(source, "train", 5, drop_remainder=False)
    for _ in range(2):
        indices = indices_of(dataset)
        names = [os.path.basename(source.paths[index]) for index in indices]
        assert sorted(names) == [f"{number:02}.png" for number in range(20)]
    assert skipped_names(source) == damaged
    assert len(warnings) == 4
    assert "cut_body.png" in warnings[3] and "so far" in warnings[3]
    # The length is not known unless all images have been decoded.
    assert int(dataset.cardinality()) == (4 if held else -2)


def test_a_folder_of_only_damaged_headers_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="no image in .*1 unreadable"):
        keras_dim.data.open_source(tmp_path)


@pytest.mark.parametrize("held", [True, False])
def test_a_folder_of_only_damaged_bodies_is_refused(tmp_path, held, request):
    if not held:
        request.getfixturevalue("nothing_held")
    (tmp_path / "a.png").write_bytes(encode(pixels(0))[:60])
    with pytest.raises(ValueError, match="can be decoded .*1 skipped.*a.png"):
        keras_dim.data.load(tmp_path, batch_size=1)


def test_loops_of_links_end(tmp_path, write_image):
    write_image("a/1.png", pixels(0))
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dead.png").symlink_to(tmp_path / "nothing.png")
    assert keras_dim.data.open_source(tmp_path).num_images == 1


def test_links_to_folders_are_followed(tmp_path, write_image):
    write_image("elsewhere/1.png", pixels(0))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    assert keras_dim.data.open_source(tmp_path / "photos").num_images == 1


def test_a_named_pipe_does_not_block(tmp_path, write_image):
    write_image("1.png", pixels(0))
    os.mkfifo(tmp_path / "pipe.png")
    assert keras_dim.data.open_source(tmp_path).num_images == 1


def write_all(write_image, *names):
    for number, name in enumerate(names):
        write_image(f"{name}.png", pixels(number))


@pytest.mark.parametrize(
    "classes", [("bus", "car", "train"), ("control", "test")]
)
def test_a_class_may_be_called_like_a_split(
    tmp_path, write_image, classes, warnings
):
    write_all(write_image, *(f"{name}/{n}" for name in classes for n in "12"))
    source = keras_dim.data.open_source(tmp_path)
    assert source.num_images == 2 * len(classes)
    assert source.class_names == classes
    (warning,) = warnings
    assert f"{classes[-1]} of " in warning and "as a class" in warning


@pytest.mark.parametrize(
    "names",
    [("Training", "Testing"), ("TRAIN", "TEST"), ("train", "test", "extra")],
)
def test_splits_may_be_spelled_in_other_ways(tmp_path, write_image, names):
    for name in names:
        write_all(write_image, f"{name}/glioma/1", f"{name}/none/1")
    for split, name in (("train", names[0]), ("test", names[1])):
        source = keras_dim.data.open_source(tmp_path, split)
        assert source.class_names == ("glioma", "none")
        assert all(f"/{name}/" in path for path in source.paths)
    if "extra" in names:
        assert keras_dim.data.open_source(tmp_path, "extra").num_images == 2


def test_the_exact_name_of_a_split_comes_first(tmp_path, write_image):
    write_all(write_image, "train/1", "val/1", "valid/1", "valid/2")
    for split, num_images in (("val", 1), ("valid", 2)):
        source = keras_dim.data.open_source(tmp_path, split)
        assert source.num_images == num_images
    with pytest.raises(ValueError, match="no sub-folder 'validation'"):
        keras_dim.data.open_source(tmp_path, "validation")


def test_folders_without_images_are_no_classes(tmp_path, write_image):
    write_all(write_image, "train/a/1", "train/b/1")
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "notes.txt").write_text("no image")
    assert keras_dim.data.open_source(tmp_path).class_names == ("a", "b")


def test_splits_within_classes_are_refused(tmp_path, write_image):
    write_all(write_image, "cat/train/1", "cat/test/1", "dog/train/1")
    with pytest.raises(ValueError, match="splits within its classes.*cat/"):
        keras_dim.data.open_source(tmp_path)


def test_another_split_of_labelled_images_is_refused(tmp_path, write_image):
    write_all(write_image, "a/1", "b/1")
    with pytest.raises(keras_dim.data.NoSplitError, match="no split 'test'"):
        keras_dim.data.open_source(tmp_path, "test")
    for split in ("train", None):
        assert keras_dim.data.open_source(tmp_path, split).num_images == 2


def test_another_split_of_unlabelled_images_gives_all_with_a_warning(
    tmp_path, write_image, warnings
):
    write_all(write_image, "1", "2")
    assert keras_dim.data.open_source(tmp_path, "test").num_images == 2
    assert "no split 'test': all of its images are read" in warnings[0]


def test_an_image_beside_classes_is_named(tmp_path, write_image, warnings):
    write_all(write_image, "a/1", "b/1", "preview")
    assert not keras_dim.data.open_source(tmp_path).has_labels
    (warning,) = warnings
    assert "no labels" in warning and "preview.png" in warning


def test_an_image_beside_splits_is_named(tmp_path, write_image, warnings):
    write_all(write_image, "train/1", "test/1", "preview")
    assert keras_dim.data.open_source(tmp_path).num_images == 1
    (warning,) = warnings
    assert "beside its splits" in warning and "preview.png" in warning


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic files"),
        ("a", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heic files"),
        ("a.psd", b"8BPS\0\1" + bytes(99), "psd files"),
        ("a.svg", b"<svg/>", ".svg files"),
        ("a.tga", bytes(99), ".tga files"),
        ("a.dcm", bytes(128) + b"DICM", "dicom files"),
        ("a.jxl", b"\xff\x0a" + bytes(99), "jpeg_xl files"),
        ("a.cr2", b"II*\0" + bytes(99), "raw files"),
    ],
)
def test_formats_that_are_not_read_are_skipped_with_a_reason(
    tmp_path, write_image, name, content, reason, warnings
):
    write_image("whole.png", pixels(0))
    (tmp_path / name).write_bytes(content)
    source = keras_dim.data.open_source(tmp_path)
    assert skipped_names(source) == [name]
    assert f"{reason} " in warnings[0] and "are not read" in warnings[0]


def test_a_raw_file_of_a_camera_is_not_its_thumbnail(tmp_path, write_image):
    # Nikon's and Adobe's are TIFF files whose first page is a small preview.
    write_image("whole.png", pixels(0))
    write_image("a.nef", pixels(0), "tiff")
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    Image.fromarray(pixels(0)).save(tmp_path / "b.tif", tiffinfo=tags)
    source = keras_dim.data.open_source(tmp_path)
    assert skipped_names(source) == ["a.nef", "b.tif"]


@pytest.mark.parametrize("kind", ["tiff", "ppm", "jpeg2000"])
def test_other_formats_are_read(tmp_path, write_image, kind):
    write_image(f"a.{kind}", pixels(0), kind)
    dataset = keras_dim.data.load(tmp_path, batch_size=1)
    np.testing.assert_array_equal(next(iter(dataset))["image"][0], pixels(0))


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_the_largest_value_of_16_bits_is_in_the_warning(
    tmp_path, kind, warnings
):
    levels = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / f"a.{kind}")
    source = keras_dim.data.open_source(tmp_path)
    (warning,) = warnings
    assert "1 image(s)" in warning and "16 bits a channel" in warning
    assert "is 4095 of 65535" in warning
    image = next(reading.Epoch(source, 1).batches())["image"][0]
    np.testing.assert_array_equal(image[..., 0], levels // 256)


def test_pixels_without_a_known_range_are_skipped(
    tmp_path, write_image, warnings
):
    write_image("whole.png", pixels(0))
    for number, dtype in enumerate((np.float32, np.int32)):
        image = Image.fromarray(np.ones((8, 8), dtype))
        image.save(tmp_path / f"{number}.tiff")
    source = keras_dim.data.open_source(tmp_path)
    assert skipped_names(source) == ["0.tiff", "1.tiff"]
    assert all("no known range" in warning for warning in warnings)


def test_further_pages_are_warned_of(tmp_path, warnings):
    pages = [Image.fromarray(pixels(number)) for number in range(2)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    source = keras_dim.data.open_source(tmp_path)
    image = next(reading.Epoch(source, 1).batches())["image"]
    np.testing.assert_array_equal(image[0], pixels(0))
    assert "several pages" in warnings[0]


def test_a_turned_photograph_has_the_size_of_its_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.zeros((8, 12, 3), np.uint8))
    image.save(tmp_path / "a.jpg", exif=exif)
    for orient, shape in ((True, (12, 8, 3)), (False, (8, 12, 3))):
        source = keras_dim.data.open_source(tmp_path, exif_orientation=orient)
        assert source.image_shape == shape
        batch = next(iter(keras_dim.data.load(source, batch_size=1)))
        assert batch["image"].shape == (1, *shape)


def test_contents_differ_for_other_images_of_the_same_names(
    tmp_path, write_image
):
    write_all(write_image, "1", "2")
    before = keras_dim.data.open_source(tmp_path).contents()
    assert keras_dim.data.open_source(tmp_path).contents() == before
    write_image("2.png", pixels(0, (8, 8, 1)))
    assert keras_dim.data.open_source(tmp_path).contents() != before
