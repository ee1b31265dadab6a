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
    assert encoders.from_backbone(backbone).output["local"].shape[1:3] == (1, 1)


def own_model():
    """A model of a user's own, with what any of the methods needs."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(5, 3, 2, padding="same", activation="relu")(image)
    return keras.Model(image, x)


ARGUMENTS = {
    "amdim": {"pairings": (("global", "local"),)},
    "byol": {"hidden_units": 4},
    "cmc": {"num_images": 16, "features": ("one", "other"), "num_noise": 3},
    "cpc": {"steps": (1,), "context_units": 4},
    "coding_rate": {"hidden_units": 4, "units": 3},
    "corinfomax": {"hidden_units": 4, "units": 3},
    "instance_discrimination": {"num_images": 16, "num_noise": 3},
    "moco": {"queue_size": 12},
    "raft": {"hidden_units": 4},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_on_a_model_of_ones_own(name):
    encoder = encoders.from_backbone(own_model())
    if name == "cmc":
        image = keras.Input((8, 8, 3))
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
    history = model.fit(tiny.batches(), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for old, weight in zip(before, encoder.trainable_weights, strict=True):
        assert not np.array_equal(old, weight), weight.path


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"input_shape": None}, "images of one size"),
        ({"pooling": "avg"}, "must give a map.*without pooling"),
    ],
)
def test_other_backbones_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        encoders.from_backbone(mobile_net(**arguments))


@pytest.mark.parametrize("kind", [list, dict])
def test_a_backbone_of_several_outputs_is_refused(kind):
    image = keras.Input((8, 8, 3))
    maps = {"one": keras.ops.relu(image), "two": keras.ops.abs(image)}
    outputs = maps if kind is dict else list(maps.values())
    with pytest.raises(ValueError, match="must give a map"):
        encoders.from_backbone(keras.Model(image, outputs))


def test_an_unknown_layer_is_refused(backbone):
    with pytest.raises(ValueError, match="nowhere"):
        encoders.from_backbone(backbone, local="nowhere")
