"""Images a second that `keras_dim.data.load` reads from a folder of JPEGs.

    python benchmarks/folder.py [--num_images 600] [--turned]

The photographs are scikit-learn's two, cut and resized; `--turned` gives them
the EXIF orientation of a camera that was held upright. Each line is the best
of some epochs of one way of reading: by `tf.data`, or without TensorFlow, as on
Keras's other backends. The second figure is processor time, which is also
reliable on a busy machine. To compare two commits, check one out into a folder
of its own (`git worktree add`) and run this file with each folder as
PYTHONPATH, in turns on one machine.
"""

import argparse
import pathlib
import tempfile
import time

import common
import keras
import numpy as np
from PIL import Image
from sklearn import datasets

import keras_dim.data
from keras_dim.data import reading

# Sizes as in ImageNet, and of photographs that were scaled down for the web.
SIZES = ((500, 375), (1024, 768))


def write_photographs(folder, num_images, size, turned):
    photographs = datasets.load_sample_images().images
    random = np.random.default_rng(0)
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    for number in range(num_images):
        image = Image.fromarray(photographs[number % len(photographs)])
        left, top = random.integers(0, 60, 2)
        image = image.crop((left, top, left + 560, top + 360)).resize(size)
        image.save(folder / f"{number:05}.jpg", quality=90, exif=exif)


def seconds_of_an_epoch(folder, backend):
    keras.backend.backend = lambda: backend
    source = keras_dim.data.open_source(folder, image_size=224)
    dataset = keras_dim.data.load(
        source, batch_size=50, shuffle=True, drop_remainder=True
    )
    epochs = []
    for _ in range(4):
        start = time.perf_counter(), time.process_time()
        for batch in dataset:
            np.asarray(batch["image"])
        ends = time.perf_counter(), time.process_time()
        epochs.append(
            [end - begin for begin, end in zip(start, ends, strict=True)]
        )
    return np.min(epochs, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num_images", type=int, default=600)
    parser.add_argument("--turned", action="store_true")
    arguments = parser.parse_args()
    print(common.machine())
    # Read again in every epoch, like data that do not fit into memory.
    reading.HELD_BYTES = 0
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            write_photographs(
                folder, arguments.num_images, size, arguments.turned
            )
            start = time.perf_counter()
            keras_dim.data.open_source(folder, image_size=224)
            opened = time.perf_counter() - start
            print(
                f"{size[0]}x{size[1]} opening: "
                f"{arguments.num_images / opened:,.0f} files/s"
            )
            for backend in ("tensorflow", "jax"):
                seconds, of_processor = seconds_of_an_epoch(folder, backend)
                reader = "tf.data" if backend == "tensorflow" else "NumPy"
                print(
                    f"{size[0]}x{size[1]} {reader}: "
                    f"{arguments.num_images / seconds:,.0f} images/s, "
                    f"{arguments.num_images / of_processor:,.0f} a second of "
                    "one processor"
                )


if __name__ == "__main__":
    main()
