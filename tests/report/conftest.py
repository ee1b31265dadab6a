"""A folder of photographs with planted defects, and the report on it."""

import numpy as np
import pytest
from PIL import Image
from PIL import ImageFilter
from sklearn import datasets
from tiny_encoder import tiny_encoder

from keras_dim import report

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)<!--&quot;'\" {{x}}.png"
NOT_TEXT = b"caf\xe9.png"


@pytest.fixture(scope="session")
def hostile():
    """The name of the dark image."""
    return HOSTILE


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Parts of scikit-learn's two photographs, one class from each.

    Planted are a mirrored copy as JPEG and an exact copy; a blurred, a dark and
    a damaged image; and two names, one of HTML and one that is not UTF-8.
    """
    folder = tmp_path_factory.mktemp("reports") / "photos"
    china, flower = datasets.load_sample_images().images
    for name, image in (("china", china), ("flower", flower)):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            top, left = 60 * (number // 6), 90 * (number % 6)
            part = image[top : top + 160, left : left + 120]
            Image.fromarray(part).save(folder / name / f"{number:02d}.png")
    part = Image.open(folder / "china/03.png")
    mirrored = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(folder / "china/copy_of_03.jpg", quality=80)
    same = (folder / "flower/05.png").read_bytes()
    (folder / "flower/same_as_05.png").write_bytes(same)
    part.filter(ImageFilter.GaussianBlur(6)).save(folder / "china/blurred.png")
    dark = Image.fromarray(np.asarray(part) // 9)
    dark.save(folder / "flower" / HOSTILE)
    (folder / "china/damaged.png").write_bytes(same[: len(same) // 2])
    part = Image.fromarray(china[300:420, 300:420])
    with open(bytes(folder) + b"/china/" + NOT_TEXT, "wb") as file:
        part.save(file, "png")
    return folder


@pytest.fixture(scope="session")
def written(photos):
    """The folder of the report, and the counts that were returned."""
    output = photos.parent / "report"
    counts = report.write_report(
        tiny_encoder(), photos, output, num_labels=6, encoder_name="tiny"
    )
    return output, counts
