"""Views of methods that compare two looks at each image."""

import keras
from keras import layers
from keras import ops

from keras_dim.views.augmentation import Augmentation
from keras_dim.views.color_jitter import ColorJitter
from keras_dim.views.random_flip import RandomFlip
from keras_dim.views.random_grayscale import RandomGrayscale
from keras_dim.views.random_resized_crop import RandomResizedCrop
from keras_dim.views.random_translation import RandomTranslation
from keras_dim.views.seeds import seeds_from

# Sizes of the paper: what images are resized to in inference, before the
# middle is cut out, and how far the hue turns.
AMDIM_INFERENCE_SIZES = {64: 70, 128: 146}
AMDIM_HUES = {32: 0.2, 64: 0.2, 128: 0.1}


@keras.saving.register_keras_serializable(package="keras_dim")
class TwoViews(layers.Layer):
    """Makes two views of each image by the same augmentations, drawn apart.

    Args:
        augmentations: list of layers from images to images, which draw for
            each view anew. None leave images as they are. Defaults to `()`.
        shared: list of such layers that come first and draw once for both
            views. A `RandomFlip` at their end costs nothing where the first
            of the `augmentations` moves pixels anyway. Defaults to `()`.

    Returns, when called with images, a dict with `"view_1"` and `"view_2"`.
    In inference the two are equal, unless an augmentation draws there too.
    """

    def __init__(self, augmentations=(), shared=(), **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.augmentations = list(augmentations)
        self.shared = list(shared)

    def call(self, images, training=False):
        shared, first = self.shared, self.augmentations[:1]
        flip = {}
        if training and _is_flip(shared) and _is_augmentation(first):
            *shared, last = shared
            draws = last.draw(ops.shape(images)[0])
            flip = {"is_mirrored": last.is_mirrored(draws)}
        for augmentation in shared:
            images = augmentation(images, training=training)
        views = {}
        for name in ("view_1", "view_2"):
            view = images
            for augmentation in first:
                view = augmentation(view, training=training, **flip)
            for augmentation in self.augmentations[1:]:
                view = augmentation(view, training=training)
            views[name] = view
        return views

    def get_config(self):
        return super().get_config() | {
            name: [
                keras.saving.serialize_keras_object(augmentation)
                for augmentation in getattr(self, name)
            ]
            for name in ("augmentations", "shared")
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("augmentations", "shared"):
            config[name] = [
                keras.saving.deserialize_keras_object(augmentation)
                for augmentation in config[name]
            ]
        return cls(**config)


def _is_flip(layers):
    return bool(layers) and isinstance(layers[-1], RandomFlip)


def _is_augmentation(layers):
    return bool(layers) and isinstance(layers[0], Augmentation)


def amdim(
    image_size,
    seed=None,
    shared_flip=True,
    min_scale=0.3,
    hue=None,
    gray_probability=0.25,
):
    """Returns the views of AMDIM, those of the authors' code.

    Half of the images are mirrored, in both views alike. Then each view for
    itself: of 32 pixels (CIFAR), four in five images move by up to 4 pixels
    along each axis; for 64 (STL-10) and 128 (ImageNet, Places205), a box of
    30 to 100 % of the area and a ratio of 0.7 to 1.4 is resized to that size,
    bicubically. Four in five images have brightness, contrast and saturation
    changed by up to 40 % and the hue turned by up to a fifth of the circle, a
    tenth for 128 pixels; one in four becomes grey.

    In inference both views are the image itself or, for 64 and 128 pixels,
    the middle of the image resized to 70 and 146.

    Args:
        image_size: int. 32, 64 or 128. Images come in this size for 32, and
            in any for 64 and 128.
        seed: int or None for a random one.
        shared_flip: bool. Whether both views of an image are mirrored, or
            neither, as the authors have it. Defaults to `True`.
        min_scale: float. Smallest share of the area in a box, for 64 and 128
            pixels. Defaults to 0.3.
        hue: float, or None for the authors' 0.2 or, for 128 pixels, 0.1.
        gray_probability: float. Share of views that become grey. Defaults to
            0.25.

    Raises:
        ValueError: for any other size.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910).
    """
    if image_size not in AMDIM_HUES:
        raise ValueError(
            "AMDIM's views are stated for an `image_size` of "
            f"{', '.join(map(str, AMDIM_HUES))}; build others from "
            f"`views.TwoViews`. Received: {image_size!r}"
        )
    flip_seed, geometry_seed, jitter_seed, gray_seed = seeds_from(seed, 4)
    flip = RandomFlip(seed=flip_seed)
    if image_size == 32:
        geometry = RandomTranslation(4, probability=0.8, seed=geometry_seed)
    else:
        geometry = RandomResizedCrop(
            image_size,
            scale=(min_scale, 1.0),
            ratio=(0.7, 1.4),
            method="bicubic",
            inference_size=AMDIM_INFERENCE_SIZES[image_size],
            seed=geometry_seed,
        )
    augmentations = [
        geometry,
        ColorJitter(
            brightness=0.4,
            contrast=0.4,
            saturation=0.4,
            hue=AMDIM_HUES[image_size] if hue is None else hue,
            probability=0.8,
            seed=jitter_seed,
        ),
        RandomGrayscale(gray_probability, seed=gray_seed),
    ]
    if shared_flip:
        return TwoViews(augmentations, shared=[flip])
    return TwoViews([flip, *augmentations])
