import keras
import numpy as np
import pytest

from keras_dim.encoders import patch_resnet
from keras_dim.encoders import patches
from keras_dim.views import SingleView


def patches_by_loop(images, size):
    stride = size // 2
    found = []
    for image in images:
        for top in range(0, image.shape[0] - size + 1, stride):
            for left in range(0, image.shape[1] - size + 1, stride):
                found.append(image[top : top + size, left : left + size])
    return np.array(found)


@pytest.mark.parametrize("image_size, size", [(32, 8), (16, 8), (20, 8)])
def test_unfold_cuts_image_by_image_and_row_by_row(image_size, size):
    images = np.random.default_rng(0).normal(
        size=(3, image_size, image_size, 2)
    )
    images = images.astype("float32")
    unfolded = patches.unfold(images, size)
    expected = patches_by_loop(images, size)
    np.testing.assert_array_equal(unfolded, expected)


@pytest.mark.parametrize(
    "image_size, size", [(32, 8), (64, 16), (16, 8), (20, 8)]
)
def test_fold_puts_every_patch_back_where_it_was_cut(image_size, size):
    # Of 9 images, 4 x 4 patches could be folded as 3 x 3 of 16.
    shape = (9, image_size, image_size, 2)
    images = np.random.default_rng(0).normal(size=shape).astype("float32")
    # A patch is encoded as its own top left pixel.
    encoded = patches.unfold(images, size)[:, :1, :1]
    folded = patches.fold(encoded, image_size, size)
    tops = slice(0, image_size - size + 1, size // 2)
    np.testing.assert_array_equal(folded, images[:, tops, tops])


def test_fold_refuses_patches_of_several_locations():
    with pytest.raises(ValueError, match=r"single location.*\(98, 2, 2, 4\)"):
        patches.fold(np.zeros((98, 2, 2, 4)), 32, 8)


@pytest.mark.parametrize("image_size, size", [(32, 8), (30, 10)])
def test_patches_that_are_not_changed_are_those_of_the_encoder(
    image_size, size
):
    encoder = patch_resnet(image_size, width=2)
    shape = (2, image_size, image_size, 3)
    images = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")

    assert patches.network_of(encoder).input.shape[1] == size
    np.testing.assert_allclose(
        patches.encode(encoder, images, SingleView()),
        encoder(images)["local"],
        atol=1e-5,
    )


def test_an_encoder_without_such_a_network_is_refused():
    image = keras.Input((8, 8, 3))
    encoder = keras.Model(image, {"local": keras.layers.Conv2D(3, 2)(image)})
    with pytest.raises(ValueError, match="network called 'patch_network'"):
        patches.network_of(encoder)
