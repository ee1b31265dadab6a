"""Images a second from which the views of AMDIM are made, here and by Pillow.

    python benchmarks/views.py [--batch_size 256] [--seconds 4]

One view of each image, of 32 pixels and of 64 from 96: on all cores, in a
graph and compiled by XLA; and by the same pipeline image by image in two worker
processes, with torchvision if it is installed, or in the same steps with Pillow
and NumPy. Workers make batches of floats; their transfer is not counted. The
rates are medians of several turns. If other programs use the machine, compare
the processor time of an image, in microseconds, instead.
"""

import argparse
import importlib.util
import math
import multiprocessing
import os
import random
import statistics
import time

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NUM_WORKERS = 2
# Sides in pixels of the images and of the views.
CASES = ((32, 32), (96, 64))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    import common

    print(common.machine())
    name = "torchvision" if has_torchvision() else "Pillow"
    print(f"batch {arguments.batch_size}; images a second, one view of each")
    print(
        f"{'pixels':>8}{'':13}{'images/s':>10}{'ratio':>7}"
        f"{'processor us/image':>20}{'ratio':>7}"
    )
    # Threads do not survive a fork: workers start as new processes.
    context = multiprocessing.get_context("spawn")
    with context.Pool(NUM_WORKERS) as pool:
        for sizes in CASES:
            batches = [(sizes, arguments.batch_size, i) for i in range(4)]
            steps = {
                name: lambda batches=batches: np.sum(
                    pool.map(make_batch, batches, chunksize=1), axis=0
                ),
                "graph": make_step(sizes, arguments.batch_size, False),
                "XLA": make_step(sizes, arguments.batch_size, True),
            }
            found = measure(steps, arguments)
            for kind, (rate, seconds) in found.items():
                print(
                    f"{sizes[1]:8} {kind:12}{rate:10.0f}"
                    f"{rate / found[name][0]:7.2f}{1e6 * seconds:20.0f}"
                    f"{found[name][1] / seconds:7.2f}",
                    flush=True,
                )


def measure(steps, arguments):
    """Returns images a second and processor seconds an image of each step.

    A step returns its number of images and its processor seconds.
    """
    found = {kind: [] for kind in steps}
    for step in steps.values():
        step()
        step()
    for _ in range(arguments.rounds):
        for kind, step in steps.items():
            start, totals = time.perf_counter(), np.zeros(2)
            while time.perf_counter() - start < arguments.seconds:
                totals += step()
            count, processor_seconds = totals
            seconds = time.perf_counter() - start
            found[kind].append((count / seconds, processor_seconds / count))
    return {
        kind: [statistics.median(each) for each in zip(*turns, strict=True)]
        for kind, turns in found.items()
    }


def make_step(sizes, batch_size, jit_compile):
    """Returns a callable that makes two views of a batch."""
    import tensorflow as tf

    from keras_dim import views

    layer = views.amdim(sizes[1], seed=0)
    images = tf.constant(random_images(batch_size, sizes[0]))

    @tf.function(jit_compile=jit_compile)
    def make(images):
        made = layer(images, training=True)
        return made["view_1"], made["view_2"]

    def step():
        start = time.process_time()
        for view in make(images):
            view.numpy()
        return 2 * batch_size, time.process_time() - start

    return step


