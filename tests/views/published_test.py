"""Views of methods whose strengths their authors state.

Those of AMDIM are tested with `TwoViews`, those of Deep InfoMax with
`SingleView`.
"""

import keras
import numpy as np
import pytest

from keras_dim import views

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 48, 40, 3), "uint8")
JITTER = ("brightness", "contrast", "saturation", "hue", "probability")
MAKE = {"moco_v2": views.moco_v2, "byol": views.byol}


def settings(layer, *names):
    return tuple(getattr(layer, name) for name in names)


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


def test_moco_v2_has_the_strengths_of_the_authors_code():
    layer = views.moco_v2(224)
    assert layer.names == ("query", "key")
    # Both views are drawn from these.
    assert layer.second is None and layer.shared == []
    crop, jitter, gray, blur, flip = layer.augmentations
    assert kinds(layer.augmentations) == [
        "RandomResizedCrop",
        "ColorJitter",
        "RandomGrayscale",
        "RandomGaussianBlur",
        "RandomFlip",
    ]
    assert settings(crop, "size", "scale", "ratio", "method") == (
        224,
        (0.2, 1.0),
        (3 / 4, 4 / 3),
        "bilinear",
    )
    assert crop.inference_size == 256
    assert settings(jitter, *JITTER) == (0.4, 0.4, 0.4, 0.1, 0.8)
    assert gray.probability == 0.2
    assert settings(blur, "sigma", "probability") == ((0.1, 2.0), 0.5)
    assert flip.probability == 0.5


def test_moco_v2_of_small_images_is_that_of_the_authors_notebook():
    layer = views.moco_v2(32)
    assert kinds(layer.augmentations) == [
        "RandomResizedCrop",
        "ColorJitter",
        "RandomGrayscale",
        "RandomFlip",
    ]
    assert layer.augmentations[0].scale == (0.08, 1.0)
    assert layer.augmentations[0].inference_size is None


@pytest.mark.parametrize(
    ("size", "kernel_size"), [(224, 23), (96, 9), (64, 7), (32, 3)]
)
def test_byol_has_the_strengths_of_the_authors_code(size, kernel_size):
    layer = views.byol(size, blur_probabilities=(1.0, 0.1))
    assert layer.names == ("view_1", "view_2")
    assert kinds(layer.augmentations) == [
        "RandomResizedCrop",
        "RandomFlip",
        "ColorJitter",
        "RandomGrayscale",
        "RandomGaussianBlur",
    ]
    assert kinds(layer.second) == [
        *kinds(layer.augmentations),
        "RandomSolarize",
    ]
    for parts, blur_probability in (
        (layer.augmentations, 1.0),
        (layer.second, 0.1),
    ):
        crop, flip, jitter, gray, blur = parts[:5]
        assert settings(crop, "size", "scale", "ratio", "method") == (
            size,
            (0.08, 1.0),
            (3 / 4, 4 / 3),
            "bicubic",
        )
        assert flip.probability == 0.5
        assert settings(jitter, *JITTER) == (0.4, 0.4, 0.2, 0.1, 0.8)
        assert gray.probability == 0.2
        assert settings(blur, "kernel_size", "sigma", "probability") == (
            kernel_size,
            (0.1, 2.0),
            blur_probability,
        )
    solarize = layer.second[5]
    assert settings(solarize, "threshold", "probability") == (127.5, 0.2)


def test_byol_does_not_blur_small_images():
    layer = views.byol(32)
    blurs = [
        part
        for part in layer.augmentations + layer.second
        if isinstance(part, views.RandomGaussianBlur)
    ]
    assert blurs == []
    assert kinds(layer.second)[-1] == "RandomSolarize"


