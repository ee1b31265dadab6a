"""An export, and images that are whole or damaged."""

import io

import numpy as np
import pytest
import tiny_images
from PIL import Image
from tiny_encoder import tiny_encoder

from keras_dim.batches import ValueRange
from keras_dim.encoders import with_range
from keras_dim.exporting import export
from keras_dim.exporting import parity


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        # The other runtimes, which take seconds.
        patch.setattr(parity, "report", lambda *_: {})
        return str(export(tiny_encoder(), folder / "tiny"))


@pytest.fixture(scope="module")
def of_bands(tmp_path_factory):
    """An encoder of 5 bands of 12 bits, and the folder of its export."""
    values = ValueRange((100,) * 5, (4000,) * 5, "uint16")
    encoder = with_range(tiny_encoder(channels=5), values)
    folder = tmp_path_factory.mktemp("models") / "bands"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "report", lambda *_: {})
        return encoder, str(export(encoder, folder))


@pytest.fixture(scope="module")
def stacks():
    """Files of 5 bands of 16 bits: an array, another size, and pages."""
    draw = np.random.default_rng(0).integers
    found = {}
    for name, size in (("a.npy", (8, 8)), ("b.npy", (12, 10)), ("c.tif", 8)):
        shape = size if isinstance(size, tuple) else (size, size)
        image = draw(100, 4000, (*shape, 5), dtype="uint16")
        file = io.BytesIO()
        if name.endswith("npy"):
            np.save(file, image)
        else:
            pages = [Image.fromarray(band) for band in np.moveaxis(image, 2, 0)]
            pages[0].save(file, "tiff", save_all=True, append_images=pages[1:])
        found[name] = file.getvalue()
    return found


@pytest.fixture(scope="module")
def images():
    """Images of several sizes and formats, by their names."""
    shapes = [(8, 8, 3), (12, 9, 3), (8, 8, 1), (30, 30, 3), (5, 20, 3)]
    return {
        f"{number}.{kind}": tiny_images.encode(
            tiny_images.pixels(number, shape), kind
        )
        for number, (shape, kind) in enumerate(
            zip(shapes, ("png", "jpeg", "png", "webp", "png"), strict=True)
        )
    }


@pytest.fixture(scope="module")
def damaged():
    """Files that are refused by their header, and by their pixels."""
    whole = tiny_images.encode(tiny_images.pixels(9, (64, 64, 3)))
    return {
        "empty.png": b"",
        "cut.png": whole[:200],
        "moving.gif": tiny_images.encode(tiny_images.pixels(3), "gif"),
        "notes.txt": b"no image",
    }
