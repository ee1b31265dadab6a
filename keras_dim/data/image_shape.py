"""The size and the number of channels in which a source delivers images."""

from collections.abc import Callable
from typing import Any

from absl import logging

from keras_dim.data import numpy_images
from keras_dim.data.image_header import ImageHeader

# So many images of 16 bits are decoded to tell their largest value.
_NUM_DEEP = 16


def parse_image_size(image_size: Any) -> tuple[int, int] | None:
    """`image_size` as `(height, width)`, or `None`."""
    if image_size is None:
        return None
    sizes = image_size
    if not isinstance(image_size, tuple | list):
        sizes = (image_size, image_size)
    try:
        sizes = tuple(int(size) for size in sizes if int(size) == size)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(
            "`image_size` must be a positive integer or a pair (height, "
            f"width) of them. Received: {image_size!r}"
        )
    return sizes


def choose_channels(native: int, channels: int | None, name: str) -> int:
    """The number of channels to deliver from images that have `native`.

    Args:
        native: int. Channels of the source.
        channels: int or `None`. What was asked for; `None` is `native`.
        name: str. The source, for the message.

    Raises:
        ValueError: if the conversion has no sound meaning.
    """
    if channels is None or channels == native:
        return native
    if {native, channels} == {1, 3}:
        return channels
    raise ValueError(
        f"The images of {name} have {native} channel(s), which cannot be "
        f"turned into {channels!r}: only grey (1) and colour (3) convert to "
        f"each other. Leave `channels` out or pass channels={native}."
    )


class Survey:
    """Compares the headers of encoded images.

    Args:
        name: str. The source, for messages.
        image_size: int, `(height, width)` or `None`. The size that was asked
            for. With `None` all images must have one size.
        orient: bool. Whether images are turned as EXIF says.
    """

    def __init__(self, name: str, image_size: Any, orient: bool = True):
        self.name = name
        self.size = parse_image_size(image_size)
        self.resize = self.size is not None
        self.num_images = 0
        self._orient = orient
        self._native_channels = 1
        self._first = ""
        self._num_deep = self._num_pages = self._largest = 0

    def add(
        self, place: str, header: ImageHeader, read: Callable[[], bytes]
    ) -> None:
        """Takes in one image; refuses a second size.

        Args:
            place: str. What to call the image in messages.
            header: `ImageHeader`.
            read: function that returns the encoded image.
        """
        size = header.size(self._orient)
        self.num_images += 1
        self._num_pages += header.has_more_pages
        self._native_channels = max(self._native_channels, header.channels)
        if header.is_deep:
            self._num_deep += 1
            if self._num_deep <= _NUM_DEEP:
                largest = numpy_images.largest_sample(read())
                self._largest = max(self._largest, largest)
        if self.size is None:
            self.size, self._first = size, place
        elif not self.resize and size != self.size:
            raise ValueError(
                f"The images of {self.name} have different sizes: "
                f"{self._first} is {self.size[0]}x{self.size[1]} and {place} "
                f"is {size[0]}x{size[1]} (height x width). Pass image_size= "
                "to resize them all, for example image_size=64."
            )

    def image_shape(self, channels: int | None) -> tuple[int, int, int]:
        """The shape to deliver; warns of what images lose on the way.

        Args:
            channels: int or `None`. 1 or 3; `None` is 1 where all images are
                grey, else 3.
        """
        if self._num_deep:
            logging.warning(
                "%d image(s) of %s have 16 bits a channel, of which the upper "
                "8 are kept: values are divided by 256. The largest value in "
                "the first %d is %d of 65535. Where a camera gives fewer bits, "
                "images come out dark: scale them to 8 bits before, such as "
                'by (image / 4095 * 255).astype("uint8") for 12 bits.',
                self._num_deep,
                self.name,
                min(self._num_deep, _NUM_DEEP),
                self._largest,
            )
        if self._num_pages:
            logging.warning(
                "%d TIFF file(s) of %s have more pages than one. The first is "
                "read.",
                self._num_pages,
                self.name,
            )
        native = self._native_channels
        return (*self.size, choose_channels(native, channels, self.name))
