"""An export, and images that are whole or damaged."""

import pytest
import tiny_images
from tiny_encoder import tiny_encoder

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
    """What is found out by its header, and what by its pixels."""
    whole = tiny_images.encode(tiny_images.pixels(9, (64, 64, 3)))
    return {
        "empty.png": b"",
        "cut.png": whole[:200],
        "moving.gif": tiny_images.encode(tiny_images.pixels(3), "gif"),
        "notes.txt": b"no image",
    }
