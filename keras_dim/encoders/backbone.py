"""Any convolutional backbone as an encoder."""

import importlib
import itertools
import numbers
import re

import keras
from keras import layers
from keras import tree

from keras_dim import checks

# Locations to a side of the map for Deep InfoMax and AMDIM: with fewer, each
# location sees so much of the image that pairs are too easy; with more, pairs
# cost time and memory.
LEAST_SIDE, MOST_SIDE = 6, 14
# The models of keras.applications that do not rescale pixels themselves: a
# pattern of their names, and the module with their `preprocess_input`.
_APPLICATIONS = {
    r"densenet\d*": "densenet",
    r"inception_resnet_v2": "inception_resnet_v2",
    r"inception_v3": "inception_v3",
    r"mobilenet_[^_]+_[^_]+": "mobilenet",
    r"mobilenetv2_[^_]+_[^_]+": "mobilenet_v2",
    r"nasnet(_mobile|_large)?": "nasnet",
    r"resnet\d+v2": "resnet_v2",
    r"resnet\d+": "resnet",
    r"vgg16": "vgg16",
    r"vgg19": "vgg19",
    r"xception": "xception",
}
_RESCALING = (layers.Rescaling, layers.Normalization)
# The output of these is the image, or the map of another layer with a margin.
_NO_FEATURES = (
    *_RESCALING,
    layers.InputLayer,
    layers.ZeroPadding2D,
    layers.Cropping2D,
)
_MERGES = (layers.Add, layers.Average, layers.Concatenate, layers.Maximum)
_AFTER_MERGE = (layers.Activation, layers.BatchNormalization, layers.ReLU)


def from_backbone(
    backbone,
    preprocess="auto",
    local=None,
    image_size=None,
    norm_momentum=0.9,
):
    """Returns an encoder with named features that is made of a backbone.

    Args:
        backbone: functional `keras.Model` from images to a map, such as
            `keras.applications.ResNet50(include_top=False, weights=None,
            input_shape=(96, 128, 3))`, a convolutional backbone of KerasHub or
            any other model. Its layers and weights are shared.
        preprocess: callable from raw pixels in [0, 255] to the backbone's
            inputs; or None for a backbone that takes raw pixels. Defaults to
            `"auto"`: nothing for a backbone with a `Rescaling` or
            `Normalization` layer; for other models of `keras.applications`,
            known by their names, their `preprocess_input`; else rescaling to
            [-1, 1]. Pass the function with which weights were trained.
        local: str, or None. Name of the layer whose map is the feature
            `"local"`, one of `map_layers(backbone)`. Defaults to None: among
            the maps of 6 to 14 locations to a side, the end of the last block
            with the most locations, or the last map if there is none.
        image_size: int or `(height, width)`, for a backbone of images of any
            size. Defaults to that of its input.
        norm_momentum: float, or None to leave it. Momentum of all batch norms
            of the backbone, which is set in its layers. With Keras's 0.99, and
            the 0.999 of some backbones, moving statistics need hundreds or
            thousands of steps to follow the weights. Defaults to 0.9.

    Returns:
        Functional `keras.Model` from raw pixels to a dict of `"local"`,
        `"conv"`, the last map, and `"global"`, its mean over all locations.

    Raises:
        ValueError: for a backbone whose image size is not known, that gives no
            map, or that has no such layer (the message lists those it has);
            and for a `preprocess` that is no function.

    Example:
    ```python
    backbone = keras.applications.MobileNetV3Small(
        include_top=False, weights=None, input_shape=(96, 96, 3)
    )
    keras_dim.encoders.map_layers(backbone)  # name: (height, width, channels)
    encoder = keras_dim.encoders.from_backbone(backbone)
    encoder.output["local"].shape            # (None, 12, 12, 24)
    model = keras_dim.DeepInfoMax(encoder)
    ```
    """
    shape = _image_shape(backbone, image_size)
    found = map_layers(backbone, image_size)
    if local is None:
        local = _default_local(backbone, found)
    elif local not in found:
        names = [layer.name for layer in backbone.layers]
        kind = "gives no map" if local in names else "is not there"
        raise ValueError(
            f"The layer {local!r} {kind}.{checks.did_you_mean(local, found)} "
            f"Layers that could be `local`: {_listed(found)}"
        )
    if preprocess not in ("auto", None) and not callable(preprocess):
        raise ValueError(
            "`preprocess` must be 'auto', None or a function of images. "
            f"Received: {preprocess!r}"
        )
    if norm_momentum is not None:
        checks.at_least(0, norm_momentum=norm_momentum)
        # With 1, moving statistics would keep their first values.
        checks.below(1, norm_momentum=norm_momentum)
        for layer in backbone._flatten_layers():
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = norm_momentum
    conv = backbone.outputs[0]
    maps = {"conv": conv, "local": _maps(backbone)[local] if local else conv}
    image = keras.Input(shape, name="image")
    # The backbone may hold a layer of any name.
    inner = keras.Model(backbone.inputs[0], maps, name="backbone")
    if preprocess == "auto":
        preprocess = _preprocessing(backbone, shape[-1])
    features = inner(preprocess(image) if preprocess else image)
    pooled = layers.GlobalAveragePooling2D(dtype="float32", name="global")
    outputs = {
        "local": features["local"],
        "conv": features["conv"],
        "global": pooled(features["conv"]),
    }
    return keras.Model(image, outputs, name=f"{backbone.name}_encoder")


