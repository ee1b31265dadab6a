"""One size and one number of channels for a set of encoded images."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_dim.data.damage import damage_in_one_line
from keras_dim.data.image_header import ImageHeader
from keras_dim.data.image_header import read_header
from keras_dim.data.untuned import untuned

if TYPE_CHECKING:
    import tensorflow as tf

# Where sizes need not be compared, so many images tell grey from colour.
_SAMPLE = 1000


class Survey:
    """Compares the headers of images.

    Args:
        name: str. The source, for messages.
        same_size: bool. Whether all images must have one size.

    Attributes:
        size: tuple or `None`. `(height, width)` of the first image.
        channels: int or `None`. 1 if all images are grey, else 3.
        kinds: set of str. The formats of the images.
    """

    def __init__(self, name: str, same_size: bool):
        self.name = name
        self.same_size = same_size
        self.size: tuple[int, int] | None = None
        self.channels: int | None = None
        self.kinds: set[str] = set()
        self._first = ""

    def add(self, place: str, header: ImageHeader) -> None:
        """Takes in one image; refuses a second size."""
        size = (header.height, header.width)
        self.channels = max(self.channels or 1, header.channels)
        self.kinds.add(header.kind)
        if self.size is None:
            self.size, self._first = size, place
        elif self.same_size and size != self.size:
            raise ValueError(
                f"The images of {self.name} have different sizes: "
                f"{self._first} is {self.size[0]}x{self.size[1]} and {place} "
                f"is {size[0]}x{size[1]} (height x width). Pass image_size= "
                "to resize them all, for example image_size=64."
            )


def survey_records(
    name: str,
    records: "tf.data.Dataset",
    read: Callable,
    place: Callable[[int], str],
    same_size: bool,
) -> Survey:
    """Looks at the headers of a stream: all of them, or a sample.

    Images without a readable header are passed over here; decoding reports
    them.

    Args:
        name: str. The source, for messages.
        records: dataset of records with `"index"`.
        read: function of a record that returns its encoded image.
        place: function of an index that returns what to call the image.
        same_size: bool. Whether all images must have one size. Without it
            only a sample is read, for the number of channels.
    """
    survey = Survey(name, same_size)
    if not same_size:
        records = records.take(_SAMPLE)
    heads = records.map(lambda one: (one["index"], read(one)))
    with damage_in_one_line(name):
        for index, encoded in untuned(heads).as_numpy_iterator():
            try:
                header = read_header(io.BytesIO(encoded))
            except ValueError:
                continue
            survey.add(place(int(index)), header)
    if survey.size is None:
        raise ValueError(
            f"No image of {name} can be read. Expected JPEG, PNG, GIF, BMP "
            "or WebP images."
        )
    return survey
