"""Files of images, and sources that are too large to be held."""

import pytest
import tiny_images
from absl import logging

from keras_dim.data import reading


@pytest.fixture
def write_image(tmp_path):
    """Writes an image below tmp_path, and returns its path as a string."""

    def write(name, image, kind="png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tiny_images.encode(image, kind))
        return str(path)

    return write


@pytest.fixture
def nothing_held(monkeypatch):
    """Sources are decoded in each epoch, however small they are."""
    monkeypatch.setattr(reading, "HELD_BYTES", 0)


@pytest.fixture
def warnings(monkeypatch):
    """The warnings that are logged."""
    found = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: found.append(text % args)
    )
    return found
