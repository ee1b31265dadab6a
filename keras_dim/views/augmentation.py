"""The base class of random augmentations, and its helpers."""

import math

from keras import layers
from keras import ops
from keras import random

from keras_dim import checks
from keras_dim import configurable
from keras_dim import distribution


class Augmentation(configurable.Configurable, layers.Layer):
    """Changes each image of a batch by its own random numbers; abstract.

    A subclass states how many numbers an image needs (`num_draws`) and how
    they change it (`augment`). It passes on its seed and, if it changes only a
    share of the images, their `probability`. In inference images are not
    changed unless it overrides `infer`. Each replica draws for the whole batch
    and keeps its own rows. In TensorFlow, one seed gives the same numbers
    eagerly and in a graph, and other numbers under XLA.

    Images are `(batch, height, width, channels)` in [0, 255], before and
    after. They become float32 under any policy, unless a subclass only moves
    pixels (`moves_pixels`).
    """

    num_draws = 1
    moves_pixels = False

    def __init__(self, seed, probability=1.0, /, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        checks.between(0, 1, probability=probability)
        self.probability = probability
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        # There are no weights to build.
        self.built = True

    def augment(self, images, draws):
        """Changes images by draws `(batch, num_draws)`, uniform in [0, 1)."""
        raise NotImplementedError

    def infer(self, images):
        """Returns the images as they are used in inference."""
        return images

    def check(self, images_shape):
        """Raises a `ValueError` for shapes that cannot be augmented."""

    def draw(self, batch_size):
        """Returns the next draws, shape `(batch, num_draws)`."""
        return distribution.random_rows(
            random.uniform, batch_size, (self.num_draws,), self.seed_generator
        )

    def call(self, images, training=False):
        check_images(images.shape)
        self.check(images.shape)
        if not self.moves_pixels:
            images = ops.cast(images, "float32")
        if not training:
            return self.infer(images)
        draws = distribution.split_rows(self.draw(ops.shape(images)[0]))
        return distribution.split_rows(self.augment(images, draws))


def in_turn(augmentations, images, training):
    """Passes images through augmentations, one after the other."""
    for augmentation in augmentations:
        images = augmentation(images, training=training)
    return images


def check_images(images_shape):
    """Raises a `ValueError` for shapes other than that of a batch of images."""
    if len(images_shape) != 4 or None in tuple(images_shape)[1:]:
        raise ValueError(
            "Images must come in batches (batch, height, width, channels) of "
            f"one known size. Received: shape {tuple(images_shape)}"
        )


def refuse_other_bands(layer, channels, *changes):
    """Raises a `ValueError` for changes of bands other than grey and colour."""
    if changes and channels not in (1, 3):
        raise ValueError(
            f"{type(layer).__name__} changes {' and '.join(changes)}, which "
            f"only red, green and blue have. Received: {channels} channels. "
            "views.any_bands takes any number of them"
        )


def check_ranges(**ranges):
    """Raises a `ValueError` unless each is a range of positive numbers."""
    for name, ends in ranges.items():
        try:
            low, high = map(float, ends)
        except (TypeError, ValueError):
            low = high = 0.0
        if not 0.0 < low <= high < math.inf:
            raise ValueError(
                f"`{name}` must be two positive numbers, the smaller one "
                f"first. Received: {ends!r}"
            )


def uniform(draws, low, high):
    """Scales draws from [0, 1) to [low, high)."""
    return low + (high - low) * draws


def factors(draws, strength):
    """Turns draws into factors in `[max(0, 1 - strength), 1 + strength)`."""
    return uniform(draws, max(0.0, 1.0 - strength), 1.0 + strength)


def integers(draws, count):
    """Turns draws from [0, 1) into equally likely ints, 0 to `count - 1`."""
    # Rounding to float32 can give a draw of 1.
    found = ops.minimum(ops.floor(draws * count), count - 1.0)
    return ops.cast(found, "int32")
