"""Images without their colours."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation
from keras_dim.views import color


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomGrayscale(augmentation.Augmentation):
    """Takes the colours out of images; never in inference.

    Grey images keep three channels, all alike. Images of other than three
    channels have no colours, and pass through.

    Args:
        probability: float. Share of images that become grey.
        seed: int or None for a random one.
    """

    def __init__(self, probability, seed=None, **kwargs):
        super().__init__(seed, **kwargs)
        checks.between(0, 1, probability=probability)
        self.probability = probability

    def augment(self, images, draws):
        if images.shape[-1] != 3:
            return images
        planes = color.to_planes(images)
        is_grey, grey = draws[:, :1] < self.probability, color.grey(planes)
        planes = [ops.where(is_grey, grey, plane) for plane in planes]
        return color.to_images(planes, images.shape)
