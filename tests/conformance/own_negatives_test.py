"""Negatives from a replica's own images only."""

import contextlib

import keras
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim import layers

METHODS = {
    "amdim": lambda: tiny.amdim(negatives_from="own_replica"),
    "concatenate": lambda: keras_dim.DeepInfoMax(
        tiny.encoder(),
        bound="jensen_shannon",
        critic=layers.ConcatenateCritic(8, negatives_from="own_replica"),
        seed=1,
    ),
    "dot_product": lambda: keras_dim.DeepInfoMax(
        tiny.encoder(),
        alpha=0.5,
        critic=layers.DotProductCritic(8, negatives_from="own_replica"),
        seed=1,
    ),
}


def evaluate(make, batch_size, strategy=None):
    """Returns the terms for given views, without random numbers."""
    images = tf.cast(tiny.images(), "float32")
    batches = tf.data.Dataset.from_tensor_slices(
        {"image": images, "view_1": images, "view_2": images[:, ::-1]}
    ).batch(batch_size, drop_remainder=True)
    keras.utils.set_random_seed(1)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = make()
        model.compile("sgd", jit_compile=False)
    return model.evaluate(batches, verbose=0, return_dict=True)


@pytest.mark.parametrize("name", METHODS)
def test_each_replica_is_a_batch_of_its_own(name, two_replicas):
    make = METHODS[name]
    terms = evaluate(make, tiny.BATCH_SIZE, two_replicas)
    # The prior draws other numbers for half a batch.
    kept = [term for term in terms if "prior" not in term and term != "loss"]
    alone = evaluate(make, tiny.BATCH_SIZE // 2)
    together = evaluate(make, tiny.BATCH_SIZE)
    for term in kept:
        assert terms[term] == pytest.approx(alone[term], rel=1e-4, abs=1e-5)
        if term != "score_penalty":
            assert terms[term] != pytest.approx(together[term], rel=1e-3)


def test_one_image_on_each_replica_has_no_negatives(two_replicas):
    with pytest.raises(ValueError, match="one image has no negatives"):
        evaluate(METHODS["dot_product"], 2, two_replicas)


def test_an_unknown_choice_is_refused():
    with pytest.raises(ValueError, match="negatives_from.*'elsewhere'"):
        tiny.amdim(negatives_from="elsewhere")
    with pytest.raises(ValueError, match="negatives_from.*'elsewhere'"):
        layers.DotProductCritic(negatives_from="elsewhere")
