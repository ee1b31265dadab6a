import keras
import numpy as np
import pytest
import tiny
from keras import layers

from keras_dim import encoders
from keras_dim.methods import METHODS


def mobile_net(**arguments):
    arguments = {"include_top": False, "input_shape": (32, 32, 3)} | arguments
    return keras.applications.MobileNetV2(weights=None, alpha=0.35, **arguments)


@pytest.fixture(scope="module")
def backbone():
    return mobile_net()


def test_features_are_those_of_the_backbone(backbone):
    preprocess = keras.applications.mobilenet_v2.preprocess_input
    encoder = encoders.from_backbone(backbone, preprocess, "block_6_expand")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    found = encoder(images)
    expected = backbone(preprocess(images.astype("float32")))
    np.testing.assert_allclose(found["conv"], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found["global"], np.mean(expected, axis=(1, 2)), rtol=1e-4, atol=1e-5
    )
    assert found["local"].shape[1:3] == (4, 4)
    # The preprocessing of a model of keras.applications, known by its name.
    for name, feature in encoders.from_backbone(backbone)(images).items():
        if name != "local":
            np.testing.assert_allclose(
                feature, found[name], rtol=1e-4, atol=1e-5
            )


# Neither square nor of as many locations along both axes.
OBLONG = (8, 12, 3)


def own_model():
    """A model of a user's own, with what any of the methods needs."""
    image = keras.Input(OBLONG)
    x = layers.Conv2D(5, 3, 2, padding="same", activation="relu")(image)
    return keras.Model(image, x)


ARGUMENTS = {
    "amdim": {"pairings": (("global", "local"),)},
    "byol": {"hidden_units": 4},
    "cmc": {"num_images": 16, "features": ("one", "other"), "num_noise": 3},
    "cpc": {"steps": (1,), "context_units": 4},
    "coding_rate": {"hidden_units": 4, "units": 3},
    "corinfomax": {"hidden_units": 4, "units": 3},
    "distillation": {"teacher": tiny.encoder()},
    "instance_discrimination": {"num_images": 16, "num_noise": 3},
    "moco": {"queue_size": 12},
    "raft": {"hidden_units": 4},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_on_a_model_of_ones_own_for_oblong_images(name):
    encoder = encoders.from_backbone(own_model())
    if name == "cmc":
        image = keras.Input(OBLONG)
        networks = [encoders.from_backbone(own_model()) for _ in range(2)]
        features = [network(image)["global"] for network in networks]
        encoder = keras.Model(
            image, dict(zip(("one", "other"), features, strict=True))
        )
    names = METHODS[name].view_names
    views = tiny.two_views(names) if len(names) == 2 else tiny.one_view()
    method = METHODS[name]
    arguments = ARGUMENTS.get(name, {})
    model = method(encoder, views=views, seed=1, **arguments)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    before = [np.array(w) for w in encoder.trainable_weights]
    pixels = np.random.default_rng(0).integers(0, 256, (16, *OBLONG), "uint8")
    images = {"image": pixels, "index": np.arange(16)}
    history = model.fit(images, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for old, weight in zip(before, encoder.trainable_weights, strict=True):
        assert not np.array_equal(old, weight), weight.path


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": None}, "images of one size: pass `image_size`"),
        ({"pooling": "avg"}, "must give a map.*without pooling"),
    ],
)
def test_other_backbones_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        encoders.from_backbone(mobile_net(**arguments))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image_size": 12.5}, "`height`.*Received: 12.5"),
        ({"image_size": 12, "preprocess": "imagenet"}, "'imagenet'"),
        ({"image_size": 12, "norm_momentum": 1}, "below 1"),
    ],
)
def test_other_arguments_are_refused(arguments, message):
    image = keras.Input((None, None, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    with pytest.raises(ValueError, match=message):
        encoders.from_backbone(backbone, **arguments)
    size = np.int64(12)
    found = encoders.from_backbone(backbone, image_size=size).output["conv"]
    assert found.shape == (None, 10, 10, 2)


@pytest.mark.parametrize("kind", [list, dict])
def test_a_backbone_of_several_outputs_is_refused(kind):
    image = keras.Input((8, 8, 3))
    maps = {"one": keras.ops.relu(image), "two": keras.ops.abs(image)}
    outputs = maps if kind is dict else list(maps.values())
    with pytest.raises(ValueError, match="must give a map"):
        encoders.from_backbone(keras.Model(image, outputs))


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "block_2_ad",
            "not there. Did you mean 'block_2_add'.*8 x 8:",
        ),
        ("input_layer", "gives no map"),
    ],
)
def test_a_layer_without_a_map_is_refused_with_those_that_have_one(
    backbone, name, message
):
    if name == "input_layer":
        name = backbone.layers[0].name
    with pytest.raises(ValueError, match=message) as error:
        encoders.from_backbone(backbone, local=name)
    assert "\n" not in str(error.value)