def map_layers(backbone, image_size=None):
    """Returns the layers of a backbone whose maps could be `"local"`.

    Args:
        backbone, image_size: see `from_backbone`.

    Returns:
        dict from a layer's name to `(height, width, channels)` of its map, in
        the order of the layers. Layers without weights before them, such as
        rescaling, and margins are left out.
    """
    shape = _image_shape(backbone, image_size)
    maps = _maps(backbone)
    # Of a backbone of any size, shapes are known for images of one size.
    image = keras.KerasTensor((None, *shape))
    specs = keras.Model(backbone.inputs[0], maps).compute_output_spec(image)
    return {name: tuple(spec.shape[1:]) for name, spec in specs.items()}


def _maps(backbone):
    """Returns the symbolic map of each layer that has one, in their order."""
    if len(backbone.outputs) != 1 or len(backbone.outputs[0].shape) != 4:
        raise ValueError(
            "A backbone must give a map (batch, height, width, channels): "
            "build it with include_top=False and without pooling. Received: "
            f"outputs of {[tuple(each.shape) for each in backbone.outputs]}"
        )
    graph = keras.Model(backbone.inputs[0], backbone.outputs[0])
    nodes = {}
    for node in itertools.chain(*graph._nodes_by_depth.values()):
        nodes.setdefault(node.operation, []).append(node)
    maps = {}
    for layer in graph.layers:
        # Neither layers of several maps, nor those that are used repeatedly.
        outputs = [each for node in nodes[layer] for each in node.outputs]
        if not isinstance(layer, _NO_FEATURES) and len(outputs) == 1:
            if len(outputs[0].shape) == 4:
                maps[layer.name] = outputs[0]
    return maps


def _image_shape(backbone, image_size):
    """Returns `(height, width, channels)` of the images of a backbone."""
    found = tree.flatten(getattr(backbone, "inputs", None) or [])
    if len(found) != 1 or len(found[0].shape) != 4:
        raise ValueError(
            "A backbone must be a functional keras.Model from images, (batch, "
            f"height, width, channels). Received: {type(backbone).__name__} "
            f"with the input shapes {[tuple(each.shape) for each in found]}"
        )
    shape = tuple(found[0].shape[1:])
    if image_size is not None:
        sizes = image_size
        if isinstance(sizes, numbers.Real):
            sizes = sizes, sizes
        height, width = sizes
        checks.integers(1, height=height, width=width)
        fits = zip(shape, sizes, strict=False)
        if any(own not in (None, wanted) for own, wanted in fits):
            raise ValueError(
                f"The backbone takes images of {shape[:2]}: leave image_size "
                f"out. Received: image_size={image_size}"
            )
        shape = (*sizes, shape[-1])
    if None in shape:
        raise ValueError(
            "A backbone must take images of one size: pass `image_size`, or "
            "build it with input_shape=(height, width, channels). Received: "
            f"{shape}"
        )
    return shape


def _default_local(backbone, found):
    """Returns the name of the layer at the end of a block, or None."""
    usable = [
        (min(shape[:2]), name)
        for name, shape in found.items()
        if min(shape[:2]) >= LEAST_SIDE and max(shape[:2]) <= MOST_SIDE
    ]
    side = max(usable, default=(None,))[0]
    names = [name for size, name in usable if size == side]
    if not names:
        return None
    merges = [
        name for name in names if isinstance(backbone.get_layer(name), _MERGES)
    ]
    # Without merging layers, the last layer is the end of the last block.
    if not merges:
        return names[-1]
    local = merges[-1]
    for name in names[names.index(local) + 1 :]:
        layer = backbone.get_layer(name)
        # A block often ends with an activation after its sum.
        is_end = isinstance(layer, _AFTER_MERGE)
        if not is_end or layer.input is not backbone.get_layer(local).output:
            break
        local = name
    return local


def application_of(model):
    """Returns the module of `preprocess_input`, or None if none is needed.

    It is the name of a module of `keras.applications`, for its models that
    take no raw pixels and are named as Keras names them.
    """
    if _rescales(model):
        return None
    for pattern, module in _APPLICATIONS.items():
        if re.fullmatch(pattern, model.name.lower()):
            return module
    return None


def _rescales(model):
    parts = model._flatten_layers(include_self=False)
    return any(isinstance(part, _RESCALING) for part in parts)


def _preprocessing(backbone, channels):
    """Returns the function from raw pixels to inputs of a backbone, or None."""
    if _rescales(backbone):
        return None
    module = application_of(backbone)
    # The means of some are of three channels.
    if module and channels == 3:
        module = importlib.import_module(f"keras.applications.{module}")
        return module.preprocess_input
    return layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="rescale")


def _listed(found):
    """Returns the last layers of each size, at which its blocks end."""
    names = {}
    for name, (height, width, _) in found.items():
        names.setdefault(f"{height} x {width}", []).append(name)
    return "; ".join(
        f"{size}: {', '.join(of_size[-4:])}" for size, of_size in names.items()
    )
