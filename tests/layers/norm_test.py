import keras

from keras_dim.layers import norm


def test_other_backends_are_asked_for_no_replicas(monkeypatch):
    layer = keras.layers.BatchNormalization(synchronized=True)
    config = {
        "encoder": {
            "class_name": "Functional",
            "config": {"layers": [keras.saving.serialize_keras_object(layer)]},
        },
        "shape": (4, 4),
    }
    assert norm.loadable(config) == config
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")

    (found,) = norm.loadable(config)["encoder"]["config"]["layers"]

    assert found["config"]["synchronized"] is False
    assert norm.loadable(config)["shape"] == (4, 4)
    # The given config is not changed.
    (came,) = config["encoder"]["config"]["layers"]
    assert came["config"]["synchronized"] is True
