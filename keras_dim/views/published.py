"""The views of published methods, by the name of the method."""

from keras_dim import checks
from keras_dim.views.color import RandomChannelDrop
from keras_dim.views.color import RandomGrayscale
from keras_dim.views.color import RandomSolarize
from keras_dim.views.color_jitter import ColorJitter
from keras_dim.views.geometry import RandomCrop
from keras_dim.views.geometry import RandomFlip
from keras_dim.views.geometry import RandomTranslation
from keras_dim.views.multi_crop import MultiCrop
from keras_dim.views.pipelines import SingleView
from keras_dim.views.pipelines import TwoViews
from keras_dim.views.pipelines import seeds_from
from keras_dim.views.resampling import RandomGaussianBlur
from keras_dim.views.resampling import RandomResizedCrop

# By image size: what images are resized to in inference, and how far the hue
# turns.
AMDIM_SIZES = {32: (None, 0.2), 64: (70, 0.2), 128: (146, 0.1)}
# Images of up to this size are taken for those of CIFAR, for which authors
# blur nothing.
CIFAR_SIZE = 32


def dim(crop_size=None, crop_padding=0, flip=False, seed=None):
    """Returns the views of Deep InfoMax.

    The paper leaves CIFAR-10 and Tiny ImageNet as they are and takes random
    crops of 64 pixels with flips of STL-10: `dim(crop_size=64, flip=True)`.

    Args:
        crop_size, crop_padding: int, or None not to crop. See `RandomCrop`.
        flip: bool. Whether half of the images are mirrored. Defaults to
            `False`.
        seed: int or None for a random one.
    """
    crop_seed, flip_seed = seeds_from(seed, 2)
    steps = []
    if crop_size is not None:
        steps.append(RandomCrop(crop_size, crop_padding, crop_seed))
    elif crop_padding:
        raise ValueError(
            f"`crop_padding` needs `crop_size`. Received: {crop_padding}"
        )
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
    along each axis; for 64 (STL-10) and 128 (ImageNet, Places205), a box of a
    ratio of 0.7 to 1.4 is resized to that size, bicubically. Four in five have
    brightness, contrast and saturation changed by up to 40 % and the hue
    turned; some become grey.

    In inference both views are the image itself or, for 64 and 128 pixels,
    the middle of the image resized to 70 and 146.

    Args:
        image_size: int. 32, 64 or 128. Images come in this size for 32, and
            in any for 64 and 128.
        seed: int or None for a random one.
        shared_flip: bool. Whether both views of an image are mirrored, or
            neither. Defaults to `True`.
        min_scale: float. Smallest share of the area in a box. Defaults to 0.3.
        hue: float, or None for 0.2, for 128 pixels 0.1. Share of the circle
            that the hue turns at most.
        gray_probability: float. Share of views that become grey. Defaults to
            0.25.

    Reference: [Bachman et al., 2019](https://arxiv.org/abs/1906.00910).
    """
    if image_size not in AMDIM_SIZES:
        raise ValueError(
            "AMDIM's views have an `image_size` of 32, 64 or 128; build others "
            f"from `views.TwoViews`. Received: {image_size!r}"
        )
    flip_seed, geometry_seed, jitter_seed, gray_seed = seeds_from(seed, 4)
    flip = RandomFlip(seed=flip_seed)
    inference_size, published_hue = AMDIM_SIZES[image_size]
    hue = published_hue if hue is None else hue
    if image_size == 32:
        geometry = RandomTranslation(4, probability=0.8, seed=geometry_seed)
    else:
        geometry = RandomResizedCrop(
            image_size,
            scale=(min_scale, 1.0),
            ratio=(0.7, 1.4),
            inference_size=inference_size,
            seed=geometry_seed,
        )
    augmentations = [
        geometry,
        ColorJitter(0.4, 0.4, 0.4, hue, probability=0.8, seed=jitter_seed),
        RandomGrayscale(gray_probability, seed=gray_seed),
    ]
    if shared_flip:
        return TwoViews(augmentations, shared=[flip])
    return TwoViews([flip, *augmentations])


def moco_v1(image_size, min_scale=0.2, gray_probability=0.2, seed=None):
    """Returns the views of MoCo v1, `"query"` and `"key"`, drawn alike.

    A box of at least `min_scale` of the area is resized to `image_size`; some
    become grey; brightness, contrast, saturation and hue change by up to 40 %;
    half are mirrored. In inference, both views are as those of `moco_v2`.

    Args:
        image_size: int. Height and width of the views.
        min_scale: float. Smallest share of the area in a box. Defaults to 0.2.
        gray_probability: float. Share of views that become grey. Defaults to
            0.2.
        seed: int or None for a random one.

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722).
    """
    crop_seed, gray_seed, jitter_seed, flip_seed = seeds_from(seed, 4)
    return TwoViews(
        [
            _resized_crop(image_size, min_scale, "bilinear", crop_seed),
            RandomGrayscale(gray_probability, seed=gray_seed),
            ColorJitter(0.4, 0.4, 0.4, 0.4, seed=jitter_seed),
            RandomFlip(seed=flip_seed),
        ],
        names=("query", "key"),
    )


def moco_v2(
    image_size,
    min_scale=None,
    blur_probability=None,
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of MoCo v2, `"query"` and `"key"`, drawn alike.

    A box of at least `min_scale` of the area is resized to `image_size`; four
    in five have brightness, contrast and saturation changed by up to 40 % and
    the hue turned by up to a tenth of the circle; some become grey; some are
    blurred, with a standard deviation of 0.1 to 2 pixels; half are mirrored.
    The defaults for images of up to 32 pixels are those of the authors'
    CIFAR-10 notebook.

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
    checks.integers(1, image_size=image_size)
    is_small = image_size <= CIFAR_SIZE
    if min_scale is None:
        min_scale = 0.08 if is_small else 0.2
    if blur_probability is None:
        blur_probability = 0.0 if is_small else 0.5
    crop_seed, jitter_seed, gray_seed, blur_seed, flip_seed = seeds_from(
        seed, 5
    )
    augmentations = [
        _resized_crop(image_size, min_scale, "bilinear", crop_seed),
        ColorJitter(0.4, 0.4, 0.4, 0.1, probability=0.8, seed=jitter_seed),
        RandomGrayscale(gray_probability, seed=gray_seed),
    ]
    if blur_probability:
        augmentations.append(
            RandomGaussianBlur(probability=blur_probability, seed=blur_seed)
        )
    augmentations.append(RandomFlip(seed=flip_seed))
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

    A box of at least `min_scale` of the area is resized to `image_size`,
    bicubically; half are mirrored; four in five have brightness and contrast
    changed by up to 40 %, saturation by up to 20 %, and the hue turned by up
    to a tenth of the circle; some become grey; some are blurred, by a kernel
    of about a tenth of the image and a standard deviation of 0.1 to 2 pixels;
    some have their bright pixels inverted. Images of up to 32 pixels are not
    blurred by default, as in solo-learn's CIFAR-10 recipe.

    In inference, both views are as those of `moco_v2`, resized bicubically.

    Args:
        image_size, min_scale, gray_probability, seed: see `moco_v2`.
        blur_probabilities: tuple of two floats, or None for `(1.0, 0.1)`, up
            to 32 pixels `(0.0, 0.0)`. Shares of first and of second views.
        solarize_probabilities: tuple of two floats. Shares of first and of
            second views. Defaults to `(0.0, 0.2)`.

    Differs from the authors' code in the jitter: brightness is multiplied,
    not added to, and contrast changes about the image's mean grey, not about
    the mean of each channel.

    Reference: [Grill et al., 2020](https://arxiv.org/abs/2006.07733).
    """
    checks.integers(1, image_size=image_size)
    if blur_probabilities is None:
        is_small = image_size <= CIFAR_SIZE
        blur_probabilities = (0.0, 0.0) if is_small else (1.0, 0.1)
    seeds = seeds_from(seed, 12)

    def augmentations(seeds, blur_probability, solarize_probability):
        parts = [
            _resized_crop(image_size, min_scale, "bicubic", seeds[0]),
            RandomFlip(seed=seeds[1]),
            ColorJitter(0.4, 0.4, 0.2, 0.1, probability=0.8, seed=seeds[2]),
            RandomGrayscale(gray_probability, seed=seeds[3]),
        ]
        if blur_probability:
            parts.append(_blur(image_size, blur_probability, seeds[4]))
        if solarize_probability:
            parts.append(RandomSolarize(127.5, solarize_probability, seeds[5]))
        return parts

    first, second = map(
        augmentations,
        (seeds[:6], seeds[6:]),
        blur_probabilities,
        solarize_probabilities,
    )
    return TwoViews(first, second=second)


