import pytest

from keras_dim.data.image_shape import Pixels
from keras_dim.data.image_shape import parse_image_size


def test_a_size_is_a_number_or_a_pair():
    assert parse_image_size(3) == (3, 3)
    assert parse_image_size([2, 3]) == (2, 3)
    assert parse_image_size(None) is None


@pytest.mark.parametrize("size", [0, -1, (3,), (1, 2, 3), "big", 2.5, (0, 3)])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="`image_size` must be"):
        parse_image_size(size)


def test_only_grey_and_colour_convert():
    def converted(stored, channels):
        return Pixels(channels=channels).shape((8, 9, stored), "x")

    assert converted(1, 3) == (8, 9, 3)
    assert converted(3, 1) == (8, 9, 1)
    assert converted(13, None) == (8, 9, 13)
    with pytest.raises(ValueError, match="13 channel.*channels=13"):
        converted(13, 3)
