import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import pairs
from keras_dim.mutual_information import rankings


@pytest.fixture(scope="module")
def arrays():
    return golden.load("contrastive_npair_margin")


@pytest.mark.parametrize(
    "one_vs_one, name", [(False, "npair_mc"), (True, "npair_ovo")]
)
def test_n_pair_equals_the_published_one(arrays, one_vs_one, name):
    names = ("anchors", "positives")
    vectors = [tf.constant(arrays[each], "float32") for each in names]
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        loss = rankings.n_pair(*vectors, one_vs_one)
    np.testing.assert_allclose(loss, arrays[name], rtol=1e-5)
    if not one_vs_one:
        slopes = tape.gradient(loss, vectors)
        for slope, of in zip(slopes, ("anchors", "positives"), strict=True):
            np.testing.assert_allclose(
                slope, arrays[f"grad_{of}"], rtol=1e-4, atol=1e-6
            )


def test_n_pair_penalises_lengths(arrays):
    anchors, positives = arrays["anchors"], arrays["positives"]
    bare, with_l2 = (
        float(rankings.n_pair(anchors, positives, l2=l2)) for l2 in (0.0, 0.1)
    )
    expected = (
        arrays["l2_sum_sq_anchors_mean"] + arrays["l2_sum_sq_positives_mean"]
    )
    assert with_l2 - bare == pytest.approx(0.1 * float(expected), rel=1e-4)


def test_the_softmax_of_n_pairs_is_info_nce(arrays):
    scores = arrays["anchors"] @ arrays["positives"].T
    own = np.eye(5)
    information = bounds.info_nce(scores, own, 1 - own)
    found = rankings.n_pair(arrays["anchors"], arrays["positives"])
    np.testing.assert_allclose(np.log(5) - information, found, rtol=1e-5)


def test_one_vs_one_as_a_bound_is_that_of_n_pairs(arrays):
    scores = arrays["anchors"] @ arrays["positives"].T
    own = np.eye(5)
    value = bounds.BOUND_OBJECTS["one_vs_one"]()(scores, own, 1 - own)
    np.testing.assert_allclose(-value, arrays["npair_ovo"], rtol=1e-5)


@pytest.mark.parametrize("margin", ["1", "1.25", "2"])
def test_contrastive_margin_equals_the_published_one(arrays, margin):
    found = rankings.contrastive_margin(
        arrays["dist"] ** 2, arrays["dissimilar"], float(margin)
    )
    expected = arrays[f"hadsell_margin{margin}"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_coincident_pairs_that_differ_have_no_slope(arrays):
    first = tf.Variable(arrays["e1"], dtype="float32")
    second = tf.constant(arrays["e2"], "float32")
    with tf.GradientTape() as tape:
        squares = tf.reduce_sum((first - second) ** 2, axis=1)
        losses = rankings.contrastive_margin(
            squares, tf.constant(arrays["e_dissimilar"], "float32")
        )
        loss = tf.reduce_mean(losses)
    np.testing.assert_allclose(loss, arrays["e_loss_margin1"], rtol=1e-5)
    np.testing.assert_allclose(
        tape.gradient(loss, first),
        arrays["e_grad1_margin1_zero_at_coincidence"],
        rtol=1e-4,
        atol=1e-6,
    )


def unit_vectors(shape, seed=0):
    vectors = np.random.default_rng(seed).normal(size=shape)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_margins_as_bounds_equal_slow_versions():
    views = unit_vectors((2, 4, 3))
    of_views = pairs.view_pairs(list(views.astype("float32")))
    z = np.stack(views, axis=1).reshape(8, 3)
    hinges, near, apart = [], [], []
    for i in range(8):
        own = z[i] @ z[i ^ 1]
        near.append(0.5 * np.sum((z[i] - z[i ^ 1]) ** 2))
        for j in range(8):
            if i // 2 != j // 2:
                hinges.append(max(0.0, z[i] @ z[j] - own + 0.4))
                distance = np.linalg.norm(z[i] - z[j])
                apart.append(0.5 * max(0.0, 1.5 - distance) ** 2)
    value = bounds.BOUND_OBJECTS["margin"]()(*of_views)
    np.testing.assert_allclose(-value, np.mean(hinges), rtol=1e-5)
    value = rankings.ContrastiveMargin(1.5)(*of_views)
    expected = np.mean(near) + np.mean(apart)
    np.testing.assert_allclose(-value, expected, rtol=1e-4)


@pytest.mark.parametrize("name", rankings.RANKINGS)
def test_they_are_rebuilt_from_their_config(name):
    ranking = bounds.BOUND_OBJECTS[name]()
    config = keras.saving.serialize_keras_object(ranking)
    assert keras.saving.deserialize_keras_object(config) == ranking


@pytest.mark.parametrize("name", rankings.RANKINGS)
def test_scores_of_maps_are_refused(name):
    of_maps = pairs.dot_product_pairs(np.ones((2, 3)), np.ones((2, 4, 3)))
    with pytest.raises(ValueError, match="one positive to a row.*of maps"):
        bounds.BOUND_OBJECTS[name]()(*of_maps)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: rankings.Margin(-0.1), "`margin`.*0 or more"),
        (lambda: rankings.ContrastiveMargin(2.0), "`margin`.*below 2"),
        (
            lambda: rankings.n_pair(np.ones((4, 3)), np.ones((1, 3))),
            "`positives` must have the shape",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
