"""Random changes of images, drawn for each image, in batches.

Every layer takes images of shape `(batch, height, width, channels)` in
[0, 255] and returns the same range: floats as float32, whatever the policy,
and bytes as bytes where pixels are only moved. Replicas draw for the whole
batch and keep their own rows.
"""

import keras
from keras import layers
from keras import ops
from keras import random

from keras_dim import distribution


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomCrop(layers.Layer):
    """Cuts a square out of each image at a random place; centred in inference.

    Args:
        size: int. Height and width of the crop.
        padding: int. Pixels by which the image is first reflected outwards on
            each side. Defaults to 0.
        seed: int or None for a random one.
    """

    def __init__(self, size, padding=0, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.size = size
        self.padding = padding
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def build(self, images_shape):
        smallest = min(images_shape[1:3]) + 2 * self.padding
        if self.size > smallest:
            raise ValueError(
                f"A crop of {self.size} pixels does not fit into images of "
                f"shape {tuple(images_shape)} with padding={self.padding}"
            )

    def call(self, images, training=False):
        border = [self.padding, self.padding]
        images = ops.pad(images, [[0, 0], border, border, [0, 0]], "reflect")
        free = [length - self.size for length in images.shape[1:3]]
        if not training:
            top, left = (length // 2 for length in free)
            return images[:, top : top + self.size, left : left + self.size]
        batch_size = ops.shape(images)[0]
        places = distribution.draw_for_own_rows(
            lambda num_rows: random.uniform(
                (num_rows, 2), seed=self.seed_generator
            ),
            batch_size,
        )
        # Each of the `free + 1` corners is as likely as the next.
        corners = ops.floor(places * (ops.array(free, "float32") + 1.0))
        corners = ops.cast(corners, "int32")
        return crop(images, corners[:, 0], corners[:, 1], self.size)

    def compute_output_shape(self, images_shape):
        return (images_shape[0], self.size, self.size, images_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "padding": self.padding,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomFlip(layers.Layer):
    """Mirrors images left to right; never in inference.

    Args:
        probability: float. Share of images that are mirrored. Defaults to
            0.5.
        seed: int or None for a random one.
    """

    def __init__(self, probability=0.5, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.probability = probability
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, images, training=False):
        if not training:
            return images
        draws = distribution.draw_for_own_rows(
            lambda num_rows: random.uniform(
                (num_rows, 1, 1, 1), seed=self.seed_generator
            ),
            ops.shape(images)[0],
        )
        return ops.where(
            draws < self.probability, ops.flip(images, axis=2), images
        )

    def compute_output_shape(self, images_shape):
        return images_shape

    def get_config(self):
        return {
            **super().get_config(),
            "probability": self.probability,
            "seed": self.seed,
        }


def crop(images, tops, lefts, size):
    """Cuts one square out of each image.

    Args:
        images: tensor `(batch, height, width, channels)`.
        tops, lefts: int tensors `(batch,)`. First row and column of each.
        size: int. Height and width of the crops.

    Returns:
        Tensor `(batch, size, size, channels)`.
    """
    num_images = ops.shape(images)[0]
    height, width, channels = images.shape[1:]
    steps = ops.arange(size)
    rows = ops.arange(num_images)[:, None] * height + tops[:, None] + steps
    columns = lefts[:, None] + steps
    # Where each pixel lies in the batch: one look-up fetches them all.
    places = rows[:, :, None] * width + columns[:, None, :]
    return ops.take(ops.reshape(images, (-1, channels)), places, axis=0)
