"""A classifier on top of an encoder, to be fine-tuned by Keras's `fit`."""

import keras
from keras import layers

from keras_dim import checks
from keras_dim.encoders import features as features_lib

# The name of the encoder's part within a classifier.
ENCODER = "encoder"


def classifier(encoder, num_classes, feature=None, trainable=False):
    """Returns a classifier: an encoder's feature and one dense layer.

    The encoder's layers that lead to the feature are copied, with their
    weights. The encoder itself stays as it is, and layers for its other
    features are left out.

    Args:
        encoder: functional `keras.Model` from raw pixels to named features.
        num_classes: int. Number of classes.
        feature: str. Name of the feature; a map is flattened. Defaults to
            `default_feature(encoder)`.
        trainable: bool. Whether the encoder is trained, too: `unfreeze` does
            the same later. Defaults to `False`.

    Returns:
        `keras.Model`, not compiled, from raw pixels to the probabilities
        `(batch, num_classes)`, float32. Batch norms of the encoder run in
        inference mode in `fit`, too, whether it is trained or not. Dropout of
        the encoder is active in `fit`.

    Raises:
        ValueError: for a feature that the encoder does not have.

    Example:
    ```python
    model = keras_dim.encoders.classifier(encoder, num_classes=10)
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    images = keras_dim.data.load("cifar10", as_pairs=True)
    model.fit(images, epochs=5, shuffle=False)
    keras_dim.encoders.unfreeze(model)
    model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
    model.fit(images, epochs=5, shuffle=False)
    ```
    """
    checks.integers(2, num_classes=num_classes)
    name = feature or features_lib.default_feature(encoder)
    found = features_lib.features_of(encoder, name)[name]
    part = keras.Model(encoder.inputs[0], found, name=ENCODER)
    # A copy: freezing shared layers would freeze the user's encoder.
    part = keras.Model.from_config(part.get_config())
    part.set_weights(keras.Model(encoder.inputs[0], found).get_weights())
    part.trainable = False
    image = keras.Input(encoder.input_shape[1:], name="image")
    x = part(image)
    if len(found.shape) > 2:
        x = layers.Flatten(name="flatten")(x)
    # The softmax of half-precision numbers is taken in float32.
    probabilities = layers.Dense(
        num_classes, "softmax", dtype="float32", name="probabilities"
    )(x)
    model = keras.Model(image, probabilities, name=f"{encoder.name}_classifier")
    if trainable:
        unfreeze(model)
    return model


def unfreeze(model):
    """Has `fit` train the encoder of a `classifier`, but not its batch norms.

    These keep statistics, scales and offsets, and run in inference mode: the
    statistics of a few labelled batches would spoil features that many
    unlabelled images made. Compile the model again afterwards.

    Args:
        model: `keras.Model` that `classifier` made, perhaps saved and loaded.
    """
    names = [layer.name for layer in model.layers]
    if ENCODER not in names:
        raise ValueError(
            "Expected a model of `encoders.classifier`, with a layer named "
            f"{ENCODER!r}. Received a model with the layers {names}"
        )
    encoder = model.get_layer(ENCODER)
    encoder.trainable = True
    for layer in encoder._flatten_layers():
        # In Keras, a batch norm that is not trained runs in inference mode.
        # `encoder(x, training=False)` within a functional model would not.
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
