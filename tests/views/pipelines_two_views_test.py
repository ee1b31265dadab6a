import keras
import numpy as np
import pytest

from keras_dim import views

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 32, 32, 3), "uint8")
LARGE_IMAGES = RNG.integers(0, 256, (6, 96, 90, 3), "uint8")


def is_mirrored(view, images):
    """Which of the images, moved by up to 4 pixels, are mirrored in a view."""

    def correlations(images):
        # Moving a column does not change its mean.
        return np.max(
            [
                np.mean(np.roll(columns_of(images), move, 1) * columns, 1)
                for move in range(-4, 5)
            ],
            axis=0,
        )

    def columns_of(images):
        columns = np.array(images, "float32").mean((1, 3))
        return columns - columns.mean(1, keepdims=True)

    columns = columns_of(view)
    return correlations(images[:, :, ::-1]) > correlations(images)


def with_ramps(images):
    """Images that grow brighter to the right."""
    return images // 4 + np.arange(32, dtype="uint8")[:, None] * 4


def test_views_are_drawn_independently():
    both = views.TwoViews([views.RandomCrop(8, seed=0)])(IMAGES, training=True)
    assert set(both) == {"view_1", "view_2"}
    assert (np.array(both["view_1"] != both["view_2"]).any((1, 2, 3))).all()


def test_shared_augmentations_are_drawn_once():
    layer = views.TwoViews(shared=[views.RandomFlip(seed=0)])
    both = layer(IMAGES, training=True)
    np.testing.assert_array_equal(both["view_1"], both["view_2"])
    np.testing.assert_array_equal(
        both["view_1"], views.RandomFlip(seed=0)(IMAGES, training=True)
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: views.RandomTranslation(4, 0.8, seed=1),
        lambda: views.RandomResizedCrop(24, ratio=(0.5, 2.0), seed=1),
        lambda: views.RandomCrop(24, seed=1),
        lambda: views.RandomGrayscale(0.5, seed=1),
        lambda: keras.layers.Rescaling(2.0),
    ],
    ids=["translation", "resized_crop", "crop", "grayscale", "other"],
)
def test_a_shared_flip_comes_before_what_follows(make):
    images = IMAGES.astype("float32")
    layer = views.TwoViews(
        [make(), views.RandomFlip(seed=2)], shared=[views.RandomFlip(seed=0)]
    )
    both = layer(images, training=True)
    first, flip = make(), views.RandomFlip(seed=2)
    mirrored = views.RandomFlip(seed=0)(images, training=True)
    for view in both.values():
        expected = flip(first(mirrored, training=True), training=True)
        # Mirrored weights are calculated in another order, in float32.
        np.testing.assert_allclose(view, expected, atol=0.01)


def test_augmentations_follow_one_another():
    crop, gray = views.RandomCrop(8, seed=0), views.RandomGrayscale(0.5, seed=1)
    layer = views.TwoViews([crop, gray])
    both = layer(IMAGES, training=True)
    crop, gray = views.RandomCrop(8, seed=0), views.RandomGrayscale(0.5, seed=1)
    for name in ("view_1", "view_2"):
        expected = gray(crop(IMAGES, training=True), training=True)
        np.testing.assert_array_equal(both[name], expected)


def test_without_augmentations_views_are_the_images():
    for training in (True, False):
        both = views.TwoViews()(IMAGES, training=training)
        for view in both.values():
            np.testing.assert_array_equal(view, IMAGES)


@pytest.mark.parametrize("shared_flip", [True, False])
def test_config_builds_the_same_views(shared_flip):
    layer = views.amdim(32, seed=5, shared_flip=shared_flip)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    expected, got = (each(IMAGES, training=True) for each in (layer, copy))
    for name, view in expected.items():
        np.testing.assert_array_equal(got[name], view)


def test_amdim_has_the_parameters_of_the_authors_code():
    def settings(layer, *names):
        return {name: getattr(layer, name) for name in names}

    for size, hue in ((32, 0.2), (64, 0.2), (128, 0.1)):
        layer = views.amdim(size)
        (flip,) = layer.shared
        geometry, jitter, gray = layer.augmentations
        assert flip.probability == 0.5
        assert settings(
            jitter, "brightness", "contrast", "saturation", "hue", "probability"
        ) == {
            "brightness": 0.4,
            "contrast": 0.4,
            "saturation": 0.4,
            "hue": hue,
            "probability": 0.8,
        }
        assert gray.probability == 0.25
        if size == 32:
            assert settings(geometry, "max_pixels", "probability") == {
                "max_pixels": 4,
                "probability": 0.8,
            }
        else:
            assert settings(
                geometry, "size", "scale", "ratio", "method", "inference_size"
            ) == {
                "size": size,
                "scale": (0.3, 1.0),
                "ratio": (0.7, 1.4),
                "method": "bicubic",
                "inference_size": {64: 70, 128: 146}[size],
            }


