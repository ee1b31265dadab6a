from keras_dim.data.reading import epoch_seed
from keras_dim.data.reading import permutation


def test_a_permutation_holds_every_index_once():
    assert sorted(permutation(5, 100)) == list(range(100))


def test_the_order_of_an_epoch_never_changes():
    # Resumed runs rely on these very numbers.
    assert epoch_seed(0, 0) == 7896617691693857887
    assert permutation(7, 8).tolist() == [4, 3, 6, 2, 1, 0, 5, 7]


def test_epochs_and_seeds_give_different_orders():
    orders = {
        tuple(permutation(epoch_seed(seed, epoch), 20))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9