def test_the_local_map_is_the_end_of_a_block_of_6_to_14_locations_a_side():
    # Maps of 16, 8, 4, 2 and 1 a side; the next block starts within the 8s.
    for backbone, local in (
        (mobile_net(), "block_2_add"),
        (
            # Depthwise convolutions of stride 2 in blocks without a sum.
            keras.applications.MobileNet(
                alpha=0.25,
                include_top=False,
                weights=None,
                input_shape=(64, 64, 3),
            ),
            "conv_pw_5_relu",
        ),
    ):
        encoder = encoders.from_backbone(backbone)
        assert last_layer_before(encoder, "local") == local
        shape = encoders.map_layers(backbone)[local]
        assert encoder.output["local"].shape[1:] == shape
        assert shape[:2] == (8, 8)


def last_layer_before(encoder, feature):
    inner = encoder.get_layer("backbone")
    to_map = keras.Model(inner.inputs[0], inner.output[feature])
    return to_map.layers[-1].name


def residual(image_size=(20, 28), merge=True):
    """A model of any image size whose block ends with an activation."""
    image = keras.Input((*image_size, 3))
    x = layers.Conv2D(4, 3, 2, padding="same", use_bias=False)(image)
    x = skip = layers.BatchNormalization(name="stem")(x)
    x = layers.Conv2D(4, 3, padding="same")(x)
    x = layers.Add(name="sum")([x, skip]) if merge else x
    x = layers.ReLU(name="end")(x)
    x = layers.Conv2D(8, 1, name="expand")(x)
    return keras.Model(image, layers.Conv2D(5, 3, 2, name="last")(x))


def test_a_block_ends_with_the_activation_after_its_sum():
    for merge, expected in ((True, "end"), (False, "expand")):
        encoder = encoders.from_backbone(residual(merge=merge))
        assert last_layer_before(encoder, "local") == expected
        assert encoder.output["local"].shape[1:3] == (10, 14)


def test_a_backbone_of_any_size_takes_images_that_are_not_square():
    encoder = encoders.from_backbone(
        residual((None, None)), image_size=(20, 28)
    )
    assert encoder.input_shape == (None, 20, 28, 3)
    shapes = {name: out.shape[1:] for name, out in encoder.output.items()}
    assert shapes == {"local": (10, 14, 4), "conv": (4, 6, 5), "global": (5,)}
    images = np.zeros((2, 20, 28, 3), "uint8")
    assert encoder(images)["local"].shape == (2, 10, 14, 4)
    with pytest.raises(ValueError, match="takes images of .20, 28."):
        encoders.from_backbone(residual(), image_size=32)


def test_sequential_models_and_subclasses_are_backbones():
    stack = [layers.Conv2D(3, 1), layers.ReLU(), layers.Conv2D(4, 3, 2)]
    sequential = keras.Sequential([keras.Input((8, 8, 3)), *stack])

    class Backbone(keras.Model):
        """Functional by its `__init__`, as those of KerasHub."""

        def __init__(self):
            inner = residual((None, None))
            super().__init__(inputs=inner.inputs, outputs=inner.outputs)

    encoder = encoders.from_backbone(sequential)
    assert encoder.output["local"].shape[1:] == (8, 8, 3)
    encoder = encoders.from_backbone(Backbone(), image_size=20)
    assert encoder.output["local"].shape[1:] == (10, 10, 4)


def test_pixels_are_rescaled_once():
    image = keras.Input((8, 8, 3))
    own = layers.Rescaling(1 / 255)(image)
    for tensor, expected in ((image, 1.0), (own, 1.0)):
        kernel = {"kernel_initializer": "ones", "use_bias": False}
        backbone = keras.Model(image, layers.Conv2D(1, 1, **kernel)(tensor))
        encoder = encoders.from_backbone(backbone)
        white = np.full((1, 8, 8, 3), 255, "uint8")
        np.testing.assert_allclose(
            encoder(white)["global"], [[3 * expected]], rtol=1e-5
        )
    raw = encoders.from_backbone(backbone, preprocess=None)
    np.testing.assert_allclose(raw(white)["global"], [[3.0]], rtol=1e-5)


def test_batch_norms_get_a_momentum_for_short_runs():
    for arguments, momentum in (
        ({}, 0.9),
        ({"norm_momentum": 0.95}, 0.95),
        ({"norm_momentum": None}, 0.99),
    ):
        encoder = encoders.from_backbone(residual(), **arguments)
        norm = encoder.get_layer("backbone").get_layer("stem")
        assert norm.momentum == momentum
