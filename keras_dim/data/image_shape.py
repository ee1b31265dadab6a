"""The size and the number of channels of the images of a source."""

import dataclasses
import numbers
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import numpy as np
from absl import logging

from keras_dim.data import numpy_images
from keras_dim.data.image_header import ImageHeader
from keras_dim.data.image_header import is_meant_as_image
from keras_dim.data.source import printable

# Number of images of 16 bits that are decoded for their largest value.
_NUM_DEEP = 16


@dataclasses.dataclass(frozen=True)
class Pixels:
    """The arguments of `open_source` that say how images are read."""

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    orient: bool = True
    values: str = "8_bit"

    @property
    def is_stored(self) -> bool:
        """Whether values are read as they are stored, in any range."""
        return self.values == "stored"

    def is_meant(self, path: str) -> bool:
        """Returns whether a file is an image, read here or not."""
        if self.is_stored and path.lower().endswith((".npy", ".npz")):
            return True
        return is_meant_as_image(path)

    def shape(self, stored: tuple[int, ...], name: str) -> tuple[int, ...]:
        """Returns the shape of images of a source that are stored in another.

        Raises:
            ValueError: for channels other than grey to colour and back.
        """
        *size, channels = stored
        if self.channels not in (None, channels):
            if self.is_stored:
                raise ValueError(
                    f"The images of {name} have {channels} band(s). Stored "
                    "values keep their bands: leave `channels` out or pass "
                    f"channels={channels}. Received: channels={self.channels!r}"
                )
            if {self.channels, channels} != {1, 3}:
                raise ValueError(
                    f"The images of {name} have {channels} channel(s), which "
                    f"cannot be turned into {self.channels!r}: only grey (1) "
                    "and colour (3) convert to each other. Leave `channels` "
                    f"out or pass channels={channels}."
                )
            channels = self.channels
        return (*(self.image_size or size), channels)

    def decode(self, encoded: bytes, image_shape: tuple) -> np.ndarray:
        """Decodes an image to the shape of its source."""
        # Resizing is faster before the copy into an array.
        size = self.image_size if image_shape[-1] == 3 else None
        image = numpy_images.decode(encoded, image_shape[-1], self.orient, size)
        if self.image_size is None and image.shape[:2] != image_shape[:2]:
            height, width = image.shape[:2]
            raise ValueError(f"its size is now {height}x{width}")
        return numpy_images.convert(image, image_shape)


def parse_image_size(image_size: Any) -> tuple[int, int] | None:
    """Returns `image_size` as `(height, width)` or `None`."""
    if image_size is None:
        return None
    sizes = image_size
    if not isinstance(sizes, tuple | list):
        sizes = (sizes, sizes)
    if len(sizes) != 2 or not all(
        isinstance(size, numbers.Integral) and size > 0 for size in sizes
    ):
        raise ValueError(
            "`image_size` must be a positive integer or a pair (height, "
            f"width) of them. Received: {image_size!r}"
        )
    return tuple(map(int, sizes))


def survey(
    name: str,
    images: Iterable[tuple[str, ImageHeader, Callable[[], bytes]]],
    pixels: Pixels,
) -> tuple[int, int, int] | None:
    """Returns the shape of images by their headers; warns of losses.

    Args:
        name: str. The source, for messages.
        images: iterable of an image's name in messages, its header, and a
            function that returns its file.
        pixels: `Pixels`. Without a size, all images must have one.

    Returns:
        `(height, width, channels)`, three channels unless all images are
        grey; `None` if there are no images.
    """
    size, first = pixels.image_size, ""
    channels = num_deep = num_pages = largest = 0
    for place, header, read in images:
        channels = max(channels, header.channels)
        num_pages += header.has_more_pages
        if header.is_deep:
            if num_deep < _NUM_DEEP:
                largest = max(largest, numpy_images.largest_sample(read()))
            num_deep += 1
        found = header.size(pixels.orient)
        if size is None:
            size, first = found, place
        elif pixels.image_size is None and found != size:
            raise ValueError(
                f"The images of {name} have different sizes: "
                f"{printable(first)} is {size[0]}x{size[1]} and "
                f"{printable(place)} is {found[0]}x{found[1]} "
                "(height x width). Pass image_size= to resize them all, for "
                "example image_size=64."
            )
    if num_deep:
        logging.warning(
            "%d image(s) of %s have 16 bits a channel, of which the upper 8 "
            "are kept: values are divided by 256. The largest value in the "
            "first %d is %d of 65535. If the camera gives fewer bits, the "
            "images are dark: scale them to 8 bits before, such as by "
            '(image / 4095 * 255).astype("uint8") for 12 bits.',
            num_deep,
            name,
            min(num_deep, _NUM_DEEP),
            largest,
        )
    if num_pages:
        logging.warning(
            "%d TIFF file(s) of %s have several pages. The first is read.",
            num_pages,
            name,
        )
    return (*size, channels) if channels else None
