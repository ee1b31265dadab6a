"""Files of images, and sources that are too large to be held."""

import pytest
import tiny_images

from keras_dim.data import reading


@pytest.fixture
def write_image(tmp_path):
    """Writes an image below tmp_path; gives its path as a string."""

    def write(name, image, kind="png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny_images.encode(image, kind))
        return str(path)

    return write


@pytest.fixture
def nothing_held(monkeypatch):
    """Sources stream, however small they are."""
    monkeypatch.setattr(reading, "HELD_BYTES", 0)
