"""The size and the number of channels in which images are delivered."""

from typing import Any


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
