"""Brightness, contrast, saturation and hue, changed at random."""

import keras
from keras import ops

from keras_dim.views import augmentation
from keras_dim.views import color


@keras.saving.register_keras_serializable(package="keras_dim")
class ColorJitter(augmentation.Augmentation):
    """Changes brightness, contrast, saturation and hue; never in inference.

    The four change one after the other, in an order drawn for each image,
    and pixels are kept within [0, 255] after each. Factors are uniform in
    `[max(0, 1 - strength), 1 + strength]`, turns of the hue in
    `[-hue, hue]`.

    Images of other than three channels have no saturation and no hue: only
    their brightness and contrast change.

    Args:
        brightness, contrast, saturation: float. Strengths, not negative.
            Default to 0.
        hue: float. Share of the whole circle, 0 to 0.5. Defaults to 0.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    num_draws = 6

    def __init__(
        self,
        brightness=0.0,
        contrast=0.0,
        saturation=0.0,
        hue=0.0,
        probability=1.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(seed, **kwargs)
        augmentation.check_probability(probability)
        strengths = (brightness, contrast, saturation)
        if min(strengths) < 0.0 or not 0.0 <= hue <= 0.5:
            raise ValueError(
                "`brightness`, `contrast` and `saturation` must not be "
                "negative, and `hue` must be from 0 to 0.5. Received: "
                f"{strengths} and {hue}"
            )
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.probability = probability

    def augment(self, images, draws):
        return color.jitter(images, *self.amounts(draws))

    def amounts(self, draws):
        """Returns the factors, turns and orders that `draws` stand for."""
        is_changed = draws[:, 0] < self.probability
        factors = [
            ops.where(
                is_changed,
                augmentation.uniform(
                    draws[:, index], max(0.0, 1.0 - strength), 1.0 + strength
                ),
                1.0,
            )
            for index, strength in enumerate(
                (self.brightness, self.contrast, self.saturation), start=1
            )
        ]
        turns = augmentation.uniform(draws[:, 4], -self.hue, self.hue)
        turns = ops.where(is_changed, turns, 0.0)
        orders = augmentation.whole_numbers(
            draws[:, 5], float(len(color.ORDERS))
        )
        orders = ops.take(
            ops.array(color.ORDERS, "int32"), ops.cast(orders, "int32"), axis=0
        )
        return *factors, turns, orders
