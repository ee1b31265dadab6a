"""Colours changed at random: jitter, grey and inverted images."""

import itertools

import keras
from keras import ops

from keras_dim import checks
from keras_dim.views import augmentation

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
ORDERS = tuple(itertools.permutations(range(4)))


@keras.saving.register_keras_serializable(package="keras_dim")
class RandomGrayscale(augmentation.Augmentation):
    """Takes the colours out of images; never in inference.

    Grey images keep three channels, all alike. Images of one channel have no
    colours, and pass through; other numbers of channels are refused.

    Args:
        probability: float. Share of images that become grey.
        seed: int or None for a random one.
    """

    def __init__(self, probability, seed=None, **kwargs):
        super().__init__(seed, probability, **kwargs)

    def check(self, images_shape):
        what = ["colours"] if self.probability else []
        augmentation.refuse_no_rgb(self, images_shape[-1], *what)

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
    channel pass through.

    Args:
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
        drops_one: bool. Whether only the channel that is drawn is dropped.
            Defaults to `False`.
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
    """Inverts the pixels from a threshold on; never in inference.

    Args:
        threshold: float. Grey level, of 0 to 255. Defaults to 128.
        probability: float. Share of images that are changed. Defaults to 1.
        seed: int or None for a random one.
    """

    def __init__(self, threshold=128.0, probability=1.0, seed=None, **kwargs):
        super().__init__(seed, probability, **kwargs)
        self.threshold = threshold

    def augment(self, images, draws):
        is_changed = (draws[:, 0] < self.probability)[:, None, None, None]
        is_bright = ops.logical_and(is_changed, images >= self.threshold)
        return ops.where(is_bright, 255.0 - images, images)


def to_planes(images):
    """Returns the channels one by one, as tensors `(batch, pixels)`."""
    # Planes make channels contiguous. The transposition that ends one change
    # and that which begins the next cancel out in a graph.
    height, width, channels = images.shape[1:]
    planes = ops.transpose(images, (3, 0, 1, 2))
    planes = ops.reshape(planes, (channels, -1, height * width))
    return [planes[channel] for channel in range(channels)]


def to_images(planes, images_shape):
    """Returns planes as images; only the height and width are looked at."""
    height, width = images_shape[1:3]
    images = ops.reshape(ops.stack(planes), (len(planes), -1, height, width))
    return ops.transpose(images, (1, 2, 3, 0))


def grey(planes):
    """Returns the grey value, tensor `(batch, pixels)`.

    Red, green and blue are weighted by ITU-R BT.601, as in Pillow. Of other
    than three channels it is the mean.
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
    the hue in `[-hue, hue]`. See `jitter`. Saturation and hue, if they are not
    0, are for colour; images of one channel keep them, other numbers of
    channels are refused.

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
        what = [name for name, strength in colors.items() if strength]
        augmentation.refuse_no_rgb(self, images_shape[-1], *what)

    def augment(self, images, draws):
        return jitter(images, *self.amounts(draws))

    def amounts(self, draws):
        """Returns the factors, turns and orders that `draws` stand for."""
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
            of that to their own grey value.
        turns: float tensor `(batch,)`. Shares of the whole circle by which the
            hue turns, from red towards green, in the HSV model.
        order: int tensor `(batch, 4)`. A row of `ORDERS` for each image.
    """
    planes = to_planes(images)
    has_color = len(planes) == 3
    none = ops.ones_like(brightness)
    factors = [none, contrast, saturation if has_color else none, none]
    # Three steps, contrast, saturation and hue, in each image's order, and the
    # brightness before the first of them and after each.
    place = ops.argmax(ops.equal(order, BRIGHTNESS), axis=1)[:, None]
    brightness = ops.where(ops.arange(4) == place, brightness[:, None], 1.0)
    steps = ops.arange(3)
    kinds = ops.take_along_axis(
        order, steps + ops.cast(steps >= place, "int32"), axis=1
    )
    factors = ops.take_along_axis(ops.stack(factors, axis=1), kinds, axis=1)
    hue = ops.argmax(ops.equal(kinds, HUE), axis=1)[:, None]
    # Pixels are `scales * planes`: a brightness only changes the scales, which
    # the next blend multiplies by anyway. White is 6, as `relu6` clips to
    # [0, 6] in one pass.
    scales = brightness[:, :1] * (6.0 / 255.0)
    planes = [ops.minimum(plane, 6.0 / scales) for plane in planes]
    # The same for the whole batch: two blends, the hue and two more blends,
    # with factors of 1 where an image does not need them.
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
        # A brightness above 1 comes before clipping, one below 1 after it.
        scales = scales * ops.maximum(brightness[step], 1.0)
        levels = grey(planes)
        mean = ops.mean(levels, axis=1, keepdims=True)
        base = (
            scales * with_mean[step] * mean + scales * with_grey[step] * levels
        )
        scales = scales * factors[step]
        planes = [ops.relu6(scales * plane + base) for plane in planes]
        return *planes, ops.minimum(brightness[step], 1.0)

    # Without a loop, XLA fuses the blends and computes the first one again
    # wherever the second one reads it.
    *planes, scales = ops.fori_loop(0, 2, blend, (*planes, scales))
    return planes, scales


def _turn_hue(planes, turns, bounds):
    """Turns the hue, then clips planes at `bounds`."""
    red, green, blue = planes
    most = ops.maximum(red, ops.maximum(green, blue))
    least = ops.minimum(red, ops.minimum(green, blue))
    chroma = most - least
    # How far the hue is from red, in sixths of the circle and times chroma,
    # so that greys need no case of their own: 0 to 3, beyond it downwards.
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
        # A channel has its most within a sixth of its own hue, its least from
        # two sixths on, and falls straight in between. Seen from the opposite
        # hue, distances beyond half the circle need no case either.
        value = ops.abs(distance - edge) + low
        turned.append(ops.maximum(ops.minimum(value, most), least))
    return turned