@pytest.mark.parametrize("shared_flip", [True, False])
def test_amdim_mirrors_both_views_or_neither(shared_flip):
    images = with_ramps(IMAGES)
    both = views.amdim(32, seed=0, shared_flip=shared_flip)(
        images, training=True
    )
    one, other = (is_mirrored(view, images) for view in both.values())
    # A fair coin of 40 throws: one seed in a million falls outside.
    assert 5 <= one.sum() <= 35
    assert (one == other).all() == shared_flip


@pytest.mark.parametrize("size", [64, 128])
def test_amdim_resizes_images_of_any_size(size):
    layer = views.amdim(size, seed=0)
    for training in (True, False):
        for view in layer(LARGE_IMAGES, training=training).values():
            assert view.shape == (6, size, size, 3)
            assert view.dtype == "float32"


def test_amdim_leaves_32_pixels_as_they_are_in_inference():
    for view in views.amdim(32)(IMAGES, training=False).values():
        np.testing.assert_array_equal(view, IMAGES)


def test_amdim_changes_every_image():
    for view in views.amdim(32, seed=0)(IMAGES, training=True).values():
        change = np.abs(np.array(view) - IMAGES).max((1, 2, 3))
        # Shares that are not changed: half are not mirrored, a fifth and one in
        # 81 of the others not moved, a fifth not jittered, 3 / 4 not grey.
        assert (change > 1).mean() > 0.85


def test_the_parts_of_amdim_draw_independently():
    layer = views.amdim(32, seed=0)
    parts = [*layer.shared, *layer.augmentations]
    first = [np.array(part.draw(1000))[:, 0] for part in parts]
    correlations = np.corrcoef(first) - np.eye(len(parts))
    # Five standard deviations.
    assert np.abs(correlations).max() < 5 / np.sqrt(1000)


def test_amdim_takes_other_strengths():
    layer = views.amdim(64, min_scale=0.5, hue=0.0, gray_probability=0.1)
    crop, jitter, gray = layer.augmentations
    assert (crop.scale, jitter.hue, gray.probability) == ((0.5, 1.0), 0.0, 0.1)


def test_sizes_that_are_not_stated_are_refused():
    with pytest.raises(ValueError, match="32, 64 or 128.*Received: 96"):
        views.amdim(96)


def test_views_have_their_names():
    layer = views.TwoViews(names=("query", "key"))
    assert set(layer(IMAGES, training=True)) == {"query", "key"}


def test_the_second_view_has_augmentations_of_its_own():
    layer = views.TwoViews(
        [views.RandomCrop(24, seed=1)],
        shared=[views.RandomFlip(seed=0)],
        second=[views.RandomCrop(16, seed=2), views.RandomSolarize(seed=3)],
    )
    both = layer(IMAGES, training=True)
    mirrored = views.RandomFlip(seed=0)(IMAGES, training=True)
    np.testing.assert_array_equal(
        both["view_1"], views.RandomCrop(24, seed=1)(mirrored, training=True)
    )
    second = views.RandomCrop(16, seed=2)(mirrored, training=True)
    np.testing.assert_array_equal(
        both["view_2"], views.RandomSolarize(seed=3)(second, training=True)
    )


def test_a_second_view_without_augmentations_is_mirrored_as_the_first():
    layer = views.TwoViews(
        [views.RandomCrop(32, seed=1)],
        shared=[views.RandomFlip(seed=0)],
        second=[],
    )
    both = layer(IMAGES, training=True)
    np.testing.assert_array_equal(both["view_1"], both["view_2"])


def test_layers_in_both_views_are_refused():
    crop = views.RandomCrop(8, name="mine")
    with pytest.raises(ValueError, match=r"no layers of `augm.*\['mine'\]"):
        views.TwoViews([crop], second=[crop])


@pytest.mark.parametrize("names", [("a",), ("a", "a"), ("a", "b", "c"), "ab"])
def test_other_than_two_names_are_refused(names):
    with pytest.raises(ValueError, match="`names` must be"):
        views.TwoViews(names=names)