# The parts of a view in their order, with what each is drawn with: scale and
# method of a crop, strengths and share of a jitter, shares of the others.
CROP, FLIP, JITTER_PART = "RandomResizedCrop", "RandomFlip", "ColorJitter"
GRAY, BLUR, SOLARIZE = "RandomGrayscale", "RandomGaussianBlur", "RandomSolarize"
STRONG = (JITTER_PART, (0.4, 0.4, 0.4, 0.4, 1.0))
PUBLISHED = {
    ("simclr", 224): [
        (CROP, ((0.08, 1.0), (3 / 4, 4 / 3), "bicubic")),
        (FLIP, 0.5),
        (JITTER_PART, (0.8, 0.8, 0.8, 0.2, 0.8)),
        (GRAY, 0.2),
        (BLUR, (23, (0.1, 2.0), 0.5)),
    ],
    ("simclr", 32): [
        (CROP, ((0.08, 1.0), (3 / 4, 4 / 3), "bicubic")),
        (FLIP, 0.5),
        (JITTER_PART, (0.4, 0.4, 0.4, 0.1, 0.8)),
        (GRAY, 0.2),
    ],
    ("moco_v1", 224): [
        (CROP, ((0.2, 1.0), (3 / 4, 4 / 3), "bilinear")),
        (GRAY, 0.2),
        STRONG,
        (FLIP, 0.5),
    ],
    ("instance_discrimination", 224): [
        (CROP, ((0.2, 1.0), (3 / 4, 4 / 3), "bilinear")),
        (GRAY, 0.2),
        STRONG,
        (FLIP, 0.5),
    ],
    ("instance_discrimination", 32): [
        (CROP, ((0.2, 1.0), (3 / 4, 4 / 3), "bilinear")),
        STRONG,
        (GRAY, 0.2),
    ],
    ("cmc", 224): [
        (CROP, ((0.2, 1.0), (3 / 4, 4 / 3), "bilinear")),
        (FLIP, 0.5),
    ],
    ("cpc", 64): [("RandomCrop", 64), (FLIP, 0.5)],
    ("alignment_uniformity", 64): [
        (CROP, ((0.08, 1.0), (3 / 4, 4 / 3), "bilinear")),
        (FLIP, 0.5),
        STRONG,
        (GRAY, 0.2),
    ],
    ("multi_crop", 32): [
        (CROP, ((0.25, 0.25), (1.0, 1.0), "bilinear")),
        (FLIP, 0.5),
        (JITTER_PART, (0.4, 0.4, 0.4, 0.2, 0.8)),
        (GRAY, 0.2),
        (BLUR, (13, (0.1, 2.0), 0.1)),
        (SOLARIZE, 0.1),
    ],
}
DRAWN_WITH = {
    CROP: ("scale", "ratio", "method"),
    JITTER_PART: JITTER,
    BLUR: ("kernel_size", "sigma", "probability"),
    "RandomCrop": ("size",),
}


@pytest.mark.parametrize(("name", "size"), PUBLISHED)
def test_views_have_the_order_and_the_strengths_of_their_papers(name, size):
    layer = getattr(views, name)(size)
    found = []
    for part in layer.augmentations:
        kind = type(part).__name__
        values = settings(part, *DRAWN_WITH.get(kind, ("probability",)))
        found.append((kind, values if len(values) > 1 else values[0]))

    assert found == PUBLISHED[name, size]
    # Where there are two views, both are drawn from these.
    assert getattr(layer, "second", None) is None
    assert not getattr(layer, "shared", None)


def test_strengths_can_be_chosen():
    moco = views.moco_v2(
        32, min_scale=0.5, blur_probability=0.3, gray_probability=0.1
    )
    crop, _, gray, blur, _ = moco.augmentations
    assert crop.scale == (0.5, 1.0)
    assert (gray.probability, blur.probability) == (0.1, 0.3)
    byol = views.byol(
        64,
        min_scale=0.5,
        blur_probabilities=(0.5, 0.5),
        solarize_probabilities=(0.2, 0.0),
        gray_probability=0.1,
    )
    assert kinds(byol.augmentations)[-1] == "RandomSolarize"
    assert kinds(byol.second)[-1] == "RandomGaussianBlur"
    assert byol.second[0].scale == (0.5, 1.0)
    assert byol.second[3].probability == 0.1


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("size", [32, 36])
def test_views_have_their_size_and_differ(name, size):
    layer = MAKE[name](size, seed=0)
    both = layer(IMAGES, training=True)
    one, other = both.values()
    assert one.shape == other.shape == (6, size, size, 3)
    assert one.dtype == other.dtype == "float32"
    changes = np.abs(np.array(one) - np.array(other)).max((1, 2, 3))
    assert (changes > 10).all()
    # All images have different crops.
    still = layer(np.stack([IMAGES[0]] * 6), training=True)
    for view in still.values():
        assert len(np.unique(np.array(view).mean((1, 2, 3)))) == 6
    one, other = layer(IMAGES, training=False).values()
    np.testing.assert_array_equal(one, other)
    assert one.shape == (6, size, size, 3)


@pytest.mark.parametrize("name", MAKE)
def test_parts_draw_independently(name):
    layer = MAKE[name](64, seed=0)
    parts = layer.augmentations + (layer.second or [])
    first = [np.array(part.draw(1000))[:, 0] for part in parts]
    correlations = np.corrcoef(first) - np.eye(len(parts))
    # Five standard deviations.
    assert np.abs(correlations).max() < 5 / np.sqrt(1000)


@pytest.mark.parametrize("name", MAKE)
def test_config_builds_the_same_views(name):
    layer = MAKE[name](36, seed=5)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    expected, got = (each(IMAGES, training=True) for each in (layer, copy))
    assert set(got) == set(expected)
    for key, view in expected.items():
        np.testing.assert_array_equal(got[key], view)


@pytest.mark.parametrize("pair", [0.5, (0.5,), (1.0, 0.1, 0.5)])
@pytest.mark.parametrize("name", ["blur", "solarize"])
def test_byol_refuses_other_than_two_shares(name, pair):
    # A third one was ignored.
    with pytest.raises(ValueError, match="must be pairs, for first and second"):
        views.byol(64, **{f"{name}_probabilities": pair})
