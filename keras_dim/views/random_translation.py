"""Images moved by whole pixels."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation
from keras_dim.views import geometry


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomTranslation(augmentation.Augmentation):
    """Moves images by whole pixels; never in inference.

    How far down and how far right are drawn apart, each of the whole numbers
    from `-max_pixels` to `max_pixels` as likely as the next. What comes in at
    the border is the image's own reflection, which does not repeat the edge.

    Args:
        max_pixels: int. The farthest that an image moves along each axis.
        probability: float. Share of images that are moved. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 3
    moves_pixels = True

    def __init__(self, max_pixels, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        checks.between(0, 1, probability=probability)
        checks.integers(0, max_pixels=max_pixels)
        self.max_pixels = max_pixels
        self.probability = probability

    def augment(self, images, draws):
        is_moved = draws[:, :1] < self.probability
        moves = augmentation.integers(draws[:, 1:], 2.0 * self.max_pixels + 1.0)
        moves = ops.where(is_moved, moves - self.max_pixels, 0)
        return geometry.crop(
            images, -moves[:, 0], -moves[:, 1], *images.shape[1:3]
        )

    def check(self, images_shape):
        if self.max_pixels >= min(images_shape[1:3]):
            raise ValueError(
                "`max_pixels` must be smaller than the images, which reflect "
                f"no farther. Received: {self.max_pixels} for images of shape "
                f"{tuple(images_shape)}"
            )
