import keras
import numpy as np
import pytest

from keras_dim import views

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), "uint8")


def cells(picture, num_rows, num_columns, size):
    """Cuts a picture into its images."""
    pixels = np.asarray(picture)
    return [
        [
            pixels[
                20 + row * (size + 4) : 20 + row * (size + 4) + size,
                4 + column * (size + 4) : 4 + column * (size + 4) + size,
            ]
            for column in range(num_columns)
        ]
        for row in range(num_rows)
    ]


def test_rows_show_the_image_and_then_its_views():
    layer = views.amdim(32, seed=0)
    picture = views.show_views(layer, IMAGES, num_images=4)
    rounds = [layer(IMAGES[:4], training=True) for _ in range(2)]
    expected = [IMAGES] + [
        np.round(np.array(each[name]))
        for each in rounds
        for name in ("view_1", "view_2")
    ]
    for row, shown in enumerate(cells(picture, 4, 5, 96)):
        for column, cell in enumerate(shown):
            # Each pixel is enlarged threefold.
            np.testing.assert_array_equal(
                cell, expected[column][row].repeat(3, 0).repeat(3, 1)
            )
    assert picture.size == (4 + 5 * 100, 20 + 4 * 100)


def test_showing_draws_nothing_from_the_views():
    layer, untouched = views.amdim(32, seed=0), views.amdim(32, seed=0)
    views.show_views(layer, IMAGES)
    shown, expected = (
        each(IMAGES, training=True) for each in (layer, untouched)
    )
    for name, view in expected.items():
        np.testing.assert_array_equal(shown[name], view)


def test_one_channel_is_shown_as_grey():
    picture = views.show_views(views.SingleView(), IMAGES[..., :1])
    (cell, *_), *_ = cells(picture, 6, 3, 96)
    expected = np.repeat(IMAGES[0, ..., :1], 3, axis=-1)
    np.testing.assert_array_equal(cell, expected.repeat(3, 0).repeat(3, 1))


@pytest.mark.parametrize("channels, shown", [(2, [0, 0, 0]), (5, [0, 1, 2])])
def test_of_other_channels_the_first_are_shown(channels, shown):
    images = np.concatenate([IMAGES, IMAGES // 2], axis=-1)[..., :channels]
    picture = views.show_views(views.SingleView(), images)
    (cell, *_), *_ = cells(picture, 6, 3, 96)
    np.testing.assert_array_equal(
        cell, images[0][..., shown].repeat(3, 0).repeat(3, 1)
    )


def test_layers_that_return_images_are_shown():
    picture = views.show_views(views.RandomFlip(0.0), IMAGES, num_images=1)
    ((image, *changed),) = cells(picture, 1, 3, 96)
    for cell in changed:
        np.testing.assert_array_equal(cell, image)


def test_views_of_other_sizes_fit_into_the_grid():
    picture = views.show_views(views.dim(crop_size=16), IMAGES)
    assert picture.size == (4 + 3 * 100, 20 + 6 * 100)


def test_a_failing_view_leaves_the_random_state():
    class Failing(keras.layers.Layer):
        def call(self, images):
            raise RuntimeError("no view today")

    layer = views.TwoViews([views.RandomFlip(seed=0), Failing()])
    before = [np.array(state) for state in layer.variables]
    with pytest.raises(RuntimeError, match="no view today"):
        views.show_views(layer, IMAGES)
    for state, expected in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(state, expected)


@pytest.mark.parametrize("images", [IMAGES[:0], IMAGES[0]])
def test_no_images_to_show_are_refused(images):
    with pytest.raises(ValueError, match="images to show.*Received"):
        views.show_views(views.amdim(32), images)
