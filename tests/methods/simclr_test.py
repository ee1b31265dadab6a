import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim import distribution
from keras_dim.layers import heads
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import pairs

TEMPERATURES = ("0.05", "0.07", "0.1", "0.2", "0.5", "1")


def nt_xent(first, second, temperature):
    """The loss of the paper, from vectors of any length."""
    vectors = [heads.normalized(each) for each in (first, second)]
    information = bounds.info_nce(*pairs.view_pairs(vectors, temperature))
    return np.log(2 * len(first) - 1) - information


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("case", ["a", "b", "c"])
def test_loss_and_gradients_equal_the_published_ones(case, temperature):
    arrays = golden.load("contrastive_ntxent")
    views = [tf.constant(arrays[f"{case}_z{i}"], "float32") for i in (1, 2)]
    with tf.GradientTape() as tape:
        tape.watch(views)
        loss = nt_xent(*views, float(temperature))
    name = f"{case}_tau{temperature}"
    np.testing.assert_allclose(loss, arrays[f"{name}_loss"], rtol=1e-5)
    for i, gradient in enumerate(tape.gradient(loss, views), start=1):
        expected = arrays[f"{name}_grad{i}"]
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


def test_loss_equals_a_slow_version_of_the_paper():
    rng = np.random.default_rng(0)
    views = rng.normal(size=(2, 5, 3))
    z = np.concatenate(views) / np.linalg.norm(
        np.concatenate(views), axis=1, keepdims=True
    )
    losses = []
    for i in range(10):
        scores = [np.exp(z[i] @ z[k] / 0.3) for k in range(10) if k != i]
        own = np.exp(z[i] @ z[(i + 5) % 10] / 0.3)
        losses.append(-np.log(own / sum(scores)))
    loss = nt_xent(*views.astype("float32"), 0.3)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)


def test_negatives_of_the_same_view_count_too():
    arrays = golden.load("contrastive_ntxent")
    loss = nt_xent(arrays["a_z1"], arrays["a_z2"], 0.1)
    others = arrays["a_tau0.1_crossview_only_loss"]
    assert abs(float(loss) - float(others)) > 0.01


def test_collapsed_vectors_have_no_information():
    loss = nt_xent(np.ones((4, 3), "float32"), np.ones((4, 3), "float32"), 0.5)
    expected = golden.load("contrastive_ntxent")["collapsed_n4_loss"]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)


@pytest.mark.parametrize("negatives_from", distribution.NEGATIVES)
def test_replicas_have_the_published_losses(two_replicas, negatives_from):
    arrays = golden.load("contrastive_ntxent")
    views = [arrays[f"a_z{i}"].astype("float32") for i in (1, 2)]

    own = two_replicas.experimental_distribute_values_from_function(
        lambda context: context.replica_id_in_sync_group
    )

    @tf.function(autograph=False)
    def losses():
        def replica(index):
            vectors = [
                heads.normalized(tf.constant(view)[2 * index : 2 * index + 2])
                for view in views
            ]
            of_views = pairs.view_pairs(vectors, 0.1, negatives_from)
            return bounds.info_nce(*of_views)

        return two_replicas.run(replica, (own,))

    found = [
        float(x) for x in two_replicas.experimental_local_results(losses())
    ]
    if negatives_from == distribution.ALL_REPLICAS:
        expected = np.log(7) - arrays["a_tau0.1_two_replica_losses"]
    else:
        expected = np.log(3) - arrays["a_tau0.1_two_replica_losses_no_gather"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_sum_of_both_directions_is_twice_the_mean():
    one, both = tiny.METHODS["simclr"](), tiny.simclr(sum_directions=True)
    both.set_weights(one.get_weights())
    views = {name: tiny.images() for name in one.view_names}
    losses = []
    for model in (one, both):
        outputs = model(views, training=False)
        losses.append(float(model.compute_loss(views, None, outputs)))
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-6)


def test_each_of_three_views_is_a_positive_of_the_others():
    rng = np.random.default_rng(1)
    views = list(rng.normal(size=(3, 2, 4)).astype("float32"))
    scores, positives, negatives = map(np.array, pairs.view_pairs(views))
    assert scores.shape == (6, 6)
    # Views of an image follow each other.
    images, numbers = np.arange(6) // 3, np.arange(6) % 3
    for i in range(6):
        for j in range(6):
            is_one_image = images[i] == images[j]
            assert positives[i, j] == (is_one_image and i != j)
            assert negatives[i, j] == (not is_one_image)
            expected = (
                views[numbers[i]][images[i]] @ views[numbers[j]][images[j]]
            )
            assert scores[i, j] == pytest.approx(expected, abs=1e-5)


def test_a_ranking_takes_two_views():
    crops = keras_dim.views.MultiCrop([], 3)
    with pytest.raises(ValueError, match="one positive.*two views.*: 3"):
        keras_dim.SimCLR(tiny.encoder(), views=crops, bound="one_vs_one")


@pytest.mark.parametrize("make", [keras_dim.SimCLR, keras_dim.MoCo])
@pytest.mark.parametrize("bound", ["margin", "contrastive_margin"])
def test_margins_take_cosines(make, bound):
    views = tiny.two_views(make.view_names)
    with pytest.raises(ValueError, match="temperature=1.*: temperature=0"):
        make(tiny.encoder(), views=views, bound=bound)


@pytest.mark.parametrize(
    "make",
    [keras_dim.RAFT, keras_dim.CorInfoMax, keras_dim.AlignmentUniformity],
)
def test_methods_of_two_views_refuse_three(make):
    crops = keras_dim.views.MultiCrop([], 3)
    with pytest.raises(ValueError, match="takes 2 views.*makes 3"):
        make(tiny.encoder(), views=crops)


@pytest.mark.parametrize(
    "bound",
    [
        "gan",
        "jensen_shannon",
        "donsker_varadhan",
        "margin",
        "one_vs_one",
        "contrastive_margin",
        "noise_contrastive",
    ],
)
def test_other_bounds_train(bound):
    model = tiny.simclr(bound=bound, temperature=1.0)
    model.compile(keras.optimizers.Adam(0.003))
    history = model.fit(tiny.batches(), epochs=10, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize("num_layers, num_kernels", [(1, 1), (2, 2), (3, 3)])
def test_the_head_has_so_many_layers(num_layers, num_kernels):
    head = tiny.simclr(num_layers=num_layers).head
    kernels = [w for w in head.weights if w.path.endswith("kernel")]
    assert [tuple(kernel.shape) for kernel in kernels] == [
        *[(6, 6)] * (num_kernels - 1),
        (6, 5),
    ]
    # The last layer is normalised without an offset, and has no bias.
    assert not any(w.path.endswith("bias") for w in head.weights)
    gammas = [w for w in head.weights if w.path.endswith("gamma")]
    assert len(gammas) == num_layers


def test_default_views_are_those_of_the_paper():
    model = keras_dim.SimCLR(tiny.encoder(32), seed=3)
    images = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3))
    published = keras_dim.views.simclr(32, seed=3)(images, training=True)
    views = model.views(images, training=True)
    for name in ("view_1", "view_2"):
        np.testing.assert_array_equal(views[name], published[name])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_layers": 0}, "`num_layers`.*1 or more.*: 0"),
        ({"temperature": -1.0}, "`temperature`.*above 0"),
        ({"negatives_from": "all"}, "negatives_from: 'all'.*all_replicas"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny.simclr(**arguments)
