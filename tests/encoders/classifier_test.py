import keras
import numpy as np
import pytest
from keras import layers
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim import encoders

IMAGES = pixels(np.random.default_rng(0), 16)
LABELS = np.arange(16) % 3
LOSS = "sparse_categorical_crossentropy"


def weights_by_kind(model):
    """Weights of the encoder's batch norms, and its others, as one each."""
    norms, others = [], []
    for layer in model.get_layer("encoder")._flatten_layers():
        is_norm = isinstance(layer, layers.BatchNormalization)
        if not layer._layers:
            (norms if is_norm else others).extend(layer.get_weights())
    return tuple(
        np.concatenate([w.ravel() for w in x]) for x in (norms, others)
    )


def fit(model):
    model.compile(keras.optimizers.SGD(0.1), LOSS)
    model.fit(IMAGES, LABELS, epochs=2, batch_size=8, verbose=0)


def test_a_new_classifier_has_the_features_of_the_encoder():
    encoder = tiny_encoder()
    model = encoders.classifier(encoder, 3, "local")
    kernel, bias = model.get_layer("probabilities").get_weights()
    features = np.reshape(encoder(IMAGES)["local"], (16, -1))
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-4, atol=1e-6)


# A warning is an error: layers of other features would have no gradient.
@pytest.mark.parametrize("feature", ["fc", "global", "conv"])
def test_fit_trains_the_encoder_once_it_is_unfrozen(feature):
    encoder = tiny_encoder()
    before = encoder.get_weights()
    model = encoders.classifier(encoder, 3, feature)
    norms, others = weights_by_kind(model)
    fit(model)
    for found, old in zip(weights_by_kind(model), (norms, others), strict=True):
        np.testing.assert_array_equal(found, old)
    encoders.unfreeze(model)
    fit(model)
    found = weights_by_kind(model)
    np.testing.assert_array_equal(found[0], norms)
    assert not np.array_equal(found[1], others)
    # The encoder itself is trained by nothing here, and can be trained on.
    for old, new in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert encoder.trainable and len(encoder.trainable_weights) > 4


def test_batch_norms_run_in_inference_mode_while_the_encoder_is_trained():
    model = encoders.classifier(tiny_encoder(), 3, trainable=True)
    np.testing.assert_allclose(
        model(IMAGES, training=True), model(IMAGES, training=False), rtol=1e-6
    )


def test_keras_does_not_keep_training_false_of_a_model_within_a_model():
    # Why `unfreeze` goes through the layers.
    encoder = tiny_encoder()
    image = keras.Input(encoder.input_shape[1:])
    outer = keras.Model(image, encoder(image, training=False)["global"])
    outer.compile("sgd", "mse")
    before = [w for w in encoder.weights if "moving" in w.path]
    before = [np.array(w) for w in before]
    outer.fit(IMAGES, np.zeros((16, 5)), verbose=0)
    after = [np.array(w) for w in encoder.weights if "moving" in w.path]
    assert all(
        not np.array_equal(*pair) for pair in zip(before, after, strict=True)
    )


def test_a_loaded_classifier_is_unfrozen_by_its_name(tmp_path):
    model = encoders.classifier(tiny_encoder(), 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_weights) == 2
    encoders.unfreeze(loaded)
    assert len(loaded.trainable_weights) > 2


def test_other_models_and_features_are_refused():
    with pytest.raises(ValueError, match="no feature 'nothing'"):
        encoders.classifier(tiny_encoder(), 3, "nothing")
    with pytest.raises(ValueError, match="num_classes"):
        encoders.classifier(tiny_encoder(), 1)
    with pytest.raises(ValueError, match="model of `encoders.classifier`"):
        encoders.unfreeze(tiny_encoder())
