import pytest

from keras_dim.data.image_options import ImageOptions


def test_a_size_is_a_number_or_a_pair():
    assert ImageOptions(3).image_size == (3, 3)
    assert ImageOptions([2, 3]).image_size == (2, 3)
    assert ImageOptions(None).image_size is None


@pytest.mark.parametrize(
    "size", [0, -1, True, (3,), (1, 2, 3), "big", 2.5, (0, 3)]
)
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="`image_size` must be"):
        ImageOptions(size)


@pytest.mark.parametrize("channels", [0, True, 3.0, "grey"])
def test_channels_other_than_positive_integers_are_refused(channels):
    with pytest.raises(ValueError, match="`channels` must be an integer"):
        ImageOptions(channels=channels)


def test_only_grey_and_colour_convert():
    def converted(stored, channels):
        return ImageOptions(channels=channels).shape((8, 9, stored), "x")

    assert converted(1, 3) == (8, 9, 3)
    assert converted(3, 1) == (8, 9, 1)
    assert converted(13, None) == (8, 9, 13)
    with pytest.raises(ValueError, match="13 channel.*channels=13"):
        converted(13, 3)
