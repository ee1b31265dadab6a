"""What every random change of images shares."""

import inspect

from keras import layers
from keras import ops
from keras import random

from keras_dim import distribution
from keras_dim.views import geometry


class Augmentation(layers.Layer):
    """Changes each image of a batch by numbers drawn for it; abstract.

    A subclass says how many numbers an image needs (`num_draws`), what comes
    of them (`augment`), and what is done in inference (`infer`), by default
    nothing. Replicas draw for the whole batch and keep their own rows. Of one
    seed TensorFlow draws the same eagerly and in a graph, and other numbers
    under XLA; of the same numbers the same images come, there too.

    Images have shape `(batch, height, width, channels)` and lie in [0, 255],
    before and after. Where a subclass only moves pixels (`moves_pixels`),
    their type stays; else images are cast to float32 first, in training and
    in inference, whatever the policy.

    Args:
        seed: int or None for a random one.
        **kwargs: `name` and `trainable`, handed on to Keras.
    """

    num_draws = 1
    moves_pixels = False

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

    def augment_mirrored(self, images, draws, is_mirrored):
        """Returns what `augment` makes of images, some of them mirrored first.

        Augmentations that move pixels anyway do both at once.

        Args:
            images, draws: as of `augment`.
            is_mirrored: bool tensor `(batch,)`. Which images are mirrored.
        """
        return self.augment(geometry.flip(images, is_mirrored), draws)

    def infer(self, images):
        """Returns what becomes of the images in inference."""
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
        check_images(images.shape)
        self.check(images.shape)
        if not self.moves_pixels:
            images = ops.cast(images, "float32")
        if not training:
            return self.infer(images)
        draws = self.draw(ops.shape(images)[0])
        if is_mirrored is None:
            return self.augment(images, draws)
        return self.augment_mirrored(images, draws, is_mirrored)

    def compute_output_shape(self, images_shape):
        return images_shape

    def get_config(self):
        arguments = inspect.signature(type(self).__init__).parameters
        return super().get_config() | {
            name: getattr(self, name)
            for name in arguments
            if name not in ("self", "kwargs")
        }


def check_images(images_shape):
    """Raises a `ValueError` unless this is the shape of a batch of images."""
    if len(images_shape) != 4 or None in tuple(images_shape)[1:]:
        raise ValueError(
            "Images must come in batches (batch, height, width, channels) of "
            f"one known size. Received: shape {tuple(images_shape)}"
        )


def check_probability(probability):
    """Raises a `ValueError` unless this is a share of images."""
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
