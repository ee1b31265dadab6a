import numpy as np
import pytest
from PIL import Image
from PIL import ImageCms

from keras_dim import views

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 9, 3), "uint8")


def lab_of(pixel):
    """CIE L*a*b* of an sRGB pixel, by the definitions, one by one."""
    linear = []
    for level in pixel / 255:
        if level <= 0.04045:
            linear.append(level / 12.92)
        else:
            linear.append(((level + 0.055) / 1.055) ** 2.4)
    matrix = np.array(
        [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ]
    )
    white = matrix @ np.ones(3)
    roots = [
        share ** (1 / 3)
        if share > 216 / 24389
        else (24389 / 27 * share + 16) / 116
        for share in matrix @ np.array(linear) / white
    ]
    return (
        116 * roots[1] - 16,
        500 * (roots[0] - roots[1]),
        200 * (roots[1] - roots[2]),
    )


def split(images):
    """Returns L*, a* and b* in three channels."""
    parts = views.LabSplit()(np.asarray(images))
    assert set(parts) == {"luminance", "chrominance"}
    assert parts["luminance"].shape[-1] == 1
    return np.concatenate([parts["luminance"], parts["chrominance"]], axis=-1)


def test_lab_equals_its_definition():
    dark = IMAGES // 16
    for images in (IMAGES, dark):
        expected = np.apply_along_axis(lab_of, -1, images.astype("float64"))
        # Float32 against float64, on numbers of up to 100.
        np.testing.assert_allclose(split(images), expected, atol=2e-3)


@pytest.mark.parametrize(
    "pixel, lab",
    [
        # As commonly tabulated.
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((255, 255, 255), (100, 0, 0)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_known_colours_have_their_lab(pixel, lab):
    # Tables differ in the last digits of the matrix.
    np.testing.assert_allclose(
        split(np.uint8([[[pixel]]]))[0, 0, 0], lab, atol=0.03
    )


def test_lab_is_near_that_of_pillow():
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        "RGB",
        "LAB",
    )
    for got, image in zip(split(IMAGES), IMAGES, strict=True):
        lab = np.asarray(
            ImageCms.applyTransform(Image.fromarray(image), transform)
        )
        luminance = lab[..., 0] / 2.55
        chrominance = lab[..., 1:].view("int8")
        # Pillow's white is D50, to which it adapts the colours.
        assert np.abs(got[..., 0] - luminance).max() < 4
        assert np.abs(got[..., 1:] - chrominance).max() < 16


def test_ycbcr_is_that_of_pillow_in_the_levels_of_video():
    split = views.LabSplit(color_space="ycbcr")(IMAGES)
    got = np.concatenate([split["luminance"], split["chrominance"]], axis=-1)
    # Pillow's values are integers from 0 to 255, as in JPEG files.
    jpeg = [np.asarray(Image.fromarray(i).convert("YCbCr")) for i in IMAGES]
    offset, scale = np.array([0, 128, 128]), np.array([219, 224, 224]) / 255
    expected = (np.array(jpeg) - offset) * scale + [16, 128, 128]
    np.testing.assert_allclose(got, expected, atol=1.0)
    assert np.abs(got - expected).mean() < 0.5


@pytest.mark.parametrize(
    "pixel, ycbcr",
    [
        # Black, white and the primaries by ITU-R BT.601.
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81.48, 90.20, 240)),
        ((0, 255, 0), (144.55, 53.80, 34.21)),
        ((0, 0, 255), (40.97, 240, 109.79)),
    ],
)
def test_known_colours_have_their_ycbcr(pixel, ycbcr):
    split = views.LabSplit("ycbcr")(np.uint8([[[pixel]]]))
    got = np.concatenate([split["luminance"], split["chrominance"]], axis=-1)
    np.testing.assert_allclose(got[0, 0, 0], ycbcr, atol=0.01)


def test_a_split_is_restored_from_its_config():
    layer = views.LabSplit("ycbcr")
    again = views.LabSplit.from_config(layer.get_config())
    assert again.color_space == "ycbcr"
    with pytest.raises(ValueError, match="color_space: 'hsv'.*lab"):
        views.LabSplit("hsv")


@pytest.mark.parametrize("color_space", ["lab", "ycbcr"])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_images_without_three_channels_are_refused(channels, color_space):
    with pytest.raises(ValueError, match="three channels.*Received"):
        views.LabSplit(color_space)(np.zeros((2, 4, 4, channels)))


def test_a_split_may_end_a_view():
    view = views.TwoViews([views.LabSplit()])(IMAGES, training=True)
    np.testing.assert_array_equal(
        view["view_1"]["luminance"], split(IMAGES)[..., :1]
    )
