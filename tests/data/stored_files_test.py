"""Files of stored values are read as they are, or refused in one line."""

import importlib.util
import struct
import sys

import numpy as np
import pytest
import tiny_images
from PIL import Image

from keras_dim import data
from keras_dim.data import stored_files

SHAPE = (6, 7)


def values(dtype, bands=1, low=0, high=60_000):
    shape = (*SHAPE, bands)
    return np.random.default_rng(0).integers(low, high, shape).astype(dtype)


def save_pages(path, image):
    pages = [Image.fromarray(page) for page in np.moveaxis(image, -1, 0)]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def plain_tiff(image):
    """A TIFF file of one band, of a type that Pillow does not write."""
    kind = {"u": 1, "i": 2, "f": 3}[image.dtype.kind]
    height, width = image.shape
    tags = [
        (256, width),
        (257, height),
        (258, 8 * image.itemsize),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 12 * 9 + 4),
        (277, 1),
        (279, image.nbytes),
        (339, kind),
    ]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in tags)
    count = struct.pack("<H", len(tags))
    return b"II*\0\x08\0\0\0" + count + directory + bytes(4) + image.tobytes()


def opened(folder, **options):
    return data.open_source(folder, values="stored", **options)


def needs(package):
    return pytest.mark.skipif(
        importlib.util.find_spec(package) is None,
        reason=f"{package}, an extra, is not installed",
    )


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("grey16.png", values("uint16")),
        ("grey16.tif", values("uint16")),
        ("grey8.tif", values("uint8", high=256)),
        ("signed32.tif", values("int32", low=-70_000)),
        ("float.tif", values("float32") / 7),
        ("colour.png", values("uint8", 3, high=256)),
        ("bands.npy", values("uint16", 20)),
        ("plane.npy", values("int16", low=-30_000, high=30_000)),
        ("double.npz", values("float64", 2)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_all_bits_and_bands_are_read(tmp_path, name, image):
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, image[..., 0] if image.shape[-1] == 1 else image)
    elif path.suffix == ".npz":
        np.savez(path, image)
    else:
        plane = image[..., 0] if image.shape[-1] == 1 else image
        Image.fromarray(plane).save(path)
    source = opened(tmp_path)
    whole = image.dtype.name in ("uint8", "uint16", "int16")

    assert source.dtype == (image.dtype.name if whole else "float32")
    found = source.read(np.arange(1))["image"]
    assert found.dtype == source.dtype
    np.testing.assert_array_equal(found[0], image.astype(source.dtype))


@pytest.mark.parametrize("dtype", ["int16", "uint32", "int32", "float32"])
def test_signs_of_tiff_are_read(tmp_path, dtype):
    low, high = (0, 2**32) if dtype == "uint32" else (-30_000, 30_000)
    image = values(dtype, low=low, high=high)
    (tmp_path / "a.tif").write_bytes(plain_tiff(image[..., 0]))

    found = opened(tmp_path).read(np.arange(1))["image"][0]

    assert found.dtype == ("int16" if dtype == "int16" else "float32")
    np.testing.assert_array_equal(found, image.astype(found.dtype))


def test_colours_of_16_bits_are_read_whole(tmp_path):
    import tensorflow as tf

    image = values("uint16", 3)
    (tmp_path / "a.png").write_bytes(tf.io.encode_png(image).numpy())

    found = opened(tmp_path).read(np.arange(1))["image"][0]

    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("bands", [1, 3])
def test_images_of_16_bits_are_turned_as_others(tmp_path, bands):
    import tensorflow as tf

    image = values("uint16", bands)
    png = tf.io.encode_png(image).numpy()
    for number in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = number
        eight_bits = tmp_path / "eight_bits.png"
        Image.fromarray((image[..., 0] >> 8).astype("uint8")).save(
            eight_bits, exif=exif
        )
        expected = opened([str(eight_bits)]).read(np.arange(1))["image"]
        # The chunk with the orientation comes after the first one, the header.
        chunks = eight_bits.read_bytes()
        begin = chunks.index(b"eXIf") - 4
        end = begin + 12 + int.from_bytes(chunks[begin : begin + 4], "big")
        path = tmp_path / "sixteen_bits.png"
        path.write_bytes(png[:33] + chunks[begin:end] + png[33:])

        found = opened([str(path)]).read(np.arange(1))["image"]

        np.testing.assert_array_equal(found[..., :1] >> 8, expected)


