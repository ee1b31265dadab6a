"""The views of published methods, and `any_bands`, of no publication."""

from functools import partial

from keras_dim import checks
from keras_dim.views.bands import RandomBandJitter
from keras_dim.views.bands import RandomNoise
from keras_dim.views.color import ColorJitter
from keras_dim.views.color import RandomChannelDrop
from keras_dim.views.color import RandomGrayscale
from keras_dim.views.color import RandomSolarize
from keras_dim.views.geometry import RandomCrop
from keras_dim.views.geometry import RandomFlip
from keras_dim.views.geometry import RandomQuarterTurn
from keras_dim.views.geometry import RandomTranslation
from keras_dim.views.pipelines import MultiCrop
from keras_dim.views.pipelines import SingleView
from keras_dim.views.pipelines import TwoViews
from keras_dim.views.pipelines import seeds_from
from keras_dim.views.resampling import RandomGaussianBlur
from keras_dim.views.resampling import RandomResizedCrop

# By image size: `inference_size` and the largest turn of the hue.
AMDIM_SIZES = {32: (None, 0.2), 64: (70, 0.2), 128: (146, 0.1)}
CIFAR_SIZE = 32


def dim(crop_size=None, crop_padding=0, flip=False, seed=None):
    """Returns the views of Deep InfoMax.

    The paper does not change CIFAR-10 and Tiny ImageNet. For STL-10 it uses
    random crops of 64 pixels with flips: `dim(crop_size=64, flip=True)`.

    Args:
        crop_size, crop_padding: int. See `RandomCrop`; a `crop_size` of None,
            the default, does not crop.
        flip: bool. Whether half of the images are mirrored. Defaults to
            `False`.
        seed: int or None for a random one.

    Reference: [Hjelm et al., 2019](https://arxiv.org/abs/1808.06670).
    """
    crop = None
    if crop_size is not None:
        crop = partial(RandomCrop, crop_size, crop_padding)
    elif crop_padding:
        raise ValueError(
            f"`crop_padding` needs `crop_size`. Received: {crop_padding}"
        )
    return SingleView(_seeded(seed, crop, flip and RandomFlip))


def amdim(
    image_size,
    seed=None,
    shared_flip=True,
    min_scale=0.3,
    hue=None,
    gray_probability=0.25,
):
    """Returns the views of AMDIM, those of the authors' code.

    Half of the images are mirrored, the same in both views. All other changes
    are drawn anew for each view. For 32 pixels (CIFAR), four in five views move
    by up to 4 pixels along each axis; for 64 (STL-10) and 128 (ImageNet,
    Places205), a box of a ratio of 0.7 to 1.4 is resized to that size,
    bicubically. Four in five have brightness, contrast and saturation changed
    by up to 40 % and the hue turned; some become grey.

    In inference both views are the image itself or, for 64 and 128 pixels,
    the central square of the image resized to 70 and 146.

    Args:
        image_size: int. 32, 64 or 128. Images must have this size for 32, and
            may have any for 64 and 128.
        shared_flip: bool. Whether both views of an image are mirrored, or
            neither. Defaults to `True`.
        hue: float, or None for 0.2 (0.1 for 128 pixels). Largest turn of the
            hue, as a share of the circle.
        min_scale, gray_probability, seed: see `keras_dim.views`.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910).
    """
    if image_size not in AMDIM_SIZES:
        raise ValueError(
            "`image_size` of AMDIM's views must be 32, 64 or 128; build other "
            f"views by `views.TwoViews`. Received: {image_size!r}"
        )
    inference_size, published_hue = AMDIM_SIZES[image_size]
    hue = published_hue if hue is None else hue
    geometry = partial(RandomTranslation, 4, probability=0.8)
    if image_size > 32:
        geometry = partial(
            RandomResizedCrop,
            image_size,
            scale=(min_scale, 1.0),
            ratio=(0.7, 1.4),
            inference_size=inference_size,
        )
    flip, *augmentations = _seeded(
        seed,
        RandomFlip,
        geometry,
        partial(ColorJitter, 0.4, 0.4, 0.4, hue, probability=0.8),
        partial(RandomGrayscale, gray_probability),
    )
    if shared_flip:
        return TwoViews(augmentations, shared=[flip])
    return TwoViews([flip, *augmentations])


def moco_v1(image_size, min_scale=0.2, gray_probability=0.2, seed=None):
    """Returns the views of MoCo v1, `"query"` and `"key"`, made alike.

    A box is resized to `image_size`; some become grey; brightness, contrast,
    saturation and hue change by up to 40 %; half are mirrored.

    Args:
        image_size, min_scale, gray_probability, seed: see `keras_dim.views`.

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722).
    """
    augmentations = _seeded(
        seed,
        _crop(image_size, min_scale),
        partial(RandomGrayscale, gray_probability),
        partial(ColorJitter, 0.4, 0.4, 0.4, 0.4),
        RandomFlip,
    )
    return TwoViews(augmentations, names=("query", "key"))


