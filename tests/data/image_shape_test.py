import pytest

from keras_dim.data.image_shape import choose_channels
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
    assert choose_channels(1, 3, "x") == 3
    assert choose_channels(3, 1, "x") == 1
    assert choose_channels(13, None, "x") == 13
    with pytest.raises(ValueError, match="13 channel.*channels=13"):
        choose_channels(13, 3, "x")
