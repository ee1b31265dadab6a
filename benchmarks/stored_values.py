"""Writes images other than 8-bit RGB, made from CIFAR-10.

    python benchmarks/stored_values.py FOLDER

Three folders of 4,000 training and 1,000 test images in ten classes each, to
try the recipes for stored values on:

* `xray`: grey, inverted, 12 bits in PNG files of 16;
* `microscopy`: three dim, sparse bands of 12 bits in 16, `.npy`;
* `satellite`: five bands of 16 bits, each with its own gain and offset, as the
  pages of TIFF files; the fourth is a difference of two colours, the fifth a
  grey image moved by two pixels.

All have noise and one very bright pixel in each image.
"""

import pathlib
import sys

import numpy as np
from PIL import Image

import keras_dim

NUM_IMAGES = {"train": 4_000, "test": 1_000}
GREY = np.array([0.299, 0.587, 0.114])


def xray(image, noise):
    return 300 + 2_500 * (1 - image @ GREY)[..., None] + 40 * noise[..., :1]


def microscopy(image, noise):
    return 100 + 1_200 * image**2 + 30 * noise[..., :3]


def satellite(image, noise):
    grey = (image @ GREY)[..., None]
    difference = (1 + image[..., 1:2] - image[..., :1]) / 2
    bands = [image, difference, np.roll(grey, 2, axis=1)]
    gains = np.array([8_000, 9_000, 12_000, 20_000, 15_000])
    return 500 + gains * np.concatenate(bands, axis=-1) + 300 * noise


def save(values, path):
    values = np.rint(values.clip(0, 65_535)).astype(np.uint16)
    if values.shape[-1] == 3:
        np.save(path.with_suffix(".npy"), values)
        return
    first, *others = map(Image.fromarray, np.moveaxis(values, -1, 0))
    if others:
        first.save(
            path.with_suffix(".tif"), save_all=True, append_images=others
        )
    else:
        first.save(path.with_suffix(".png"))


def main(folder):
    draw = np.random.default_rng(0)
    for split, num_images in NUM_IMAGES.items():
        source = keras_dim.data.open_source("cifar10", split)
        batch = source.read(np.arange(num_images))
        pairs = zip(batch["image"], batch["label"], strict=True)
        for number, (image, label) in enumerate(pairs):
            noise = draw.normal(size=(32, 32, 5))
            place = draw.integers(32, size=2)
            for kind in (xray, microscopy, satellite):
                values = kind(image / 255, noise)
                values[tuple(place)] += 20_000
                path = pathlib.Path(folder, kind.__name__, split, str(label))
                path.mkdir(parents=True, exist_ok=True)
                save(values, path / f"{number:05d}")


if __name__ == "__main__":
    main(*sys.argv[1:])
