"""How the images of a source are read, and the shape that they get."""

import dataclasses
import numbers
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import numpy as np
from absl import logging

from keras_dim import checks
from keras_dim.data import numpy_images
from keras_dim.data.image_header import ImageHeader
from keras_dim.data.image_header import is_image_file
from keras_dim.data.source import printable

# Number of images of 16 bits that are decoded to find their largest value.
_NUM_DEEP = 16


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """The arguments of `open_source` that say how images are read.

    `image_size` becomes a pair `(height, width)` or stays `None`; `orient` is
    the argument `exif_orientation`. Wrong ones raise a `ValueError`.
    """

    image_size: Any = None
    channels: int | None = None
    orient: bool = True
    values: str = "8_bit"

    def __post_init__(self):
        checks.one_of(("8_bit", "stored"), values=self.values)
        checks.integers(1, **checks.given(channels=self.channels))
        checks.one_of((True, False), exif_orientation=self.orient)
        sizes = self.image_size
        if sizes is None:
            return
        if not isinstance(sizes, tuple | list):
            sizes = (sizes, sizes)
        if len(sizes) != 2 or not all(
            isinstance(size, numbers.Integral)
            and not isinstance(size, bool)
            and size > 0
            for size in sizes
        ):
            raise ValueError(
                "`image_size` must be a positive integer or a pair (height, "
                f"width) of them. Received: {self.image_size!r}"
            )
        object.__setattr__(self, "image_size", tuple(map(int, sizes)))

    @property
    def is_stored(self) -> bool:
        """Whether values are read as they are stored, in any range."""
        return self.values == "stored"

    def is_image_file(self, path: str) -> bool:
        """Returns whether a file is an image, of any format."""
        if self.is_stored and path.lower().endswith((".npy", ".npz")):
            return True
        return is_image_file(path)

    def shape(self, stored: tuple[int, ...], name: str) -> tuple[int, ...]:
        """Returns the shape in which images of the shape `stored` are read.

        Raises:
            ValueError: for a change of channels other than between grey and
                colour; `name` is the source in the message.
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
        """Decodes an image file to uint8 of the shape `image_shape`."""
        # Resizing is faster before the copy into an array.
        size = self.image_size if image_shape[-1] == 3 else None
        image = numpy_images.decode(encoded, image_shape[-1], self.orient, size)
        if self.image_size is None and image.shape[:2] != image_shape[:2]:
            height, width = image.shape[:2]
            raise ValueError(f"its size is now {height}x{width}")
        return numpy_images.convert(image, image_shape)


def survey(
    name: str,
    images: Iterable[tuple[str, ImageHeader, Callable[[], bytes]]],
    options: ImageOptions,
) -> tuple[int, int, int] | None:
    """Returns the shape of images by their headers, and warns of lost data.

    Args:
        name: str. The source in messages.
        images: iterable of an image's name in messages, its header, and a
            function that returns the bytes of its file.
        options: `ImageOptions`. Without an `image_size` all images must have
            the same size.

    Returns:
        `(height, width, channels)`, three channels unless all images are
        grey; `None` if there are no images.
    """
    size, first = options.image_size, ""
    channels = num_deep = num_pages = largest = 0
    for place, header, read in images:
        channels = max(channels, header.channels)
        num_pages += header.has_more_pages
        if header.is_deep:
            if num_deep < _NUM_DEEP:
                largest = max(largest, numpy_images.largest_sample(read()))
            num_deep += 1
        found = header.size(options.orient)
        if size is None:
            size, first = found, place
        elif options.image_size is None and found != size:
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
            "images become dark: scale them to 8 bits first, for 12 bits by "
            '(image / 4095 * 255).astype("uint8"), or pass values="stored".',
            num_deep,
            name,
            min(num_deep, _NUM_DEEP),
            largest,
        )
    if num_pages:
        logging.warning(
            "%d TIFF file(s) of %s have several pages. Only the first page of "
            "each is read.",
            num_pages,
            name,
        )
    return (*size, channels) if channels else None