def test_pages_are_bands_or_images_as_channels_says(tmp_path):
    image = values("uint16", 5)
    save_pages(tmp_path / "stack.tif", image)

    bands = opened(tmp_path, channels=5)
    images = opened(tmp_path, channels=1)

    assert (bands.num_images, images.num_images) == (1, 5)
    np.testing.assert_array_equal(bands.read(np.arange(1))["image"][0], image)
    found = images.read(np.arange(5))["image"]
    np.testing.assert_array_equal(found[..., 0], np.moveaxis(image, -1, 0))
    with pytest.raises(ValueError, match="5 pages of 1 band.*channels=5 to"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (values("uint16", 4), "number of bands: a.npy has 5 and b.npy has 4"),
        (values("uint8", 5), "type: a.npy has uint16 and b.npy has uint8"),
        (values("uint16", 5)[:5], "size: a.npy has 6x7 and b.npy has 5x7"),
    ],
)
def test_different_images_in_one_folder_are_refused(tmp_path, other, message):
    np.save(tmp_path / "a.npy", values("uint16", 5))
    np.save(tmp_path / "b.npy", other)

    with pytest.raises(ValueError, match=message):
        opened(tmp_path)


def test_sizes_are_resized_and_nan_is_skipped(tmp_path, warnings):
    np.save(tmp_path / "a.npy", np.full((4, 4, 2), 1000, "float32"))
    np.save(tmp_path / "b.npy", np.full((8, 6, 2), 3000, "float32"))
    bad = np.zeros((8, 6, 2), "float32")
    bad[3, 3] = np.nan
    np.save(tmp_path / "c.npy", bad)

    found = opened(tmp_path, image_size=3).read(np.arange(3))["image"]

    np.testing.assert_allclose(found[:, 0, 0, 0], [1000, 3000])
    assert found.shape == (2, 3, 3, 2)
    assert len(warnings) == 1 and "2 of its values are NaN" in warnings[0]


def test_whole_numbers_are_resized_beyond_8_bits():
    ramp = np.linspace(0, 60_000, 8).astype("uint16")
    images = np.tile(ramp[None, None, :, None], (1, 8, 1, 2))

    found = opened(images, image_size=4).read(np.arange(1))["image"]

    assert found.dtype == np.uint16
    # Halving averages pairs; antialiasing weighs their neighbours alike.
    inner = ramp.reshape(4, 2).mean(axis=1)[1:3]
    np.testing.assert_allclose(found[0, 0, 1:3, 0], inner, atol=1)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 80, 90), "uint16"), "90 bands.*moveaxis"),
        (np.zeros((2, 4, 4, 3), "uint16"), r"\(height, width, bands\)"),
        (np.array([{}], object), "Python objects"),
        (np.zeros((4, 4), bool), "must be numbers"),
    ],
)
def test_arrays_that_are_no_image_are_named(tmp_path, image, message):
    np.save(tmp_path / "a.npy", image)

    with pytest.raises(ValueError, match=f"a.npy: .*{message}"):
        opened(tmp_path)


def test_stored_values_keep_their_bands(tmp_path):
    np.save(tmp_path / "a.npy", values("uint16", 3))

    with pytest.raises(ValueError, match="have 3 band.*channels=3"):
        opened(tmp_path, channels=1)
    with pytest.raises(ValueError, match="for arrays, folders and files"):
        opened("cifar10")


def test_by_default_only_8_bits_are_read(tmp_path, warnings):
    image = values("uint16")
    Image.fromarray(image[..., 0]).save(tmp_path / "a.png")

    found = data.open_source(tmp_path).read(np.arange(1))["image"]

    np.testing.assert_array_equal(found[0], (image >> 8).astype("uint8"))
    assert "upper 8" in warnings[0]
    with pytest.raises(ValueError, match='values="stored"'):
        data.open_source(np.zeros((2, 8, 8, 3), "uint16"))


