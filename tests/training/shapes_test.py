import types

import keras

from keras_dim.training import shapes


def test_the_way_of_images_through_a_run_is_one_line():
    images = keras.Input((32, 32, 3))
    encoder = keras.Model(images, images)
    model = types.SimpleNamespace(encoder=encoder, views=None)
    line = shapes.of_training(2000, (96, 96, 3), model)
    assert line == "2,000 images 96x96x3 -> encoder 32x32x3"

    model.views = keras.layers.RandomCrop(32, 32)
    line = shapes.of_training(2000, (96, 96, 3), model)
    assert line == ("2,000 images 96x96x3 -> views 32x32x3 -> encoder 32x32x3")


def test_an_encoder_of_any_size_is_told_so():
    line = shapes.of_embedding(7, (28, 28, 1), (None, None, 1), "global")
    assert line == "7 images 28x28x1 -> encoder ?x?x1 -> global"
