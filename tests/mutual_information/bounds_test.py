import golden
import keras
import numpy as np
import pytest
from keras import ops
from reference import bounds as reference

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information.pairs import DotProductScores

# The names of bounds in the stored numbers of the authors' code.
GOLDEN_LOSSES = {
    "gan": "fd_GAN",
    "jensen_shannon": "fd_JSD",
    "kullback_leibler": "fd_KL",
    "reverse_kullback_leibler": "fd_RKL",
    "squared_hellinger": "fd_H2",
    "donsker_varadhan": "dv_intended",
}


@pytest.fixture(params=bounds.BOUNDS)
def name(request):
    return request.param


def random_scores(shape, seed=0):
    scores = np.random.default_rng(seed).normal(size=shape)
    return scores.astype("float32")


def masks(num_images, num_axes=2):
    same = np.eye(num_images, dtype="float32")
    same = same.reshape(same.shape + (1,) * (num_axes - 2))
    return same, 1 - same


def golden_pairs(case):
    """Scores of a golden case: every (image, global) is an anchor."""
    arrays = golden.load("dim_losses")
    local = np.transpose(arrays[f"{case}_l"], (0, 2, 1))
    summaries = np.transpose(arrays[f"{case}_m"], (0, 2, 1))
    num_images, num_globals, units = summaries.shape
    anchors = summaries.reshape(-1, units)
    positives = np.repeat(np.eye(num_images), num_globals, axis=0)[:, :, None]
    scores = np.einsum("au,jlu->ajl", anchors, local)
    return arrays, scores, positives, 1 - positives


def test_every_bound_equals_loops(name):
    positives, negatives = masks(3)
    for seed in range(3):
        scores = random_scores((3, 3), seed)
        np.testing.assert_allclose(
            bounds.BOUND_OBJECTS[name]()(scores, positives, negatives),
            reference.BOUNDS[name](scores, positives, negatives),
            rtol=1e-5,
            atol=1e-6,
        )


def test_every_bound_equals_loops_with_several_locations(name):
    scores = random_scores((4, 4, 5))
    positives, negatives = masks(4, 3)
    np.testing.assert_allclose(
        bounds.BOUND_OBJECTS[name]()(scores, positives, negatives),
        reference.BOUNDS[name](scores, positives, negatives),
        rtol=1e-5,
        atol=1e-6,
    )


def test_every_bound_ignores_pairs_in_neither_mask(name):
    scores = random_scores((3, 4))
    positives, negatives = masks(4)
    positives, negatives = positives[:3], negatives[:3].copy()
    negatives[:, 3] = 0
    value = bounds.BOUND_OBJECTS[name]()(scores, positives, negatives)
    np.testing.assert_allclose(
        value,
        reference.BOUNDS[name](scores, positives, negatives),
        rtol=1e-5,
        atol=1e-6,
    )
    # Nor may an overflow in such pairs change the value.
    scores[:, 3] = 1e4
    np.testing.assert_array_equal(
        bounds.BOUND_OBJECTS[name]()(scores, positives, negatives), value
    )


@pytest.mark.parametrize("case", ["a", "b"])
@pytest.mark.parametrize("bound", GOLDEN_LOSSES)
def test_bounds_equal_the_authors_losses(case, bound):
    arrays, *pairs = golden_pairs(case)
    np.testing.assert_allclose(
        bounds.BOUND_OBJECTS[bound]()(*pairs),
        -arrays[f"{case}_{GOLDEN_LOSSES[bound]}"],
        rtol=1e-5,
    )


@pytest.mark.parametrize("chunk_size", [None, 3])
@pytest.mark.parametrize("case", ["a", "b"])
def test_info_nce_equals_the_authors_loss_with_own_image_at_minus_10(
    case, chunk_size
):
    arrays, scores, positives, negatives = golden_pairs(case)
    num_negatives = (scores.shape[1] - 1) * scores.shape[2]
    if chunk_size is not None:
        summaries = np.transpose(arrays[f"{case}_m"], (0, 2, 1))
        scores = DotProductScores(
            summaries.reshape(-1, summaries.shape[-1]),
            np.transpose(arrays[f"{case}_l"], (0, 2, 1)),
        )
    value = bounds.info_nce(
        scores,
        positives.astype("float32"),
        negatives.astype("float32"),
        own_image_score=-10.0,
        chunk_size=chunk_size,
    )
    np.testing.assert_allclose(
        float(value) - np.log(1 + num_negatives),
        -arrays[f"{case}_nce"],
        rtol=1e-5,
    )


def test_own_image_score_enters_the_denominator():
    # Far below zero, as the scores of a trained critic, -10 is a strong rival.
    scores = random_scores((3, 3, 2)) - 12
    pairs = scores, *masks(3, 3)
    value = bounds.info_nce(*pairs, own_image_score=-10.0)
    np.testing.assert_allclose(
        value, reference.info_nce(*pairs, own_image_score=-10.0), rtol=1e-5
    )
    assert float(value) < float(bounds.info_nce(*pairs)) - 0.1


def test_uniform_scores_carry_no_information(name):
    # The score of a critic that finds no difference.
    nothing = {"kullback_leibler": 1.0}.get(name, 0.0)
    scores = np.full((4, 4, 2), nothing, "float32")
    value = bounds.BOUND_OBJECTS[name]()(scores, *masks(4, 3))
    expected = -2 * np.log(2) if name == "gan" else 0.0
    np.testing.assert_allclose(value, expected, atol=1e-6)


