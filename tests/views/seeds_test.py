from keras_dim.views import seeds


def test_seeds_differ_from_each_other_and_from_their_origin():
    found = {
        seeds_ for seed in range(100) for seeds_ in seeds.seeds_from(seed, 4)
    }
    assert len(found) == 400
    assert not found & set(range(100))


def test_equal_seeds_give_equal_seeds():
    assert seeds.seeds_from(3, 2) == seeds.seeds_from(3, 4)[:2]


def test_random_seeds_stay_random():
    assert seeds.seeds_from(None, 3) == [None] * 3
