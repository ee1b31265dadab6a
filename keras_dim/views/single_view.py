"""Views of methods that look at each image once."""

import keras
from keras import layers

from keras_dim.views.random_crop import RandomCrop
from keras_dim.views.random_flip import RandomFlip
from keras_dim.views.seeds import seeds_from


@keras.saving.register_keras_serializable(package="keras_dim")
class SingleView(layers.Layer):
    """Passes images through augmentations, one after the other.

    Args:
        augmentations: list of layers from images to images. None leave the
            images as they are. Defaults to `()`.

    Returns, when called with images, a dict with `"image"`.
    """

    def __init__(self, augmentations=(), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.augmentations = list(augmentations)

    def call(self, images, training=False):
        for augmentation in self.augmentations:
            images = augmentation(images, training=training)
        return {"image": images}

    def get_config(self):
        return {
            **super().get_config(),
            "augmentations": [
                keras.saving.serialize_keras_object(augmentation)
                for augmentation in self.augmentations
            ],
        }

    @classmethod
    def from_config(cls, config):
        config["augmentations"] = [
            keras.saving.deserialize_keras_object(augmentation)
            for augmentation in config["augmentations"]
        ]
        return cls(**config)


def dim(crop_size=None, crop_padding=0, flip=False, seed=None):
    """Returns the views of Deep InfoMax.

    The paper leaves CIFAR-10 and Tiny ImageNet as they are and takes random
    crops of 64 pixels with flips of STL-10: `dim(crop_size=64, flip=True)`.

    Args:
        crop_size: int, or None not to crop. Height and width of the crops.
        crop_padding: int. Pixels by which images are reflected outwards
            before they are cropped. Defaults to 0.
        flip: bool. Whether half of the images are mirrored. Defaults to
            `False`.
        seed: int or None for a random one.
    """
    crop_seed, flip_seed = seeds_from(seed, 2)
    steps = []
    if crop_size is not None:
        steps.append(RandomCrop(crop_size, crop_padding, crop_seed))
    if flip:
        steps.append(RandomFlip(seed=flip_seed))
    return SingleView(steps)
