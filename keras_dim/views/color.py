"""Changes of colour, by an amount for each image.

Images have shape `(batch, height, width, channels)` and lie in [0, 255], as
floats; amounts have shape `(batch,)`. Formulas are those of Pillow and
torchvision, without their rounding to whole grey levels.
"""

import itertools

from keras import ops

# Weights of red, green and blue in the grey value: ITU-R BT.601.
GREY = (0.299, 0.587, 0.114)
# Every order of brightness 0, contrast 1, saturation 2 and hue 3.
ORDERS = tuple(itertools.permutations(range(4)))
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
# Linear sRGB to CIE XYZ: IEC 61966-2-1, whose white is D65.
TO_XYZ = (
    (0.4124, 0.3576, 0.1805),
    (0.2126, 0.7152, 0.0722),
    (0.0193, 0.1192, 0.9505),
)


def solarize(images, thresholds):
    """Inverts the pixels that are not below `thresholds`."""
    return ops.where(
        images < thresholds[:, None, None, None], images, 255.0 - images
    )


def to_lab(images):
    """Returns CIE L*a*b* of sRGB images of three channels, white being D65."""
    levels = images / 255.0
    linear = ops.where(
        levels > 0.04045,
        ops.power((levels + 0.055) / 1.055, 2.4),
        levels / 12.92,
    )
    planes = _to_planes(linear)
    x, y, z = (
        _lab_root(
            sum(
                weight / sum(row) * plane
                for weight, plane in zip(row, planes, strict=True)
            )
        )
        for row in TO_XYZ
    )
    lab = [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    return _to_images(lab, images.shape)


def blend_with_grey(images, shares):
    """Mixes colours with their grey value; a share of 1 leaves grey alone."""
    planes = _to_planes(images)
    shares = shares[:, None]
    grey = shares * _grey(planes)
    planes = [(1.0 - shares) * plane + grey for plane in planes]
    return _to_images(planes, images.shape)


def jitter(images, brightness, contrast, saturation, turns, order):
    """Changes brightness, contrast, saturation and hue in a given order.

    The four change one after the other, each image in its own order, and each
    result is clipped to [0, 255]. Images of other than three channels have no
    saturation and no hue to change; their grey value is the channels' mean.

    Args:
        images: float tensor `(batch, height, width, channels)`.
        brightness: float tensor `(batch,)`. Factors of the pixels; 1 changes
            nothing.
        contrast: float tensor `(batch,)`. Factors of the distance of pixels
            to the image's mean grey value; 1 changes nothing.
        saturation: float tensor `(batch,)`. Factors of the distance of pixels
            to their own grey value; 1 changes nothing.
        turns: float tensor `(batch,)`. By which share of the whole circle the
            hue turns, from red towards green, -0.5 to 0.5. Saturation and
            value of the HSV model stay.
        order: int tensor `(batch, 4)`. A row of `ORDERS` for each image.
    """
    planes = _to_planes(images)
    has_color = len(planes) == 3
    if not has_color:
        saturation, turns = ops.ones_like(saturation), ops.zeros_like(turns)
    first, blends, last = _schedule(brightness, contrast, saturation, order)
    # Pixels are `scales * planes`: brightness only changes the scales, which
    # the next blend multiplies by anyway.
    scales = first
    planes = [_clip_above(plane, 255.0 / first) for plane in planes]
    planes, scales = _blend_in_turn(planes, scales, blends[:2])
    scales = scales * last
    bounds = 255.0 / scales
    if has_color:
        planes = _turn_hue(planes, turns[:, None], bounds[:, None])
    else:
        planes = [_clip_above(plane, bounds) for plane in planes]
    planes, scales = _blend_in_turn(planes, scales, blends[2:])
    planes = [scales[:, None] * plane for plane in planes]
    return _to_images(planes, images.shape)


def _schedule(brightness, contrast, saturation, order):
    """Turns each image's order into the same steps for the whole batch.

    The steps are two blends, the hue, and two more blends: contrast blends an
    image with a flat one, saturation with a grey one. A step that an image
    does not need gets factors of 1. Brightness is a factor of the step after
    which it comes.

    Returns:
        The brightness before all steps; for each of the four blends, the
        factors of contrast, of saturation and of the brightness that follows;
        and the brightness after the hue. Tensors `(batch,)`.
    """
    bright, flat, grey, hue = (
        ops.argmax(ops.equal(order, kind), axis=1) for kind in range(4)
    )

    def brightness_after(place):
        return ops.where(ops.equal(bright, place + 1), brightness, 1.0)

    def is_at(own, other, on_side, is_second):
        """Whether a blend is the first or the second on a side of the hue."""
        follows = ops.logical_and(on_side(other, hue), ops.less(other, own))
        return ops.logical_and(on_side(own, hue), ops.equal(follows, is_second))

    blends = []
    for on_side in (ops.less, ops.greater):
        for is_second in (False, True):
            is_flat = is_at(flat, grey, on_side, is_second)
            is_grey = is_at(grey, flat, on_side, is_second)
            blends.append(
                (
                    ops.where(is_flat, contrast, 1.0),
                    ops.where(is_grey, saturation, 1.0),
                    ops.where(is_flat, brightness_after(flat), 1.0)
                    * ops.where(is_grey, brightness_after(grey), 1.0),
                )
            )
    return brightness_after(-1), blends, brightness_after(hue)


def _blend_in_turn(planes, scales, blends):
    """Applies blends of `_schedule` in turn; returns planes and scales."""
    contrast, saturation, brightness = (
        ops.stack(each) for each in zip(*blends, strict=True)
    )

    # Without a loop, XLA fuses the blends and computes the first one again
    # wherever the second one reads it.
    def body(index, state):
        *planes, scales = state
        return _blend(
            planes,
            scales,
            contrast[index],
            saturation[index],
            brightness[index],
        )

    *planes, scales = ops.fori_loop(0, len(blends), body, (*planes, scales))
    return planes, scales


def _blend(planes, scales, contrast, saturation, brightness):
    """Applies one blend; at most one of an image's two factors is not 1.

    `relu6` clips to [0, 6] in one pass, so pixels are scaled to that range. A
    brightness above 1 is applied before clipping, one below 1 after it.
    """
    unit = 6.0 / 255.0
    scales = scales * unit * ops.maximum(brightness, 1.0)
    grey = _grey(planes)
    base = (scales * (1.0 - contrast))[:, None] * ops.mean(
        grey, axis=1, keepdims=True
    )
    if len(planes) == 3:
        base = base + (scales * (1.0 - saturation))[:, None] * grey
    factors = (scales * contrast * saturation)[:, None]
    planes = [ops.relu6(factors * plane + base) for plane in planes]
    return *planes, ops.minimum(brightness, 1.0) / unit


def _clip_above(plane, bounds):
    return ops.minimum(plane, bounds[:, None])


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


def _grey(planes):
    if len(planes) != 3:
        return sum(planes[1:], planes[0]) / len(planes)
    red, green, blue = planes
    return GREY[0] * red + GREY[1] * green + GREY[2] * blue


def _lab_root(shares):
    """Cube root of shares of white; near black its tangent."""
    edge = 6 / 29
    # Where the tangent is taken, the root is not, nor its infinite slope.
    root = ops.power(ops.maximum(shares, edge**3), 1 / 3)
    return ops.where(shares > edge**3, root, shares / (3 * edge**2) + 4 / 29)


def _to_planes(images):
    """Returns the channels one by one, as tensors `(batch, pixels)`.

    Planes make channels contiguous. The transposition that ends one change
    and that which begins the next cancel out in a graph.
    """
    height, width, channels = images.shape[1:]
    planes = ops.transpose(images, (3, 0, 1, 2))
    planes = ops.reshape(planes, (channels, -1, height * width))
    return [planes[channel] for channel in range(channels)]


def _to_images(planes, images_shape):
    height, width = images_shape[1:3]
    images = ops.reshape(ops.stack(planes), (len(planes), -1, height, width))
    return ops.transpose(images, (1, 2, 3, 0))
