import functools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import mixtures
from keras_dim.mutual_information.pairs import DotProductScores

NUM_IMAGES, NUM_LOCATIONS, UNITS = 6, 5, 8
# Others have exponentials of scores, which overflow at scores of tens.
BOUNDED_SLOPES = ["info_nce", "jensen_shannon", "donsker_varadhan"]
MODES = {
    "graph": functools.partial(tf.function, autograph=False),
    "xla": lambda function: tf.function(
        function, jit_compile=True, autograph=False
    ),
}


# XLA takes seconds to compile each.
@pytest.fixture(
    params=["graph", pytest.param("xla", marks=pytest.mark.slow)],
)
def mode(request):
    return MODES[request.param]


def factors(num_globals=1, scale=1.0, dtype="float32"):
    rng = np.random.default_rng(0)
    anchors = scale * rng.normal(size=(NUM_IMAGES * num_globals, UNITS))
    candidates = rng.normal(size=(NUM_IMAGES, NUM_LOCATIONS, UNITS))
    positives = np.repeat(np.eye(NUM_IMAGES), num_globals, axis=0)[:, :, None]
    return (
        tf.constant(anchors, dtype),
        tf.constant(candidates, dtype),
        tf.constant(positives, "float32"),
    )


def bound_of(name, chunk_size=None, **options):
    return functools.partial(
        bounds.BOUNDS[name], chunk_size=chunk_size, **options
    )


def value_and_gradients(name, chunk_size, anchors, candidates, same, **options):
    bound = bound_of(name, chunk_size, **options)
    with tf.GradientTape() as tape:
        tape.watch([anchors, candidates])
        value = bound(DotProductScores(anchors, candidates), same, 1 - same)
        # Not 1, as the incoming gradient must be multiplied in.
        loss = -3.0 * value
    return value, *tape.gradient(loss, [anchors, candidates])


def assert_chunks_change_nothing(mode, name, chunk_size, args, **options):
    run = mode(
        lambda *args: value_and_gradients(name, chunk_size, *args, **options)
    )
    expected = value_and_gradients(name, None, *args, **options)
    for chunked, whole in zip(run(*args), expected, strict=True):
        np.testing.assert_allclose(
            chunked, whole, rtol=1e-5, atol=1e-5 * np.abs(whole).max()
        )


@pytest.mark.parametrize("chunk_size", [1, 4])
@pytest.mark.parametrize("name", bounds.BOUNDS)
def test_chunks_change_neither_value_nor_gradients(name, chunk_size, mode):
    assert_chunks_change_nothing(mode, name, chunk_size, factors())


def test_chunks_change_nothing_under_xla():
    assert_chunks_change_nothing(MODES["xla"], "info_nce", 4, factors())


@pytest.mark.parametrize("name", ["info_nce", "jensen_shannon"])
def test_chunks_change_nothing_with_several_globals(name, mode):
    assert_chunks_change_nothing(mode, name, 7, factors(3))


def test_chunks_change_nothing_with_own_image_score(mode):
    assert_chunks_change_nothing(
        mode,
        "info_nce",
        5,
        factors(2, scale=5.0),
        own_image_score=-10.0,
    )


@pytest.mark.parametrize("name", BOUNDED_SLOPES)
def test_chunks_change_nothing_at_scores_of_tens(name):
    assert_chunks_change_nothing(MODES["graph"], name, 4, factors(scale=30.0))


@pytest.mark.parametrize("name", bounds.BOUNDS)
def test_chunks_change_nothing_where_some_pairs_are_in_no_mask(name):
    anchors, candidates, same = factors()
    negatives = np.array(1 - same)
    negatives[:, -1] = 0
    pairs = DotProductScores(anchors, candidates), same, negatives
    np.testing.assert_allclose(
        bound_of(name, 4)(*pairs), bound_of(name)(*pairs), rtol=1e-5
    )


@pytest.mark.parametrize("name", bounds.BOUNDS)
def test_chunks_take_batches_of_unknown_size(name):
    args = factors()
    signature = [
        tf.TensorSpec([None, *arg.shape[1:]], arg.dtype) for arg in args[:2]
    ] + [tf.TensorSpec([None, None, 1])]
    run = tf.function(
        lambda *args: value_and_gradients(name, 4, *args),
        input_signature=signature,
        autograph=False,
    )
    whole = value_and_gradients(name, None, *args)
    for chunked, expected in zip(run(*args), whole, strict=True):
        np.testing.assert_allclose(chunked, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", BOUNDED_SLOPES)
def test_chunks_in_half_precision_stay_near_float32(name):
    args = factors(scale=5.0)
    half = [ops.cast(arg, "bfloat16") for arg in args[:2]]
    # The same numbers, rounded already.
    rounded = [ops.cast(arg, "float32") for arg in half]
    chunked = value_and_gradients(name, 4, *half, args[2])
    whole = value_and_gradients(name, None, *rounded, args[2])
    for got, expected in zip(chunked, whole, strict=True):
        expected = np.array(expected)
        assert np.isfinite(np.array(got, "float32")).all()
        # bfloat16 has 8 bits; scores of tens are rounded to a tenth or so.
        np.testing.assert_allclose(
            np.array(got, "float32"),
            expected,
            rtol=0.05,
            atol=0.05 * np.abs(expected).max(),
        )
        assert np.abs(expected).max() > 0


@pytest.mark.parametrize("name", bounds.BOUNDS)
def test_chunks_need_factors(name):
    anchors, candidates, same = factors()
    scores = DotProductScores(anchors, candidates).whole()
    with pytest.raises(ValueError, match="pass DotProductScores"):
        bound_of(name, 4)(scores, same, 1 - same)


def clipped(anchors, candidates, same, chunk_size, num_mixtures):
    """InfoNCE of a mixture on clipped scores, with the mean squared score."""
    with tf.GradientTape() as tape:
        tape.watch([anchors, candidates])
        scores = DotProductScores(anchors, candidates, limit=5.0)
        values = bounds.nce_scores(
            scores, same, 1 - same, chunk_size=chunk_size
        )
        value = tf.reduce_mean(mixtures.combine(values, num_mixtures, 2.0))
        mean_square = scores.mean_square()
        loss = 0.1 * mean_square - value
    return value, mean_square, *tape.gradient(loss, [anchors, candidates])


@pytest.mark.parametrize("chunk_size", [1, 4, 6])
@pytest.mark.parametrize("num_mixtures", [1, 3])
def test_chunks_change_nothing_of_clipped_mixtures(
    chunk_size, num_mixtures, mode
):
    # Scores up to 30, far beyond the limit.
    args = factors(num_mixtures, scale=4.0)
    run = mode(lambda *args: clipped(*args, chunk_size, num_mixtures))
    whole = clipped(*args, None, num_mixtures)
    for chunks, expected in zip(run(*args), whole, strict=True):
        np.testing.assert_allclose(
            chunks, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
        )
