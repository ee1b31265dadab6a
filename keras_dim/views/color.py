"""Random changes of colours: jitter, grey, dropped and inverted values."""

import itertools

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
ORDERS = tuple(itertools.permutations(range(4)))


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomGrayscale(augmentation.Augmentation):
    """Turns images into grey ones of three equal channels; never in inference.

    Images of one channel are not changed; other numbers of channels are
    refused.

    Args:
        probability: float. Share of images that become grey.
        seed: int or None for a random one.
    """

    def __init__(self, probability, seed=None, **kwargs):
        super().__init__(seed, probability, **kwargs)

    def check(self, images_shape):
        changes = ["colours"] if self.probability else []
        augmentation.refuse_other_bands(self, images_shape[-1], *changes)

    def augment(self, images, draws):
        if images.shape[-1] != 3:
            return images
        planes = to_planes(images)
        is_grey, levels = draws[:, :1] < self.probability, grey(planes)
        planes = [ops.where(is_grey, levels, plane) for plane in planes]
        return to_images(planes, images.shape)


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomChannelDrop(augmentation.Augmentation):
    """Drops all channels but one, drawn for each image; never in inference.

    Dropped channels become 127.5, the middle of the grey levels. Images of one
    channel are not changed.

    Args:
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
        drops_one: bool. Whether only the drawn channel is dropped, and the
            others are kept. Defaults to `False`.
    """

    num_draws = 2

    def __init__(self, probability=1.0, seed=None, drops_one=False, **kwargs):
        super().__init__(seed, probability, **kwargs)
        self.drops_one = drops_one

    def augment(self, images, draws):
        channels = images.shape[-1]
        if channels == 1:
            return images
        drawn = augmentation.integers(draws[:, 1], channels)
        is_drawn = ops.equal(drawn[:, None], ops.arange(channels))
        is_due = is_drawn if self.drops_one else ops.logical_not(is_drawn)
        is_dropped = ops.logical_and(draws[:, :1] < self.probability, is_due)
        return ops.where(is_dropped[:, None, None, :], 127.5, images)


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomSolarize(augmentation.Augmentation):
    """Inverts values of a threshold or more; never in inference.

    Args:
        threshold: float. Grey level from 0 to 255. Defaults to 128.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    def __init__(self, threshold=128.0, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, probability, **kwargs)
        checks.between(0, 255, threshold=threshold)
        self.threshold = threshold

    def augment(self, images, draws):
        is_changed = (draws[:, 0] < self.probability)[:, None, None, None]
        is_bright = ops.logical_and(is_changed, images >= self.threshold)
        return ops.where(is_bright, 255.0 - images, images)


def to_planes(images):
    """Returns the channels one by one, as tensors `(batch, pixels)`."""
    # Planes make channels contiguous. In a graph, the transpositions at the end
    # of one change and at the beginning of the next cancel out.
    height, width, channels = images.shape[1:]
    planes = ops.transpose(images, (3, 0, 1, 2))
    planes = ops.reshape(planes, (channels, -1, height * width))
    return [planes[channel] for channel in range(channels)]


def to_images(planes, images_shape):
    """Returns planes as images of the height and width of `images_shape`."""
    height, width = images_shape[1:3]
    images = ops.reshape(ops.stack(planes), (len(planes), -1, height, width))
    return ops.transpose(images, (1, 2, 3, 0))


def grey(planes):
    """Returns the grey value, tensor `(batch, pixels)`.

    Red, green and blue are weighted by ITU-R BT.601, as in Pillow. For other
    numbers of channels it is their mean.
    """
    if len(planes) != 3:
        return sum(planes[1:], planes[0]) / len(planes)
    red, green, blue = planes
    return 0.299 * red + 0.587 * green + 0.114 * blue


@keras.saving.register_keras_serializable(package="keras_dim")
class ColorJitter(augmentation.Augmentation):
    """Changes brightness, contrast, saturation and hue; never in inference.

    The four change one after the other, in an order drawn for each image. The
    factors are uniform in `[max(0, 1 - strength), 1 + strength]`, the turns of
    the hue in `[-hue, hue]`; for the formulas see `jitter`. Saturation and hue
    do not change images of one channel. Unless they are 0, images of two, four
    or more channels are refused.

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
        super().__init__(seed, probability, **kwargs)
        checks.at_least(
            0, brightness=brightness, contrast=contrast, saturation=saturation
        )
        checks.between(0, 0.5, hue=hue)
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue

    def check(self, images_shape):
        colors = {"saturation": self.saturation, "hue": self.hue}
        changes = [name for name, strength in colors.items() if strength]
        augmentation.refuse_other_bands(self, images_shape[-1], *changes)

    def augment(self, images, draws):
        return jitter(images, *self.amounts(draws))

    def amounts(self, draws):
        """Returns the arguments of `jitter`, after the images, by `draws`."""
        is_changed = draws[:, 0] < self.probability
        strengths = (self.brightness, self.contrast, self.saturation)
        factors = []
        for index, strength in enumerate(strengths, 1):
            factor = augmentation.factors(draws[:, index], strength)
            factors.append(ops.where(is_changed, factor, 1.0))
        turns = augmentation.uniform(draws[:, 4], -self.hue, self.hue)
        turns = ops.where(is_changed, turns, 0.0)
        orders = augmentation.integers(draws[:, 5], float(len(ORDERS)))
        return *factors, turns, ops.take(ops.array(ORDERS), orders, axis=0)


