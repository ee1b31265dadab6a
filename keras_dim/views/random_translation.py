"""Images moved by whole pixels."""

import keras
from keras import ops

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
    mirrors = True

    def __init__(self, max_pixels, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        augmentation.check_probability(probability)
        if max_pixels < 0:
            raise ValueError(
                f"`max_pixels` must not be negative. Received: {max_pixels}"
            )
        self.max_pixels = max_pixels
        self.probability = probability

    def augment(self, images, draws, is_mirrored=None):
        is_moved = draws[:, :1] < self.probability
        pixels = augmentation.whole_numbers(
            draws[:, 1:], 2.0 * self.max_pixels + 1.0
        )
        pixels = ops.where(is_moved, pixels - self.max_pixels, 0.0)
        pixels = ops.cast(pixels, "int32")
        return geometry.translate(
            images, pixels[:, 0], pixels[:, 1], is_mirrored
        )

    def check(self, images_shape):
        if self.max_pixels >= min(images_shape[1:3]):
            raise ValueError(
                "Reflection reaches less than the whole image: `max_pixels` "
                f"must be smaller than it. Received: {self.max_pixels} for "
                f"images of shape {tuple(images_shape)}"
            )