def moco_v2(
    image_size,
    min_scale=None,
    blur_probability=None,
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of MoCo v2, `"query"` and `"key"`, made alike.

    A box is resized to `image_size`; four in five have brightness, contrast
    and saturation changed by up to 40 % and the hue turned by up to a tenth of
    the circle; some become grey; some are blurred; half are mirrored. The
    defaults for images of up to 32 pixels are those of the authors' CIFAR-10
    notebook.

    Args:
        image_size, gray_probability, seed: see `keras_dim.views`.
        min_scale: float, or None for 0.2 (0.08 for up to 32 pixels).
        blur_probability: float, or None for 0.5 (0 for up to 32 pixels). Share
            of views that are blurred.

    Differs from the authors' code in the blur, which is Gaussian; Pillow's,
    which they use, approximates it by box filters.

    Reference: [Chen et al., 2020](https://arxiv.org/abs/2003.04297).
    """
    min_scale = _by_size(image_size, min_scale, 0.08, 0.2)
    blur_probability = _by_size(image_size, blur_probability, 0.0, 0.5)
    augmentations = _seeded(
        seed,
        _crop(image_size, min_scale),
        partial(ColorJitter, 0.4, 0.4, 0.4, 0.1, probability=0.8),
        partial(RandomGrayscale, gray_probability),
        _blur(blur_probability),
        RandomFlip,
    )
    return TwoViews(augmentations, names=("query", "key"))


def byol(
    image_size,
    min_scale=0.08,
    blur_probabilities=None,
    solarize_probabilities=(0.0, 0.2),
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of BYOL, `"view_1"` and `"view_2"`, made differently.

    A box is resized to `image_size`, bicubically; half are mirrored; four in
    five have brightness and contrast changed by up to 40 %, saturation by up
    to 20 %, and the hue turned by up to a tenth of the circle; some become
    grey; some are blurred, by a kernel of about a tenth of the image; some
    have their bright pixels inverted.

    Args:
        image_size, min_scale, gray_probability, seed: see `keras_dim.views`.
        blur_probabilities: tuple of two floats, or None for `(1.0, 0.1)`
            (`(0.0, 0.0)` for up to 32 pixels, as in solo-learn's CIFAR-10
            recipe). Shares of the first views and of the second views.
        solarize_probabilities: tuple of two floats. Shares of the first views
            and of the second views. Defaults to `(0.0, 0.2)`.

    Differs from the authors' code in the jitter: brightness is a factor here,
    not a summand, and contrast changes about the mean grey of the image, not
    about the mean of each channel.

    Reference: [Grill et al., 2020](https://arxiv.org/abs/2006.07733).
    """
    blur_probabilities = _by_size(
        image_size, blur_probabilities, (0.0, 0.0), (1.0, 0.1)
    )

    def augmentations(first_seed, blur, solarize):
        return _seeded(
            seed,
            _crop(image_size, min_scale, "bicubic"),
            RandomFlip,
            partial(ColorJitter, 0.4, 0.4, 0.2, 0.1, probability=0.8),
            partial(RandomGrayscale, gray_probability),
            _blur(blur, image_size),
            solarize and partial(RandomSolarize, 127.5, solarize),
            first_seed=first_seed,
        )

    pairs = blur_probabilities, solarize_probabilities
    if any(not isinstance(p, tuple | list) or len(p) != 2 for p in pairs):
        raise ValueError(
            "`blur_probabilities` and `solarize_probabilities` must be pairs, "
            f"for first and second views. Received: {pairs}"
        )
    first, second = map(augmentations, (0, 6), *pairs)
    return TwoViews(first, second=second)


def alignment_uniformity(
    image_size, min_scale=0.08, gray_probability=0.2, seed=None
):
    """Returns the views of Wang and Isola, `"view_1"` and `"view_2"`.

    A box is resized to `image_size`; half are mirrored; brightness, contrast,
    saturation and hue change by up to 40 %; some become grey.

    Args:
        image_size, min_scale, gray_probability, seed: see `keras_dim.views`.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    augmentations = _seeded(
        seed,
        _crop(image_size, min_scale),
        RandomFlip,
        partial(ColorJitter, 0.4, 0.4, 0.4, 0.4),
        partial(RandomGrayscale, gray_probability),
    )
    return TwoViews(augmentations)


def instance_discrimination(image_size, min_scale=0.2, seed=None):
    """Returns the view of instance discrimination, a single one.

    A box is resized to `image_size`; one image in five becomes grey;
    brightness, contrast, saturation and hue change by up to 40 %; half are
    mirrored. Images of up to 32 pixels become grey after the jitter, and are
    not mirrored, as in the authors' runs on CIFAR-10.

    Args:
        image_size, min_scale, seed: see `keras_dim.views`.

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978).
    """
    crop, gray, jitter, flip = _seeded(
        seed,
        _crop(image_size, min_scale),
        partial(RandomGrayscale, 0.2),
        partial(ColorJitter, 0.4, 0.4, 0.4, 0.4),
        RandomFlip,
    )
    if image_size <= CIFAR_SIZE:
        return SingleView([crop, jitter, gray])
    return SingleView([crop, gray, jitter, flip])


def cmc(image_size, min_scale=0.2, seed=None):
    """Returns the view of contrastive multiview coding, before its split.

    A box is resized to `image_size`; half are mirrored.

    Args:
        image_size, min_scale, seed: see `keras_dim.views`.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """
    return SingleView(_seeded(seed, _crop(image_size, min_scale), RandomFlip))


def cpc(image_size, gray_probability=0.0, seed=None):
    """Returns the view of contrastive predictive coding, before its patches.

    A square of `image_size` is cut out at a random place; half are mirrored;
    some become grey. In inference it is the central square.

    Args:
        image_size, seed: see `keras_dim.views`.
        gray_probability: float. Share of grey views, 1 in the paper. Defaults
            to 0.

    Reference: [van den Oord et al., 2018](https://arxiv.org/abs/1807.03748).
    """
    gray = gray_probability and partial(RandomGrayscale, gray_probability)
    crop = partial(RandomCrop, image_size)
    return SingleView(_seeded(seed, crop, RandomFlip, gray))


def any_bands(
    image_size,
    min_scale=0.2,
    jitter=0.4,
    flip=True,
    turns=True,
    blur_probability=0.2,
    noise=0.05,
    drop_probability=0.2,
    num_views=2,
    seed=None,
):
    """Returns views for any number of bands, made alike.

    A box is resized to `image_size`, mirrored and turned; in four of five the
    brightness changes, and the contrast of each band about its own mean; some
    are blurred; noise is added; in some a band is dropped. Nothing is clipped,
    and no band is mixed with another. These views are from no paper.

    Args:
        image_size, min_scale, seed: see `keras_dim.views`.
        jitter: float. Largest change of brightness and contrast, as a share.
            Defaults to 0.4.
        flip, turns: bool. Whether half of the views are mirrored, and all are
            turned by a multiple of 90 degrees. Default to `True`.
        blur_probability, drop_probability: float. Shares of views that are
            blurred, and of those that lose a band. Default to 0.2.
        noise: float. Largest standard deviation of the noise, as a share of
            the range of values. Defaults to 0.05.
        num_views: int. 1 for methods that take `"image"`, such as Deep InfoMax;
            2 for `"view_1"` and `"view_2"`; or more. Defaults to 2.
    """
    checks.integers(1, image_size=image_size, num_views=num_views)
    augmentations = _seeded(
        seed,
        partial(_crop(image_size, min_scale), clip=False),
        flip and RandomFlip,
        turns and RandomQuarterTurn,
        partial(RandomBandJitter, jitter, jitter, probability=0.8),
        blur_probability
        and partial(
            RandomGaussianBlur,
            sigma=(0.1, 1.0),
            probability=blur_probability,
            clip=False,
        ),
        noise and partial(RandomNoise, noise),
        drop_probability
        and partial(RandomChannelDrop, drop_probability, drops_one=True),
    )
    if num_views > 2:
        return MultiCrop(augmentations, num_views)
    return (SingleView, TwoViews)[num_views - 1](augmentations)


def cpc_patches(
    image_size, drop_probability=1.0, gray_probability=0.25, seed=None
):
    """Returns the view of a single patch of version 2 of CPC.

    Two of three channels are dropped; four in five patches have brightness,
    contrast and saturation changed by up to 40 % and the hue turned by up to a
    fifth of the circle; some become grey. In inference, patches are not
    changed.

    Args:
        image_size: int. Height and width of a patch. They have no effect.
        drop_probability: float. Share of patches of which two channels are
            dropped. Defaults to 1.
        gray_probability: float. Share of patches that become grey. Defaults
            to 0.25.
        seed: int or None for a random one.

    Differs from the paper in that patches are not sheared or deformed, and
    there are no changes of AutoAugment. The strengths of the jitter are those
    of public implementations.

    Reference: [Henaff et al., 2020](https://arxiv.org/abs/1905.09272).
    """
    checks.integers(1, image_size=image_size)
    return SingleView(
        _seeded(
            seed,
            partial(RandomChannelDrop, drop_probability),
            partial(ColorJitter, 0.4, 0.4, 0.4, 0.2, probability=0.8),
            partial(RandomGrayscale, gray_probability),
        )
    )


def multi_crop(
    image_size,
    num_crops=20,
    area=0.25,
    gray_probability=0.2,
    blur_probability=0.1,
    solarize_probability=0.1,
    seed=None,
):
    """Returns the views of EMP-SSL: many crops, `"view_1"` and so on.

    A square of `area` of the image is resized to `image_size`; half are
    mirrored; four in five have brightness, contrast and saturation changed by
    up to 40 % and the hue turned by up to a fifth of the circle; some become
    grey, some are blurred, and some have their bright pixels inverted.

    Args:
        image_size, gray_probability, seed: see `keras_dim.views`.
        num_crops: int. Number of views. Defaults to 20.
        area: float. Share of the image's area in a square. Defaults to 0.25.
        blur_probability, solarize_probability: float. Shares of views that
            are blurred, and of those whose bright pixels are inverted. Default
            to 0.1.

    Reference: [Tong et al., 2023](https://arxiv.org/abs/2304.03977).
    """
    square = {"scale": (area, area), "ratio": (1.0, 1.0)}
    augmentations = _seeded(
        seed,
        partial(_crop(image_size, area), **square),
        RandomFlip,
        partial(ColorJitter, 0.4, 0.4, 0.4, 0.2, probability=0.8),
        partial(RandomGrayscale, gray_probability),
        partial(RandomGaussianBlur, probability=blur_probability),
        partial(RandomSolarize, 128, solarize_probability),
    )
    return MultiCrop(augmentations, num_crops)


def simclr(
    image_size,
    strength=None,
    min_scale=0.08,
    blur_probability=None,
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of SimCLR, `"view_1"` and `"view_2"`, made alike.

    A box is resized to `image_size`, bicubically; half are mirrored; four in
    five have brightness, contrast and saturation changed by up to 80 % of
    `strength` and the hue turned by up to a fifth of the circle times
    `strength`; some become grey; some are blurred, by a kernel of about a
    tenth of the image.

    Args:
        image_size, min_scale, gray_probability, seed: see `keras_dim.views`.
        strength: float, or None for 1 (0.5 for up to 32 pixels). Strength of
            the jitter.
        blur_probability: float, or None for 0.5 (0 for up to 32 pixels, as in
            the authors' runs on CIFAR-10). Share of views that are blurred.

    Differs from the authors' code in the box: TensorFlow's sampler, which
    they use, draws none below a tenth of the area, and more small ones; and in
    the blur, whose deviation they draw once for a batch.

    Reference: [Chen et al., 2020](https://arxiv.org/abs/2002.05709).
    """
    strength = _by_size(image_size, strength, 0.5, 1.0)
    blur_probability = _by_size(image_size, blur_probability, 0.0, 0.5)
    jitter = (0.8 * strength,) * 3 + (0.2 * strength,)
    augmentations = _seeded(
        seed,
        _crop(image_size, min_scale, "bicubic"),
        RandomFlip,
        partial(ColorJitter, *jitter, probability=0.8),
        partial(RandomGrayscale, gray_probability),
        _blur(blur_probability, image_size),
    )
    return TwoViews(augmentations)


def _seeded(seed, *makers, first_seed=0):
    """Returns a layer with its own seed for each maker that is not false."""
    seeds = seeds_from(seed, first_seed + len(makers))[first_seed:]
    return [make(seed=s) for make, s in zip(makers, seeds, strict=True) if make]


def _by_size(image_size, value, small, large):
    """Returns the value or, if it is None, the default for the image size."""
    checks.integers(1, image_size=image_size)
    if value is not None:
        return value
    return small if image_size <= CIFAR_SIZE else large


def _crop(image_size, min_scale, method="bilinear"):
    """Returns the maker of a random box that is resized."""
    inference_size = round(image_size * 8 / 7)
    return partial(
        RandomResizedCrop,
        image_size,
        scale=(min_scale, 1.0),
        method=method,
        inference_size=inference_size if image_size > CIFAR_SIZE else None,
    )


def _blur(probability, image_size=None):
    """Returns the maker of a blur, or None for none."""
    # BYOL and SimCLR use the first odd number from a tenth of the image on.
    size = image_size and image_size // 10 // 2 * 2 + 1
    options = {"kernel_size": size, "probability": probability}
    return partial(RandomGaussianBlur, **options) if probability else None