def test_the_extra_of_a_format_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tifffile", None)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    # A colour image with a fourth band, and the beginning of a DICOM file.
    rgba = Image.fromarray(tiny_images.pixels(0, (4, 4, 4)))
    rgba.save(tmp_path / "a.tif")
    (tmp_path / "b.dcm").write_bytes(b"\0" * 128 + b"DICM")

    for name, extra in (("a.tif", "tiff"), ("b.dcm", "dicom")):
        with pytest.raises(ValueError, match=rf"keras-dim\[{extra}\]"):
            stored_files.header(str(tmp_path / name))


@needs("tifffile")
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("bands", [2, 4, 13])
def test_tiff_of_several_bands(tmp_path, planar, bands):
    import tifffile

    image = values("uint16", bands)
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        planarconfig=planar,
        photometric="minisblack",
    )

    np.testing.assert_array_equal(
        opened(tmp_path).read(np.arange(1))["image"][0], image
    )


@needs("tifffile")
def test_indices_into_a_palette_are_refused(tmp_path):
    image = Image.fromarray(tiny_images.pixels(0)).convert("P")
    image.save(tmp_path / "a.tif")

    with pytest.raises(ValueError, match="a.tif: its values are indices into"):
        opened(tmp_path)


@needs("tifffile")
def test_signed_bytes_of_tiff_stay_signed(tmp_path):
    import tifffile

    image = values("int8", low=-100, high=100)
    tifffile.imwrite(tmp_path / "a.tif", image[..., 0])

    np.testing.assert_array_equal(
        opened(tmp_path).read(np.arange(1))["image"][0], image
    )


@pytest.fixture
def save_dicom(tmp_path):
    """Writes a DICOM file of grey values, with changes of its header."""

    def save(image, changes):
        import pydicom
        from pydicom.dataset import Dataset
        from pydicom.dataset import FileMetaDataset

        scan = Dataset()
        scan.Rows, scan.Columns = SHAPE
        scan.SamplesPerPixel = 1
        scan.PhotometricInterpretation = "MONOCHROME2"
        scan.BitsAllocated, scan.BitsStored, scan.HighBit = 16, 12, 11
        scan.PixelRepresentation = 0
        scan.PixelData = image.tobytes()
        for name, value in changes.items():
            setattr(scan, name, value)
        scan.file_meta = FileMetaDataset()
        scan.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        scan.file_meta.MediaStorageSOPClassUID = "1.2"
        scan.file_meta.MediaStorageSOPInstanceUID = "1.3"
        scan.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    return save


@needs("pydicom")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, lambda v: v),
        ({"PhotometricInterpretation": "MONOCHROME1"}, lambda v: 4095 - v),
        (
            {"RescaleSlope": "2", "RescaleIntercept": "-1024"},
            lambda v: 2 * v - 1024,
        ),
    ],
)
def test_dicom_is_read_in_the_units_of_its_header(
    tmp_path, save_dicom, changes, expected
):
    image = values("uint16", high=4096)
    save_dicom(image, changes)

    source = opened(tmp_path)

    assert source.dtype == "float32"
    found = source.read(np.arange(1))["image"][0]
    np.testing.assert_array_equal(found, expected(image.astype("float32")))


@needs("pydicom")
def test_dicom_with_another_rescaling_is_refused(tmp_path, save_dicom):
    from pydicom.dataset import Dataset

    # As of computed tomography in the enhanced format.
    rescaling, group = Dataset(), Dataset()
    rescaling.RescaleSlope, rescaling.RescaleIntercept = "1", "-1024"
    group.PixelValueTransformationSequence = [rescaling]
    changes = {"SharedFunctionalGroupsSequence": [group]}
    save_dicom(values("uint16", high=4096), changes)

    with pytest.raises(ValueError, match="rescaled by a table or by a group"):
        opened(tmp_path)