def jitter(images, brightness, contrast, saturation, turns, order):
    """Changes brightness, contrast, saturation and hue in a given order.

    Each result is clipped to [0, 255]. Images of other than three channels
    have no saturation and no hue to change; their grey value is the channels'
    mean. The formulas are those of Pillow and torchvision, without their
    rounding to whole grey levels.

    Args:
        images: float tensor `(batch, height, width, channels)`.
        brightness, contrast, saturation: float tensors `(batch,)`. Factors of
            the pixels, of their distance to the image's mean grey value, and
            of their distance to their own grey value.
        turns: float tensor `(batch,)`. Shares of the whole circle by which the
            hue turns, from red towards green, in the HSV model.
        order: int tensor `(batch, 4)`. A row of `ORDERS` for each image.

    Returns:
        float tensor like `images`.
    """
    planes = to_planes(images)
    has_color = len(planes) == 3
    none = ops.ones_like(brightness)
    factors = [none, contrast, saturation if has_color else none, none]
    # Contrast, saturation and hue are three steps in each image's order. The
    # brightness changes before the first step or after one of them.
    place = ops.argmax(ops.equal(order, BRIGHTNESS), axis=1)[:, None]
    brightness = ops.where(ops.arange(4) == place, brightness[:, None], 1.0)
    steps = ops.arange(3)
    kinds = ops.take_along_axis(
        order, steps + ops.cast(steps >= place, "int32"), axis=1
    )
    factors = ops.take_along_axis(ops.stack(factors, axis=1), kinds, axis=1)
    hue = ops.argmax(ops.equal(kinds, HUE), axis=1)[:, None]
    # Pixels are `scales * planes`: brightness only changes the scales, by which
    # the next blend multiplies anyway. White is 6, since `relu6` clips to
    # [0, 6] in one pass.
    scales = brightness[:, :1] * (6.0 / 255.0)
    planes = [ops.minimum(plane, 6.0 / scales) for plane in planes]
    # All images get two blends, the turn of the hue and two more blends. Blends
    # that are not in an image's order have factors of 1.
    before, after = (
        [ops.where(is_due, each, 1.0) for each in (factors, brightness[:, 1:])]
        for is_due in (steps < hue, steps > hue)
    )
    planes, scales = _blend_twice(
        planes, scales, kinds[:, :2], *(each[:, :2] for each in before)
    )
    scales = scales * ops.take_along_axis(brightness, hue + 1, axis=1)
    if has_color:
        planes = _turn_hue(planes, turns[:, None], 6.0 / scales)
    else:
        planes = [ops.minimum(plane, 6.0 / scales) for plane in planes]
    planes, scales = _blend_twice(
        planes, scales, kinds[:, 1:], *(each[:, 1:] for each in after)
    )
    scales = scales * (255.0 / 6.0)
    return to_images([scales * each for each in planes], images.shape)


def _blend_twice(planes, scales, kinds, factors, brightness):
    """Blends planes with their mean grey or their own grey, and clips them."""
    others = 1.0 - factors
    factors, with_mean, with_grey, brightness = (
        ops.transpose(each)[..., None]
        for each in (
            factors,
            ops.where(ops.equal(kinds, CONTRAST), others, 0.0),
            ops.where(ops.equal(kinds, SATURATION), others, 0.0),
            brightness,
        )
    )

    def blend(step, state):
        *planes, scales = state
        # Brightness above 1 is applied before clipping, below 1 after it.
        scales = scales * ops.maximum(brightness[step], 1.0)
        levels = grey(planes)
        mean = ops.mean(levels, axis=1, keepdims=True)
        base = (
            scales * with_mean[step] * mean + scales * with_grey[step] * levels
        )
        scales = scales * factors[step]
        planes = [ops.relu6(scales * plane + base) for plane in planes]
        return *planes, ops.minimum(brightness[step], 1.0)

    # Without a loop, XLA fuses the blends and recomputes the first one for
    # each use in the second one.
    *planes, scales = ops.fori_loop(0, 2, blend, (*planes, scales))
    return planes, scales


def _turn_hue(planes, turns, bounds):
    """Turns the hue, then clips planes at `bounds`."""
    red, green, blue = planes
    most = ops.maximum(red, ops.maximum(green, blue))
    least = ops.minimum(red, ops.minimum(green, blue))
    chroma = most - least
    # The distance of the hue from red, from 0 to 3 sixths of the circle in both
    # directions, times chroma, so that grey needs no case of its own.
    from_red = (chroma - least - red) + green + blue
    from_red = ops.where(green < blue, -from_red, from_red)
    edge = 3.0 * chroma
    low = least - chroma
    most, least = (ops.minimum(each, bounds) for each in (most, least))
    turned = []
    for place in (0.0, 2.0, 4.0):
        shift = 6.0 * turns - place
        shift = shift - 6.0 * ops.round(shift / 6.0)
        distance = ops.abs(from_red + chroma * shift)
        # A channel has its largest value within a sixth of its own hue, its
        # smallest from two sixths on, and is linear in between. Distances from
        # the opposite hue make those beyond half the circle no special case.
        value = ops.abs(distance - edge) + low
        turned.append(ops.maximum(ops.minimum(value, most), least))
    return turned
