"""The base class of random augmentations."""

from keras import layers
from keras import ops
from keras import random

from keras_dim import configurable
from keras_dim import distribution
from keras_dim.views import geometry


class Augmentation(configurable.Configurable, layers.Layer):
    """Changes each image of a batch by random numbers of its own; abstract.

    A subclass says how many numbers an image needs (`num_draws`), how they
    change it (`augment`), and what happens in inference (`infer`), by default
    nothing. Each replica draws for the whole batch and keeps its own rows. In
    TensorFlow, one seed gives the same numbers eagerly and in a graph, and
    others under XLA; the same numbers give the same images everywhere.

    Images have shape `(batch, height, width, channels)` and lie in [0, 255],
    before and after. A subclass that only moves pixels (`moves_pixels`) keeps
    their type; for all others, images are cast to float32 first, in training
    and in inference, whatever the policy.

    Args:
        seed: int or None for a random one.
        **kwargs: `name` and `trainable`, handed on to Keras.
    """

    num_draws = 1
    moves_pixels = False
    # Whether `augment` takes `is_mirrored` and mirrors images on the way,
    # which then costs nothing.
    mirrors = False

    def __init__(self, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        # There are no weights to wait for.
        self.built = True

    def augment(self, images, draws):
        """Returns the changed images.

        Args:
            images: tensor `(batch, height, width, channels)`.
            draws: float32 tensor `(batch, num_draws)`, uniform in [0, 1).
        """
        raise NotImplementedError

    def infer(self, images):
        """Returns the images as they are used in inference."""
        return images

    def check(self, images_shape):
        """Raises a `ValueError` for shapes that cannot be augmented."""

    def draw(self, batch_size):
        """Returns the next draws, shape `(batch, num_draws)`."""
        return distribution.draw_for_own_rows(
            lambda num_rows: random.uniform(
                (num_rows, self.num_draws), seed=self.seed_generator
            ),
            batch_size,
        )

    def call(self, images, training=False, is_mirrored=None):
        """Augments images in training.

        Args:
            images: tensor `(batch, height, width, channels)`.
            training: bool. Defaults to `False`.
            is_mirrored: bool tensor `(batch,)`, or None for none. Images that
                are mirrored left to right before, in training.
        """
        check_images(images.shape)
        self.check(images.shape)
        if not self.moves_pixels:
            images = ops.cast(images, "float32")
        if not training:
            return self.infer(images)
        draws = self.draw(ops.shape(images)[0])
        if self.mirrors:
            return self.augment(images, draws, is_mirrored)
        if is_mirrored is not None:
            images = geometry.flip(images, is_mirrored)
        return self.augment(images, draws)

    def compute_output_shape(self, images_shape):
        return images_shape


def check_images(images_shape):
    """Raises a `ValueError` unless this is the shape of a batch of images."""
    if len(images_shape) != 4 or None in tuple(images_shape)[1:]:
        raise ValueError(
            "Images must come in batches (batch, height, width, channels) of "
            f"one known size. Received: shape {tuple(images_shape)}"
        )


def check_probability(probability):
    """Raises a `ValueError` unless this is from 0 to 1."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(
            "`probability` is a share of images, from 0 to 1. Received: "
            f"{probability}"
        )


def uniform(draws, low, high):
    """Stretches draws from [0, 1) to [low, high)."""
    return low + (high - low) * draws


def whole_numbers(draws, count):
    """Turns draws from [0, 1) into whole numbers from 0 to `count - 1`.

    Args:
        draws: float tensor.
        count: number, or float tensor that broadcasts with `draws`.

    Returns:
        Float tensor, each of the `count` values as likely as the next.
    """
    # A draw that float32 has rounded up to 1 would give `count` itself.
    return ops.minimum(ops.floor(draws * count), count - 1.0)