@pytest.mark.parametrize("bound", ["info_nce", "donsker_varadhan"])
def test_shifting_all_scores_changes_nothing(bound):
    scores = random_scores((4, 4))
    function = bounds.BOUND_OBJECTS[bound]()
    np.testing.assert_allclose(
        function(scores + 3, *masks(4)), function(scores, *masks(4)), rtol=1e-5
    )


def test_one_pair_of_each_kind_is_a_mean(name):
    pairs = random_scores((1, 2)), *np.eye(2, dtype="float32")[:, None]
    np.testing.assert_allclose(
        bounds.BOUND_OBJECTS[name]()(*pairs),
        reference.BOUNDS[name](*pairs),
        rtol=1e-5,
    )


def test_a_ceiling_is_the_value_at_the_best_scores():
    scores = 100 * (2 * np.eye(8, dtype="float32") - 1)
    for name in ("info_nce", "jensen_shannon"):
        bound = bounds.BOUND_OBJECTS[name]()
        ceiling = bound.ceiling(num_negatives=7)
        np.testing.assert_allclose(bound(scores, *masks(8)), ceiling, rtol=1e-5)
    for name in set(bounds.BOUNDS) - {"info_nce", "jensen_shannon"}:
        assert bounds.BOUND_OBJECTS[name]().ceiling(num_negatives=7) is None


def test_the_values_of_info_nce_are_its_terms():
    pairs = (
        DotProductScores(random_scores((4, 6)), random_scores((4, 5, 6), 1)),
        *masks(4, 3),
    )
    bound = bounds.InfoNCE(own_image_score=-1.0, chunk_size=3)

    values = np.array(bound.values(*pairs))

    assert values.shape == (4, 5)
    np.testing.assert_allclose(values.mean(), bound(*pairs), rtol=1e-5)
    # Neither chunks nor scores in place of their factors make a difference.
    for scores in (pairs[0], pairs[0].whole()):
        plain = bounds.InfoNCE(-1.0).values(scores, *pairs[1:])
        np.testing.assert_allclose(values, plain, rtol=1e-4, atol=1e-6)
    assert np.abs(values - bounds.InfoNCE().values(*pairs)).min() > 1e-4


def test_info_nce_saturates_at_log_of_candidates():
    positives, negatives = masks(8)
    np.testing.assert_allclose(
        bounds.info_nce(100 * positives, positives, negatives),
        np.log(8),
        rtol=1e-5,
    )


def test_info_nce_does_not_compare_positives():
    scores = np.zeros((2, 2, 3), "float32")
    scores[0, 0] = scores[1, 1] = 100
    # 3 negatives for each positive; the 2 other positives do not count.
    np.testing.assert_allclose(
        bounds.info_nce(scores, *masks(2, 3)), np.log(1 + 3), rtol=1e-5
    )


def test_donsker_varadhan_survives_scores_of_thousands():
    scores = 1e3 * random_scores((4, 4))
    positives, negatives = masks(4)
    shifted = scores[negatives > 0] - scores[negatives > 0].max()
    log_mean = np.log(np.exp(shifted.astype("float64")).mean())
    expected = scores[positives > 0].mean() - (
        log_mean + scores[negatives > 0].max()
    )
    np.testing.assert_allclose(
        bounds.donsker_varadhan(scores, positives, negatives),
        expected,
        rtol=1e-5,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_scores_stay_finite(name, dtype):
    scores = ops.cast(5 * random_scores((4, 4, 2)), dtype)
    pairs = ops.cast(scores, "float32"), *masks(4, 3)
    half_masks = (ops.cast(mask, dtype) for mask in masks(4, 3))
    np.testing.assert_allclose(
        bounds.BOUND_OBJECTS[name]()(scores, *half_masks),
        bounds.BOUND_OBJECTS[name]()(*pairs),
        rtol=1e-6,
    )


def test_factors_give_the_scores_of_their_products(name):
    anchors = 0.3 * random_scores((4, 6))
    candidates = random_scores((4, 5, 6), 1)
    whole = np.einsum("iu,jlu->ijl", anchors, candidates)
    np.testing.assert_allclose(
        bounds.BOUND_OBJECTS[name]()(
            DotProductScores(anchors, candidates), *masks(4, 3)
        ),
        bounds.BOUND_OBJECTS[name]()(whole, *masks(4, 3)),
        rtol=1e-4,
    )


@pytest.mark.parametrize("kind", [bounds.InfoNCE, bounds.Bound])
def test_chunks_of_no_rows_are_refused(kind):
    arguments = {"name": "gan"} if kind is bounds.Bound else {}
    with pytest.raises(ValueError, match="`chunk_size`.*1.*Received: 0"):
        kind(**arguments, chunk_size=0)


@pytest.mark.parametrize("score", ["-10", np.nan, np.inf])
def test_an_own_image_score_that_is_no_number_is_refused(score):
    with pytest.raises(ValueError, match="`own_image_score`"):
        bounds.InfoNCE(score)


def test_own_image_score_is_an_option_of_info_nce_alone():
    with pytest.raises(TypeError, match="own_image_score"):
        bounds.Bound("jensen_shannon", own_image_score=-10.0)


@pytest.mark.parametrize(
    "bound", [bounds.InfoNCE(-10.0, 3), bounds.Bound("gan", chunk_size=2)]
)
def test_bounds_are_rebuilt_from_their_configuration(bound):
    config = keras.saving.serialize_keras_object(bound)
    copy = keras.saving.deserialize_keras_object(config)

    assert copy.get_config() == bound.get_config()
    assert type(copy) is type(bound)
