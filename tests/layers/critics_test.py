import math

import keras
import numpy as np
import pytest
from reference import projection as reference

from keras_dim import layers
from keras_dim.layers import critics


def random_features(*shape, seed=0):
    features = np.random.default_rng(seed).normal(size=shape)
    return features.astype("float32")


def built(critic, summaries, maps):
    critic.build((None, *summaries.shape[1:]), (None, *maps.shape[1:]))
    return critic


def size_of(layer):
    return sum(np.prod(weight.shape) for weight in layer.trainable_weights)


@pytest.mark.parametrize("temperature", [0.5, None])
def test_dot_products_equal_loops(temperature):
    summaries, maps = random_features(3, 4), random_features(3, 2, 2, 5)
    critic = built(layers.DotProductCritic(8, temperature), summaries, maps)
    scores, positives, negatives = critic(summaries, maps, training=True)
    projected_maps = reference.projection(maps, critic.map_projection)
    projected = reference.projection(summaries, critic.summary_projection)
    expected = np.zeros((3, 3, 4))
    for i in range(3):
        for j in range(3):
            for location in range(4):
                part = projected_maps[j, location // 2, location % 2]
                expected[i, j, location] = projected[i] @ part
    # By default, the root of the width.
    expected /= temperature or math.sqrt(8)
    np.testing.assert_allclose(scores.whole(), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(positives[:, :, 0], np.eye(3))
    np.testing.assert_array_equal(negatives, 1 - positives)


def test_every_one_of_several_summaries_is_an_anchor():
    summaries, maps = random_features(3, 2, 2, 4), random_features(3, 2, 1, 5)
    critic = built(layers.DotProductCritic(8, 1.0), summaries, maps)
    scores, positives, negatives = critic(summaries, maps, training=True)
    projected = reference.projection(
        summaries, critic.summary_projection
    ).reshape(12, 8)
    np.testing.assert_allclose(scores.anchors, projected, atol=1e-4)
    assert scores.whole().shape == (12, 3, 2)
    for anchor in range(12):
        for image in range(3):
            is_own = image == anchor // 4
            assert positives[anchor, image, 0] == is_own
            assert negatives[anchor, image, 0] == (not is_own)


def test_summaries_of_the_right_width_are_taken_as_they_are():
    summaries, maps = random_features(3, 8), random_features(3, 2, 2, 5)
    critic = built(layers.DotProductCritic(8, 1.0), summaries, maps)
    assert critic.summary_projection is None
    pairs = critic(summaries, maps, training=True)
    np.testing.assert_array_equal(pairs.scores.anchors, summaries)


def test_critic_of_locations_has_the_published_size():
    summaries, maps = np.zeros((1, 64)), np.zeros((1, 8, 8, 128))
    critic = built(layers.DotProductCritic(), summaries, maps)
    assert size_of(critic.map_projection) == 4_728_832
    assert size_of(critic.summary_projection) == 4_466_688


def test_critic_of_whole_maps_has_the_published_size():
    summaries, maps = np.zeros((1, 64)), np.zeros((1, 8, 8, 128))
    critic = built(layers.DotProductCritic(whole_map=True), summaries, maps)
    assert size_of(critic.map_projection) == 3_937_024
    assert size_of(critic.summary_projection) == 133_120


def test_concatenating_critics_have_the_published_sizes():
    summaries, maps = np.zeros((1, 64)), np.zeros((1, 8, 8, 128))
    local = built(layers.ConcatenateCritic(), summaries, maps)
    assert size_of(local) == 360_960
    whole = built(layers.ConcatenateCritic(whole_map=True), summaries, maps)
    # 4,490,753 minus 512 + 512 + 1 biases.
    assert size_of(whole) == 4_490_753 - 1025


def test_whole_maps_are_scored_with_every_summary():
    summaries, maps = random_features(3, 5), random_features(3, 4, 4, 2)
    critic = built(
        layers.DotProductCritic(7, temperature=2.0, whole_map=True),
        summaries,
        maps,
    )
    scores, positives, negatives = critic(summaries, maps)
    kernel, bias = critic.summary_projection.get_weights()
    expected = (summaries @ kernel + bias) @ np.transpose(
        critic.map_projection(maps)
    )
    np.testing.assert_allclose(
        scores.whole()[:, :, 0], expected / 2, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(positives[:, :, 0], np.eye(3))
    np.testing.assert_array_equal(negatives, 1 - positives)


@pytest.mark.parametrize("whole_map", [False, True])
@pytest.mark.parametrize("num_negatives", [1, 2])
def test_concatenated_scores_equal_loops(num_negatives, whole_map):
    summaries, maps = random_features(3, 4), random_features(3, 2, 1, 5)
    critic = built(
        layers.ConcatenateCritic(6, num_negatives, whole_map=whole_map),
        summaries,
        maps,
    )
    scores, positives, negatives = critic(summaries, maps)
    candidates = maps.reshape(3, 1, 10) if whole_map else maps[:, :, 0]
    num_locations = candidates.shape[1]
    assert scores.shape == (3, 1 + num_negatives, num_locations)
    kernels = critic.get_weights()
    for image in range(3):
        for candidate in range(1 + num_negatives):
            other = (image + candidate) % 3
            for location in range(num_locations):
                x = [*summaries[image], *candidates[other, location]]
                x = np.maximum(x @ kernels[0], 0)
                x = np.maximum(x @ kernels[1], 0)
                np.testing.assert_allclose(
                    scores[image, candidate, location],
                    (x @ kernels[2])[0],
                    rtol=1e-4,
                    atol=1e-5,
                )
    np.testing.assert_array_equal(positives[0, :, 0], [1] + [0] * num_negatives)
    np.testing.assert_array_equal(negatives, 1 - positives)


def test_an_image_is_not_its_own_negative_in_a_small_batch():
    summaries, maps = random_features(3, 4), random_features(3, 2, 1, 5)
    critic = built(layers.ConcatenateCritic(6, 3), summaries, maps)
    with pytest.raises(
        ValueError, match="more images than `num_negatives`, which is 3.*: 3"
    ):
        critic(summaries, maps)


def test_concatenated_scores_take_several_summaries():
    summaries, maps = random_features(3, 2, 2, 4), random_features(3, 2, 1, 5)
    critic = built(layers.ConcatenateCritic(6), summaries, maps)
    scores = critic(summaries, maps).scores
    assert scores.shape == (12, 2, 2)
    np.testing.assert_allclose(
        scores[3::4], critic(summaries[:, 1, 1], maps).scores, rtol=1e-5
    )


CRITICS = [
    layers.DotProductCritic(8, 0.5, "own_replica"),
    layers.DotProductCritic(8, whole_map=True),
    layers.ConcatenateCritic(8, 3),
]


@pytest.mark.parametrize("critic", CRITICS)
def test_config_builds_the_same_critic(critic):
    copy = type(critic).from_config(critic.get_config())
    assert copy.get_config() == critic.get_config()


@pytest.mark.parametrize(
    "critic, kind, units",
    [
        ("dot_product", layers.DotProductCritic, 2048),
        ({"name": "concatenate", "units": 7}, layers.ConcatenateCritic, 7),
    ],
)
def test_critics_are_made_by_name(critic, kind, units):
    made = critics.get(critic)
    assert (type(made), made.units) == (kind, units)
    assert critics.get(made) is made


@pytest.mark.parametrize("whole_map", [False, True])
def test_scores_are_float32_in_half_precision(whole_map):
    keras.config.set_dtype_policy("mixed_float16")
    summaries, maps = random_features(3, 4), random_features(3, 4, 4, 5)
    critic = layers.DotProductCritic(8, whole_map=whole_map)
    critic = built(critic, summaries, maps)
    scores = critic(summaries, maps, training=True).scores
    anchors_type = keras.backend.standardize_dtype(scores.anchors.dtype)
    assert anchors_type == "float16"
    scores_type = keras.backend.standardize_dtype(scores.whole().dtype)
    assert scores_type == "float32"


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: layers.DotProductCritic(0), "`units` must be.* 1 or more.*0"),
        (
            lambda: layers.DotProductCritic(8, 0.0),
            "`temperature` must be above 0. Received: 0.0",
        ),
        (
            lambda: layers.DotProductCritic(8, negatives_from="none"),
            "'none'.*'all_replicas', 'own_replica'",
        ),
        (
            lambda: layers.ConcatenateCritic(8, 0),
            "`num_negatives` must be.* 1 or more.*0",
        ),
        (
            lambda: critics.get({"name": "concatenate", "unit": 8}),
            "no argument 'unit'.*'units'",
        ),
        (lambda: critics.get("dotproduct"), "Did you mean 'dot_product'"),
    ],
)
def test_wrong_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