def alignment_uniformity(
    image_size,
    min_scale=0.08,
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of Wang and Isola, `"view_1"` and `"view_2"`.

    A box of at least `min_scale` of the area is resized to `image_size`; half
    are mirrored; brightness, contrast, saturation and hue change by up to
    40 %; some become grey. In inference, both views are as those of `moco_v2`.

    Args:
        image_size: int. Height and width of the views.
        min_scale: float. Smallest share of the area in a box. Defaults to
            0.08.
        gray_probability: float. Share of views that become grey. Defaults to
            0.2.
        seed: int or None for a random one.

    Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242).
    """
    crop_seed, flip_seed, jitter_seed, gray_seed = seeds_from(seed, 4)
    return TwoViews(
        [
            _resized_crop(image_size, min_scale, "bilinear", crop_seed),
            RandomFlip(seed=flip_seed),
            ColorJitter(0.4, 0.4, 0.4, 0.4, seed=jitter_seed),
            RandomGrayscale(gray_probability, seed=gray_seed),
        ]
    )


def instance_discrimination(image_size, min_scale=0.2, seed=None):
    """Returns the view of instance discrimination, a single one.

    A box of at least `min_scale` of the area is resized to `image_size`; one
    image in five becomes grey; brightness, contrast, saturation and hue change
    by up to 40 %; half are mirrored. Images of up to 32 pixels become grey
    after the jitter, and are not mirrored, as in the authors' runs on CIFAR-10.

    In inference, the view is as those of `moco_v2`.

    Args:
        image_size: int. Height and width of the view.
        min_scale: float. Smallest share of the area in a box. Defaults to 0.2.
        seed: int or None for a random one.

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978).
    """
    crop_seed, gray_seed, jitter_seed, flip_seed = seeds_from(seed, 4)
    crop = _resized_crop(image_size, min_scale, "bilinear", crop_seed)
    gray = RandomGrayscale(0.2, seed=gray_seed)
    jitter = ColorJitter(0.4, 0.4, 0.4, 0.4, seed=jitter_seed)
    if image_size <= CIFAR_SIZE:
        return SingleView([crop, jitter, gray])
    return SingleView([crop, gray, jitter, RandomFlip(seed=flip_seed)])


def cmc(image_size, min_scale=0.2, seed=None):
    """Returns the view of contrastive multiview coding, before it is split.

    A box of at least `min_scale` of the area is resized to `image_size`; half
    are mirrored. In inference, the view is as those of `moco_v2`.

    Args:
        image_size: int. Height and width of the view.
        min_scale: float. Smallest share of the area in a box. Defaults to 0.2.
        seed: int or None for a random one.

    Reference: [Tian et al., 2019](https://arxiv.org/abs/1906.05849).
    """
    crop_seed, flip_seed = seeds_from(seed, 2)
    crop = _resized_crop(image_size, min_scale, "bilinear", crop_seed)
    return SingleView([crop, RandomFlip(seed=flip_seed)])


def cpc(image_size, gray_probability=0.0, seed=None):
    """Returns the view of contrastive predictive coding, before it is cut up.

    A square of `image_size` is cut out at a random place; half are mirrored;
    some become grey. In inference it is the square in the middle.

    Args:
        image_size: int. Height and width of the view.
        gray_probability: float. Share of views that become grey; 1 in the
            paper. Defaults to 0.
        seed: int or None for a random one.

    Reference: [van den Oord et al., 2018](https://arxiv.org/abs/1807.03748).
    """
    crop_seed, flip_seed, gray_seed = seeds_from(seed, 3)
    steps = [
        RandomCrop(image_size, seed=crop_seed),
        RandomFlip(seed=flip_seed),
    ]
    if gray_probability:
        steps.append(RandomGrayscale(gray_probability, seed=gray_seed))
    return SingleView(steps)


def cpc_patches(
    image_size, drop_probability=1.0, gray_probability=0.25, seed=None
):
    """Returns the view of a single patch of version 2 of CPC.

    Two of three channels are dropped; four in five patches have brightness,
    contrast and saturation changed by up to 40 % and the hue turned by up to a
    fifth of the circle; some become grey. In inference, patches stay as they
    are.

    Args:
        image_size: int. Height and width of a patch, which do not matter.
        drop_probability: float. Share of patches of which two channels are
            dropped. Defaults to 1.
        gray_probability: float. Share of patches that become grey. Defaults
            to 0.25.
        seed: int or None for a random one.

    Differs from the paper in that patches are not sheared or bent and no
    changes of AutoAugment are drawn. The strengths of the jitter are those of
    public versions.

    Reference: [Henaff et al., 2020](https://arxiv.org/abs/1905.09272).
    """
    checks.integers(1, image_size=image_size)
    drop_seed, jitter_seed, gray_seed = seeds_from(seed, 3)
    return SingleView(
        [
            RandomChannelDrop(drop_probability, seed=drop_seed),
            ColorJitter(0.4, 0.4, 0.4, 0.2, probability=0.8, seed=jitter_seed),
            RandomGrayscale(gray_probability, seed=gray_seed),
        ]
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
    grey, some are blurred, with a standard deviation of 0.1 to 2 pixels, and
    some have their bright pixels inverted.

    Args:
        image_size: int. Height and width of the views.
        num_crops: int. Number of views. Defaults to 20.
        area: float. Share of the area in a square. Defaults to 0.25.
        gray_probability: float. Share of views that become grey. Defaults to
            0.2.
        blur_probability: float. Share of views that are blurred. Defaults to
            0.1.
        solarize_probability: float. Share of views whose bright pixels are
            inverted. Defaults to 0.1.
        seed: int or None for a random one.

    In inference, all views are as those of `moco_v2`.

    Reference: [Tong et al., 2023](https://arxiv.org/abs/2304.03977).
    """
    seeds = seeds_from(seed, 6)
    steps = [
        _resized_crop(
            image_size, area, "bilinear", seeds[0], area, ratio=(1.0, 1.0)
        ),
        RandomFlip(seed=seeds[1]),
        ColorJitter(0.4, 0.4, 0.4, 0.2, probability=0.8, seed=seeds[2]),
        RandomGrayscale(gray_probability, seed=seeds[3]),
        RandomGaussianBlur(probability=blur_probability, seed=seeds[4]),
        RandomSolarize(128, solarize_probability, seeds[5]),
    ]
    return MultiCrop(steps, num_crops)


def simclr(
    image_size,
    strength=None,
    min_scale=0.08,
    blur_probability=None,
    gray_probability=0.2,
    seed=None,
):
    """Returns the views of SimCLR, `"view_1"` and `"view_2"`, drawn alike.

    A box of at least `min_scale` of the area is resized to `image_size`,
    bicubically; half are mirrored; four in five have brightness, contrast and
    saturation changed by up to 80 % of `strength` and the hue turned by up to
    a fifth of the circle times `strength`; some become grey; some are blurred,
    by a kernel of about a tenth of the image and a standard deviation of 0.1
    to 2 pixels. Images of up to 32 pixels are not blurred by default, as in
    the authors' runs on CIFAR-10.

    In inference, both views are as those of `moco_v2`, resized bicubically.

    Args:
        image_size: int. Height and width of the views.
        strength: float, or None for 1, up to 32 pixels 0.5. Of the jitter.
        min_scale: float. Smallest share of the area in a box. Defaults to
            0.08.
        blur_probability: float, or None for 0.5, up to 32 pixels 0. Share of
            views that are blurred.
        gray_probability: float. Share of views that become grey. Defaults to
            0.2.
        seed: int or None for a random one.

    Differs from the authors' code in the box: TensorFlow's sampler, which
    they use, takes none below a tenth of the area, and more small ones; and in
    the blur, whose deviation they draw once for a batch.

    Reference: [Chen et al., 2020](https://arxiv.org/abs/2002.05709).
    """
    is_small = image_size <= CIFAR_SIZE
    if strength is None:
        strength = 0.5 if is_small else 1.0
    if blur_probability is None:
        blur_probability = 0.0 if is_small else 0.5
    crop_seed, flip_seed, jitter_seed, gray_seed, blur_seed = seeds_from(
        seed, 5
    )
    jitter = (0.8 * strength,) * 3 + (0.2 * strength,)
    augmentations = [
        _resized_crop(image_size, min_scale, "bicubic", crop_seed),
        RandomFlip(seed=flip_seed),
        ColorJitter(*jitter, probability=0.8, seed=jitter_seed),
        RandomGrayscale(gray_probability, seed=gray_seed),
    ]
    if blur_probability:
        augmentations.append(_blur(image_size, blur_probability, blur_seed))
    return TwoViews(augmentations)


def _blur(image_size, probability, seed):
    """Returns the blur of BYOL and SimCLR."""
    # The first odd number that is a tenth or more.
    size = image_size // 10 // 2 * 2 + 1
    return RandomGaussianBlur(
        kernel_size=size, probability=probability, seed=seed
    )


def _resized_crop(
    image_size, min_scale, method, seed, max_scale=1.0, ratio=(3 / 4, 4 / 3)
):
    """Returns the crop of MoCo, BYOL and SimCLR."""
    return RandomResizedCrop(
        image_size,
        scale=(min_scale, max_scale),
        ratio=ratio,
        method=method,
        inference_size=None
        if image_size <= CIFAR_SIZE
        else round(image_size * 8 / 7),
        seed=seed,
    )