def random_images(num_images, size):
    """Returns noise that is as smooth as a picture."""
    rng = np.random.default_rng(0)
    small = rng.uniform(0, 255, (num_images, size // 8, size // 8, 3))
    images = small.repeat(8, axis=1).repeat(8, axis=2)
    images = images + rng.normal(0, 10, images.shape)
    return np.clip(images, 0, 255).astype("uint8")


def has_torchvision():
    return importlib.util.find_spec("torchvision") is not None


_images = {}
_pipelines = {}


def make_batch(task):
    """Makes one view of each image of a batch, in a worker."""
    (size, new_size), batch_size, seed = task
    if size not in _images:
        _images[size] = random_images(batch_size, size)
        make = torchvision_pipeline if has_torchvision() else PillowPipeline
        _pipelines[size] = make(new_size)
    random.seed(seed)
    start = time.process_time()
    batch = np.stack([_pipelines[size](image) for image in _images[size]])
    return len(batch), time.process_time() - start


def torchvision_pipeline(size):
    import torch
    from PIL import Image
    from torchvision import transforms

    torch.set_num_threads(1)
    if size == 32:
        geometry = transforms.RandomApply(
            [
                transforms.Pad(4, padding_mode="reflect"),
                transforms.RandomCrop(size),
            ],
            p=0.8,
        )
    else:
        geometry = transforms.RandomResizedCrop(
            size,
            scale=(0.3, 1.0),
            ratio=(0.7, 1.4),
            interpolation=transforms.InterpolationMode.BICUBIC,
        )
    return transforms.Compose(
        [
            Image.fromarray,
            transforms.RandomHorizontalFlip(),
            geometry,
            transforms.RandomApply(
                [transforms.ColorJitter(0.4, 0.4, 0.4, 0.2)], p=0.8
            ),
            transforms.RandomGrayscale(0.25),
            transforms.ToTensor(),
            lambda image: image.numpy(),
        ]
    )


class PillowPipeline:
    """The same views with Pillow and NumPy, for one image."""

    def __init__(self, size):
        from PIL import Image
        from PIL import ImageEnhance

        self.size = size
        self.library = Image
        self.enhancers = (
            ImageEnhance.Brightness,
            ImageEnhance.Contrast,
            ImageEnhance.Color,
        )

    def __call__(self, pixels):
        image = self.library.fromarray(pixels)
        if random.random() < 0.5:
            image = image.transpose(self.library.Transpose.FLIP_LEFT_RIGHT)
        if self.size != 32:
            image = self.resized_crop(image)
        elif random.random() < 0.8:
            image = self.translated(image)
        if random.random() < 0.8:
            image = self.jittered(image)
        if random.random() < 0.25:
            image = image.convert("L").convert("RGB")
        pixels = np.asarray(image).transpose(2, 0, 1)
        return np.ascontiguousarray(pixels).astype("float32") / 255.0

    def translated(self, image):
        border = ((4, 4), (4, 4), (0, 0))
        padded = np.pad(np.asarray(image), border, "reflect")
        top, left = random.randint(0, 8), random.randint(0, 8)
        return self.library.fromarray(
            padded[top : top + self.size, left : left + self.size]
        )

    def resized_crop(self, image):
        width, height = image.size
        for _ in range(10):
            area = width * height * random.uniform(0.3, 1.0)
            ratio = math.exp(random.uniform(math.log(0.7), math.log(1.4)))
            new_width = round(math.sqrt(area * ratio))
            new_height = round(math.sqrt(area / ratio))
            if new_width <= width and new_height <= height:
                break
        else:
            new_width, new_height = width, height
        left = random.randint(0, width - new_width)
        top = random.randint(0, height - new_height)
        image = image.crop((left, top, left + new_width, top + new_height))
        return image.resize(
            (self.size, self.size), self.library.Resampling.BICUBIC
        )

    def jittered(self, image):
        kinds = list(range(4))
        random.shuffle(kinds)
        for kind in kinds:
            if kind == 3:
                image = self.with_turned_hue(image, random.uniform(-0.2, 0.2))
            else:
                enhancer = self.enhancers[kind](image)
                image = enhancer.enhance(random.uniform(0.6, 1.4))
        return image

    def with_turned_hue(self, image, turn):
        hue, saturation, value = image.convert("HSV").split()
        hue = np.asarray(hue) + np.uint8(int(255 * turn) % 256)
        hue = self.library.fromarray(hue)
        image = self.library.merge("HSV", (hue, saturation, value))
        return image.convert("RGB")


if __name__ == "__main__":
    main()
