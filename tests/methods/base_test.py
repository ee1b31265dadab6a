"""What a saved method takes to another place, and what it does not."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from keras_dim import distribution

# Batch norm in the encoder, and within layers of the method.
NAME = "amdim_mixtures_chunked"


def synchronized(model):
    return [
        layer.synchronized
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


def make(strategy=None, **compile_arguments):
    """A compiled method, with all that an optimizer saves."""
    model = tiny.make(NAME, strategy, **compile_arguments)
    model._maybe_symbolic_build()
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


def test_one_device_s_model_spans_the_replicas_that_load_it(path, two_replicas):
    # As "auto" comes out on one GPU.
    model = make(jit_compile=True)
    assert not any(synchronized(model))
    model.save(path)

    with two_replicas.scope():
        loaded = keras.models.load_model(path)

    assert len(synchronized(loaded)) == len(synchronized(model)) > 1
    assert all(synchronized(loaded))
    assert not loaded.jit_compile
    loaded._refuse_what_keras_cannot_distribute()


def test_a_model_of_replicas_is_loaded_by_one_device(path, two_replicas):
    model = make(two_replicas)
    assert all(synchronized(model))
    model.save(path)

    assert not any(synchronized(keras.models.load_model(path)))


def test_what_a_user_chose_stays_in_the_same_place(path, two_replicas):
    make(jit_compile=True).save(path)
    assert keras.models.load_model(path).jit_compile
    model = make(two_replicas)
    for layer in model.encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = False
    model.save(path)

    with two_replicas.scope():
        loaded = keras.models.load_model(path)

    assert synchronized(loaded) == synchronized(model)
    assert not all(synchronized(loaded))


def test_models_from_before_the_number_was_saved_are_loaded(
    path, two_replicas, monkeypatch
):
    model = make(jit_compile=True)
    whole = type(model).get_compile_config
    monkeypatch.setattr(
        type(model),
        "get_compile_config",
        lambda self: {
            name: value
            for name, value in whole(self).items()
            if name != "num_replicas"
        },
    )
    model.save(path)

    with two_replicas.scope():
        loaded = keras.models.load_model(path)

    assert all(synchronized(loaded))
    assert distribution.num_replicas_of(loaded) == 2
    assert not loaded.jit_compile


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # 7 other images, of 16 locations or of the 5 drawn.
        ("deep_infomax_local", {"local_information": 7 * 16}),
        (
            "deep_infomax_sampled_and_chunked",
            {"global_information": 7, "local_information": 7 * 5},
        ),
        ("moco", {"contrastive_information": 12}),
        (
            "amdim",
            {
                "global_to_map_2": 7 * 4,
                "global_to_map_3": 7 * 9,
                "map_2_to_map_2": 7 * 4,
            },
        ),
        ("byol", {}),
    ],
)
def test_ceilings_are_the_logarithm_of_the_candidates(name, expected):
    model = tiny.METHODS[name]()

    assert model.ceilings(8) == {
        term: pytest.approx(math.log(1 + number))
        for term, number in expected.items()
    }


def test_a_mixture_raises_the_ceilings_of_the_terms_that_it_makes():
    model = tiny.METHODS["amdim_mixtures_chunked"]()

    assert model.ceilings(8) == {
        "global_to_map_3": pytest.approx(math.log(1 + 7 * 9) + math.log(3) / 2),
        "map_2_to_global": pytest.approx(math.log(1 + 7)),
    }


def test_scores_that_tell_every_pair_apart_reach_the_ceiling():
    model = tiny.METHODS["deep_infomax_local"]()
    positives = np.eye(8)[:, :, None]
    scores = np.broadcast_to(100.0 * positives - 50.0, (8, 8, 16))
    value = float(model.bound(scores, positives, 1.0 - positives))

    assert value == pytest.approx(model.ceilings(8)["local_information"])


def test_a_step_of_ones_own_is_compiled_without_a_warning(caplog):
    model = tiny.make("deep_infomax_local")

    @tf.function
    def step(images):
        outputs = model(images, training=True)
        return model.compute_loss(images, None, outputs)

    assert np.isfinite(step(tiny.images()[:4].astype("float32")))
    assert "AutoGraph" not in caplog.text
