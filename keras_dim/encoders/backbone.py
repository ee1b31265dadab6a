"""Any convolutional backbone as an encoder."""

import keras
from keras import layers


def from_backbone(backbone, preprocess=None, local=None):
    """Returns an encoder of named features made of a backbone.

    Args:
        backbone: functional `keras.Model` from images of one known size to a
            map, such as `keras.applications.ResNet50(include_top=False,
            weights=None, input_shape=(96, 96, 3))`. Its weights are shared.
        preprocess: callable from raw pixels in [0, 255] to the backbone's
            inputs, such as `keras.applications.resnet.preprocess_input`; or
            None for a backbone that takes raw pixels.
        local: str, or None for the last map. Name of the layer whose map is
            the feature `"local"`. Deep InfoMax wants one of 7 x 7 locations or
            more, as pairs with few large fields are too easy.

    Returns:
        Functional `keras.Model` from raw pixels to a dict of `"local"`,
        `"conv"`, the last map, and `"global"`, its mean over all locations.

    Raises:
        ValueError: for a backbone whose image size is not known, that gives no
            map, or that has no such layer.

    Example:
    ```python
    backbone = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(96, 96, 3)
    )
    encoder = keras_dim.encoders.from_backbone(
        backbone, keras.applications.mobilenet_v2.preprocess_input
    )
    model = keras_dim.SimCLR(encoder)
    ```
    """
    shape = tuple(backbone.input_shape[1:])
    if len(shape) != 3 or None in shape:
        raise ValueError(
            "A backbone must take images of one size: build it with "
            f"input_shape=(height, width, channels). Received: {shape}"
        )
    # A list or a dict of shapes, where there are several outputs.
    found = backbone.output_shape
    if not isinstance(found, tuple) or len(found) != 4:
        raise ValueError(
            "A backbone must give a map (batch, height, width, channels): "
            "build it with include_top=False and without pooling. Received: "
            f"shape {found}"
        )
    maps = {"conv": backbone.output}
    maps["local"] = backbone.get_layer(local).output if local else maps["conv"]
    image = keras.Input(shape, name="image")
    # The backbone may hold a layer of any name.
    inner = keras.Model(backbone.input, maps, name="backbone")
    features = inner(preprocess(image) if preprocess else image)
    pooled = layers.GlobalAveragePooling2D(dtype="float32", name="global")
    outputs = {
        "local": features["local"],
        "conv": features["conv"],
        "global": pooled(features["conv"]),
    }
    return keras.Model(image, outputs, name=f"{backbone.name}_encoder")
