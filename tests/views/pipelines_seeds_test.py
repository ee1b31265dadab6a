import pytest

from keras_dim.views import pipelines


def test_seeds_differ_from_each_other_and_from_their_origin():
    found = {
        each for seed in range(100) for each in pipelines.seeds_from(seed, 4)
    }
    assert len(found) == 400
    assert not found & set(range(100))


def test_equal_seeds_give_equal_seeds():
    assert pipelines.seeds_from(3, 2) == pipelines.seeds_from(3, 4)[:2]


def test_random_seeds_stay_random():
    assert pipelines.seeds_from(None, 3) == [None] * 3


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="`seed` must be an integer, 0 or"):
        pipelines.seeds_from(seed, 2)
