"""The views of published methods, by the name of the method."""

from keras_dim.views.color_jitter import ColorJitter
from keras_dim.views.random_crop import RandomCrop
from keras_dim.views.random_flip import RandomFlip
from keras_dim.views.random_gaussian_blur import RandomGaussianBlur
from keras_dim.views.random_grayscale import RandomGrayscale
from keras_dim.views.random_resized_crop import RandomResizedCrop
from keras_dim.views.random_solarize import RandomSolarize
from keras_dim.views.random_translation import RandomTranslation
from keras_dim.views.seeds import seeds_from
from keras_dim.views.single_view import SingleView
from keras_dim.views.two_views import TwoViews

# Sizes of the paper: what images are resized to in inference, before the
# middle is cut out, and how far the hue turns.
AMDIM_INFERENCE_SIZES = {64: 70, 128: 146}
AMDIM_HUES = {32: 0.2, 64: 0.2, 128: 0.1}
# Largest images that are taken for those of CIFAR, for which authors blur
# nothing.
CIFAR_SIZE = 32


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


def moco_v2(
    image_size,
    min_scale=None,
    blur_probability=None,
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of MoCo v2, `"query"` and `"key"`, drawn alike.

    A box of 20 to 100 % of the area is resized to `image_size`; four in five
    have brightness, contrast and saturation changed by up to 40 % and the hue
    turned by up to a tenth of the circle; one in five becomes grey; half are
    blurred, with a standard deviation of 0.1 to 2 pixels; half are mirrored.
    For images of up to 32 pixels, those of the authors' CIFAR-10 notebook: a
    box of 8 to 100 %, and no blur.

    In inference, both views are the middle of the image, resized as a whole,
    its shorter side to 8 / 7 of `image_size` (256 for 224), or, up to 32
    pixels, to `image_size`.

    Args:
        image_size: int. Height and width of the views.
        min_scale: float, or None for 0.2, up to 32 pixels 0.08. Smallest
            share of the area in a box.
        blur_probability: float, or None for 0.5, up to 32 pixels 0. Share of
            views that are blurred.
        gray_probability: float. Share of views that become grey. Defaults to
            0.2.
        seed: int or None for a random one.

    Differs from the authors' code in the blur: a true Gaussian, which Pillow
    approximates by boxes.

    Reference: [Chen et al., 2020](https://arxiv.org/abs/2003.04297).
    """
    is_small = image_size <= CIFAR_SIZE
    if min_scale is None:
        min_scale = 0.08 if is_small else 0.2
    if blur_probability is None:
        blur_probability = 0.0 if is_small else 0.5
    seeds = iter(seeds_from(seed, 5))
    augmentations = [
        RandomResizedCrop(
            image_size,
            scale=(min_scale, 1.0),
            method="bilinear",
            inference_size=None if is_small else round(image_size * 8 / 7),
            seed=next(seeds),
        ),
        ColorJitter(0.4, 0.4, 0.4, 0.1, probability=0.8, seed=next(seeds)),
        RandomGrayscale(gray_probability, seed=next(seeds)),
        RandomGaussianBlur(probability=blur_probability, seed=next(seeds)),
        RandomFlip(seed=next(seeds)),
    ]
    if not blur_probability:
        del augmentations[3]
    return TwoViews(augmentations, names=("query", "key"))


def byol(
    image_size,
    min_scale=0.08,
    blur_probabilities=None,
    solarize_probabilities=(0.0, 0.2),
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of BYOL, `"view_1"` and `"view_2"`, drawn unlike.

    A box of 8 to 100 % of the area is resized to `image_size`, bicubically;
    half are mirrored; four in five have brightness and contrast changed by up
    to 40 %, saturation by up to 20 %, and the hue turned by up to a tenth of
    the circle; one in five becomes grey. The first view is always blurred,
    the second one time in ten, by a kernel of about a tenth of the image and a
    standard deviation of 0.1 to 2 pixels. The second view has its bright
    pixels inverted one time in five. Images of up to 32 pixels are not
    blurred, as in solo-learn's CIFAR-10 recipe.

    In inference, both views are the middle of the image, resized as a whole,
    its shorter side to 8 / 7 of `image_size` (256 for 224), or, up to 32
    pixels, to `image_size`.

    Args:
        image_size: int. Height and width of the views.
        min_scale: float. Smallest share of the area in a box. Defaults to
            0.08.
        blur_probabilities: tuple of two floats, or None for `(1.0, 0.1)`, up
            to 32 pixels `(0.0, 0.0)`. Share of first and of second views that
            are blurred.
        solarize_probabilities: tuple of two floats. Share of first and of
            second views whose bright pixels are inverted. Defaults to
            `(0.0, 0.2)`.
        gray_probability: float. Share of views that become grey. Defaults to
            0.2.
        seed: int or None for a random one.

    Differs from the authors' code in the jitter: brightness is multiplied,
    not added to, and contrast changes about the image's mean grey, not about
    the mean of each channel.

    Reference: [Grill et al., 2020](https://arxiv.org/abs/2006.07733).
    """
    is_small = image_size <= CIFAR_SIZE
    if blur_probabilities is None:
        blur_probabilities = (0.0, 0.0) if is_small else (1.0, 0.1)
    seeds = iter(seeds_from(seed, 12))

    def augmentations(blur_probability, solarize_probability):
        parts = [
            RandomResizedCrop(
                image_size,
                scale=(min_scale, 1.0),
                inference_size=None if is_small else round(image_size * 8 / 7),
                seed=next(seeds),
            ),
            RandomFlip(seed=next(seeds)),
            ColorJitter(0.4, 0.4, 0.2, 0.1, probability=0.8, seed=next(seeds)),
            RandomGrayscale(gray_probability, seed=next(seeds)),
        ]
        blur_seed, solarize_seed = next(seeds), next(seeds)
        if blur_probability:
            parts.append(
                RandomGaussianBlur(
                    # The first odd number that is a tenth or more.
                    kernel_size=image_size // 10 // 2 * 2 + 1,
                    probability=blur_probability,
                    seed=blur_seed,
                )
            )
        if solarize_probability:
            parts.append(
                RandomSolarize(
                    127.5, probability=solarize_probability, seed=solarize_seed
                )
            )
        return parts

    first, second = map(
        augmentations, blur_probabilities, solarize_probabilities
    )
    return TwoViews(first, second=second)
