import golden
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


@pytest.fixture(scope="module")
def model():
    return tiny.raft()


@pytest.fixture(scope="module")
def terms(model):
    """Terms of the published predictions and targets."""
    arrays = golden.load("contrastive_byol_raft")
    predictions, targets = (
        [tf.constant(arrays[f"{letter}{i}"], "float32") for i in (1, 2)]
        for letter in "pz"
    )
    found = model.loss_terms((predictions, targets))
    return {name: float(value) for name, value in found.items()}


def test_terms_equal_the_published_ones_summed_over_units(terms):
    arrays = golden.load("contrastive_byol_raft")
    units = arrays["p1"].shape[1]
    # The public code takes means over units.
    expected = arrays["raft_align"] * units, arrays["raft_cross"] * units
    found = terms["alignment"], terms["distance_to_teacher"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_loss_runs_away_from_the_teacher_and_byol_prime_follows_it(terms):
    arrays = golden.load("contrastive_byol_raft")
    alignment, distance = terms["alignment"], terms["distance_to_teacher"]
    assert alignment - distance == pytest.approx(
        float(arrays["raft_loss_a1_b1_sum_over_dim"]), rel=1e-5
    )
    assert alignment + distance == pytest.approx(
        float(arrays["byol_prime_loss_a1_b1_sum_over_dim"]), rel=1e-5
    )


def test_the_weights_have_the_signs_of_the_paper(model):
    assert model.term_weights == {"alignment": 1.0, "distance_to_teacher": -0.5}


def test_each_view_meets_the_teacher_of_the_same_view(model):
    one, other = np.eye(5, dtype="float32")[:2, None]
    straight = model.loss_terms(([one, other], [one, other]))
    assert float(straight["distance_to_teacher"]) == pytest.approx(0, abs=1e-6)
    crossed = model.loss_terms(([one, other], [other, one]))
    assert float(crossed["distance_to_teacher"]) == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize(
    "arguments", [{"alpha": -1.0}, {"beta": np.nan}, {"alpha": 0, "beta": 0}]
)
def test_arguments_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=f"`{[*arguments][-1]}` must"):
        keras_dim.RAFT(tiny.encoder(), views=tiny.two_views(), **arguments)
