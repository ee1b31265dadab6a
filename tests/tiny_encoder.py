"""An encoder of plain Keras layers, for tests that need any encoder."""

import keras

from keras_dim import distribution

# Shapes of the features, without the batch, in the encoder's order.
SHAPES = {"local": (4, 4, 3), "conv": (2, 2, 4), "fc": (6,), "global": (5,)}


def tiny_encoder(image_size=8, channels=3):
    images = keras.Input((image_size, image_size, channels))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    local = keras.layers.Conv2D(3, 3, 2, padding="same", activation="relu")(x)
    # Batch norm removes a bias: Adam would follow rounding errors.
    conv = keras.layers.Conv2D(4, 3, 2, padding="same", use_bias=False)(local)
    conv = keras.layers.BatchNormalization(
        # Only if there is something to synchronise with.
        synchronized=distribution.num_replicas() > 1
    )(conv)
    fc = keras.layers.Dense(6, activation="relu")(keras.layers.Flatten()(conv))
    outputs = {
        "local": local,
        "conv": conv,
        "fc": fc,
        "global": keras.layers.Dense(5)(fc),
    }
    return keras.Model(images, outputs)


def pixels(generator, num_images, image_size=8, channels=3):
    shape = (num_images, image_size, image_size, channels)
    return generator.integers(0, 256, shape, dtype="uint8")
