import keras
import numpy as np
import pytest
import tiny
from keras import layers

import keras_dim
from keras_dim import encoders


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


OWN = {
    "AMDIM": {"pairings": (("global", "local"),)},
    "BYOL": {"hidden_units": 4, "units": 3},
    "CMC": {"num_images": 16, "features": ("one", "other"), "num_noise": 3},
    "CPC": {"steps": (1,), "context_units": 4},
    "CodingRate": {"hidden_units": 4, "units": 3},
    "CorInfoMax": {"hidden_units": 4, "units": 3},
    "DeepInfoMax": {},
    "InstanceDiscrimination": {"num_images": 16, "num_noise": 3},
    "MoCo": {"queue_size": 12, "units": 3},
    "RAFT": {"hidden_units": 4, "units": 3},
    "SimCLR": {"units": 3},
    "AlignmentUniformity": {"units": 3},
}


def test_all_methods_are_tried():
    methods = {method.__name__ for method in keras_dim.methods.METHODS.values()}
    assert set(OWN) == methods


@pytest.mark.parametrize("name", OWN)
def test_a_method_trains_on_a_model_of_ones_own(name):
    encoder = encoders.from_backbone(own_model())
    views = tiny.two_views()
    if name == "CMC":
        image = keras.Input((8, 8, 3))
        networks = [encoders.from_backbone(own_model()) for _ in range(2)]
        features = [network(image)["global"] for network in networks]
        encoder = keras.Model(
            image, dict(zip(("one", "other"), features, strict=True))
        )
    if name in ("DeepInfoMax", "InstanceDiscrimination", "CMC", "CPC"):
        views = tiny.one_view()
    if name == "MoCo":
        views = tiny.two_views(("query", "key"))
    method = getattr(keras_dim, name)
    model = method(encoder, views=views, seed=1, **OWN[name])
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


def test_an_unknown_layer_is_refused(backbone):
    with pytest.raises(ValueError, match="nowhere"):
        encoders.from_backbone(backbone, local="nowhere")
