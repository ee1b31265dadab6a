import keras
import numpy as np
import pytest
from reference import projection as reference

from keras_dim import layers


def random_features(*shape, seed=0):
    features = np.random.default_rng(seed).normal(size=shape)
    return features.astype("float32")


def built(critic, summaries, parts):
    critic.build((None, *summaries.shape[1:]), (None, *parts.shape[1:]))
    return critic


def size_of(layer):
    return sum(np.prod(weight.shape) for weight in layer.trainable_weights)


def test_dot_products_equal_loops():
    summaries, parts = random_features(3, 4), random_features(3, 2, 2, 5)
    critic = built(layers.DotProductCritic(8, 0.5), summaries, parts)
    scores, positives, negatives = critic(summaries, parts, training=True)
    projected_parts = reference.critic_projection(parts, critic.part_projection)
    projected = reference.critic_projection(
        summaries, critic.summary_projection
    )
    expected = np.zeros((3, 3, 4))
    for i in range(3):
        for j in range(3):
            for location in range(4):
                part = projected_parts[j, location // 2, location % 2]
                expected[i, j, location] = projected[i] @ part / 0.5
    np.testing.assert_allclose(scores.whole(), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(positives[:, :, 0], np.eye(3))
    np.testing.assert_array_equal(negatives, 1 - positives)


def test_every_one_of_several_summaries_is_an_anchor():
    summaries, parts = random_features(3, 2, 2, 4), random_features(3, 2, 1, 5)
    critic = built(layers.DotProductCritic(8), summaries, parts)
    scores, positives, negatives = critic(summaries, parts, training=True)
    projected = reference.critic_projection(
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
    summaries, parts = random_features(3, 8), random_features(3, 2, 2, 5)
    critic = built(layers.DotProductCritic(8), summaries, parts)
    assert critic.summary_projection is None
    pairs = critic(summaries, parts, training=True)
    np.testing.assert_array_equal(pairs.scores.anchors, summaries)


def test_local_critic_has_the_published_size():
    summaries, parts = np.zeros((1, 64)), np.zeros((1, 8, 8, 128))
    critic = built(layers.DotProductCritic(), summaries, parts)
    assert size_of(critic.part_projection) == 4_728_832
    assert size_of(critic.summary_projection) == 4_466_688


def test_global_critic_has_the_published_size():
    summaries, parts = np.zeros((1, 64)), np.zeros((1, 8, 8, 128))
    critic = built(layers.GlobalDotProductCritic(), summaries, parts)
    assert size_of(critic.part_projection) == 3_937_024
    assert size_of(critic.summary_projection) == 133_120


def test_concatenating_critics_have_the_published_sizes():
    summaries = np.zeros((1, 64))
    local = built(
        layers.ConcatenateCritic(), summaries, np.zeros((1, 8, 8, 128))
    )
    assert size_of(local) == 360_960
    whole = built(
        layers.ConcatenateCritic(), summaries, np.zeros((1, 1, 1, 8192))
    )
    # 4,490,753 with the 512 + 512 + 1 biases that this one has not.
    assert size_of(whole) == 4_490_753 - 1025


def test_global_critic_scores_every_image_with_every_summary():
    summaries, parts = random_features(3, 5), random_features(3, 4, 4, 2)
    critic = built(
        layers.GlobalDotProductCritic(7, temperature=2.0), summaries, parts
    )
    scores, positives, negatives = critic(summaries, parts)
    kernel, bias = critic.summary_projection.get_weights()
    expected = (summaries @ kernel + bias) @ np.transpose(
        critic.part_projection(parts)
    )
    np.testing.assert_allclose(
        scores.whole()[:, :, 0], expected / 2, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(positives[:, :, 0], np.eye(3))
    np.testing.assert_array_equal(negatives, 1 - positives)


@pytest.mark.parametrize("num_negatives", [1, 2])
def test_concatenated_scores_equal_loops(num_negatives):
    summaries, parts = random_features(3, 4), random_features(3, 2, 1, 5)
    critic = built(layers.ConcatenateCritic(6, num_negatives), summaries, parts)
    scores, positives, negatives = critic(summaries, parts)
    assert scores.shape == (3, 1 + num_negatives, 2)
    kernels = critic.get_weights()
    for image in range(3):
        for candidate in range(1 + num_negatives):
            other = (image + candidate) % 3
            for location in range(2):
                x = [*summaries[image], *parts[other, location, 0]]
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
    summaries, parts = random_features(3, 4), random_features(3, 2, 1, 5)
    critic = built(layers.ConcatenateCritic(6, 4), summaries, parts)
    _, positives, negatives = critic(summaries, parts)
    assert np.array(positives)[0, :, 0].tolist() == [1, 0, 0, 0, 0]
    assert np.array(negatives)[0, :, 0].tolist() == [0, 1, 1, 0, 0]


def test_concatenated_scores_take_several_summaries():
    summaries, parts = random_features(3, 2, 2, 4), random_features(3, 2, 1, 5)
    critic = built(layers.ConcatenateCritic(6), summaries, parts)
    scores = critic(summaries, parts).scores
    assert scores.shape == (12, 2, 2)
    np.testing.assert_allclose(
        scores[3::4], critic(summaries[:, 1, 1], parts).scores, rtol=1e-5
    )


@pytest.mark.parametrize(
    "critic",
    [
        layers.DotProductCritic(8, 0.5),
        layers.GlobalDotProductCritic(8, 0.5),
        layers.ConcatenateCritic(8, 3),
    ],
    ids=lambda critic: type(critic).__name__,
)
def test_config_builds_the_same_critic(critic):
    copy = type(critic).from_config(critic.get_config())
    assert copy.get_config() == critic.get_config()


@pytest.mark.parametrize("kind", ["DotProductCritic", "GlobalDotProductCritic"])
def test_scores_are_float32_in_half_precision(kind):
    keras.config.set_dtype_policy("mixed_float16")
    summaries, parts = random_features(3, 4), random_features(3, 4, 4, 5)
    critic = built(getattr(layers, kind)(8), summaries, parts)
    scores = critic(summaries, parts, training=True).scores
    anchors_type = keras.backend.standardize_dtype(scores.anchors.dtype)
    assert anchors_type == "float16"
    scores_type = keras.backend.standardize_dtype(scores.whole().dtype)
    assert scores_type == "float32"
