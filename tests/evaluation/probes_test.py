"""Probes classify separate classes, score noise as chance, and say how."""

import functools

import keras
import numpy as np
import pytest
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing

from keras_dim.evaluation import linear_probe
from keras_dim.evaluation import mlp_probe
from keras_dim.evaluation import nearest_neighbors
from keras_dim.evaluation.probes import _schedule
from keras_dim.evaluation.probes import build_mlp

short_mlp_probe = functools.partial(
    mlp_probe, epochs=10, learning_rate=0.01, batch_size=16, milestones=()
)
PROBES = {
    "linear_probe": linear_probe,
    "mlp_probe": short_mlp_probe,
    "nearest_neighbors": nearest_neighbors,
}


@pytest.fixture(params=list(PROBES))
def probe(request):
    return PROBES[request.param]


# Most of what all probes share is tested on the fast ones only;
# `test_every_probe_checks_its_arrays` tests it on all.
@pytest.fixture(params=["linear_probe", "nearest_neighbors"])
def quick_probe(request):
    return PROBES[request.param]


def clouds(seed=0, num_train=120, num_test=60, distance=10.0):
    """Three clouds of unit variance in seven dimensions, far apart."""
    generator = np.random.default_rng(seed)
    centers = distance * np.eye(3, 7)

    def part(number):
        labels = np.arange(number) % 3
        noise = generator.normal(size=(number, 7))
        return (centers[labels] + noise).astype("float32"), labels

    return *part(num_train), *part(num_test)


def test_classes_far_apart_are_all_classified_correctly(probe):
    score = probe(*clouds())
    assert score["accuracy"] == 1.0
    assert score["num_train"] == 120
    assert score["num_test"] == 60


def test_features_independent_of_the_class_score_as_chance(probe):
    train, labels, test, test_labels = clouds(
        num_train=300, num_test=600, distance=0.0
    )
    # Chance is 1/3; its deviation over 600 draws 0.019, taken five times.
    assert abs(probe(train, labels, test, test_labels)["accuracy"] - 1 / 3) < (
        0.1
    )


def test_labels_may_be_any_integers(quick_probe):
    train, labels, test, test_labels = clouds()
    names = np.array([7, 1000, 3])
    score = quick_probe(train, names[labels], test, names[test_labels])
    assert score["accuracy"] == 1.0


def test_a_test_class_without_training_rows_counts_as_wrong(quick_probe):
    train, labels, test, test_labels = clouds()
    # A third of the test rows.
    wanted = np.where(test_labels == 2, 99, test_labels)
    score = quick_probe(train, labels, test, wanted)
    assert score["accuracy"] == pytest.approx(2 / 3)


def test_rows_without_a_label_are_left_out_and_counted(quick_probe):
    train, labels, test, test_labels = clouds()
    noise = np.full((4, 7), 1e3, "float32")
    score = quick_probe(
        np.concatenate([noise, train]),
        np.concatenate([np.full(4, -1), labels]),
        np.concatenate([test, noise[:3]]),
        np.concatenate([test_labels, np.full(3, -1)]),
    )
    clean = quick_probe(train, labels, test, test_labels)
    assert score["protocol"].startswith(clean["protocol"])
    assert "4 training and 3 test rows without a label" in score["protocol"]
    assert "without a label" not in clean["protocol"]
    assert {**score, "protocol": ""} == {**clean, "protocol": ""}


def test_the_share_of_the_largest_class_is_reported(quick_probe):
    train, labels, test, _ = clouds()
    # Of 60 test rows: 12 of class 0, 33 of class 1, 15 never seen in training.
    wanted = np.repeat([0, 1, 99], [12, 33, 15])

    score = quick_probe(train, labels, test, wanted)

    assert score["majority_class"] == pytest.approx(33 / 60)


def test_maps_are_flattened(quick_probe):
    train, labels, test, test_labels = clouds()
    score = quick_probe(
        train.reshape(-1, 1, 7, 1), labels, test.reshape(-1, 7, 1), test_labels
    )
    assert score == quick_probe(train, labels, test, test_labels)


def test_every_probe_checks_its_arrays(probe):
    train, labels, test, test_labels = clouds()
    names = np.array([7, 1000, 3])
    noise = np.full((4, 7), 1e3, "float32")
    score = probe(
        np.concatenate([noise, train]).reshape(-1, 1, 7),
        np.concatenate([np.full(4, -1), names[labels]]),
        test.reshape(-1, 7, 1),
        np.where(test_labels == 2, 99, names[test_labels]),
    )
    assert score["accuracy"] == pytest.approx(2 / 3)
    assert score["num_train"] == 120
    assert "4 training and 0 test rows" in score["protocol"]


def test_row_counts_that_differ_are_refused(probe):
    train, labels, test, test_labels = clouds()
    with pytest.raises(ValueError, match="119 rows and 120 labels"):
        probe(train[1:], labels, test, test_labels)
    with pytest.raises(ValueError, match="row of test_features"):
        probe(train, labels, test, test_labels[1:])


def test_widths_that_differ_are_refused(probe):
    train, labels, test, test_labels = clouds()
    with pytest.raises(ValueError, match=r"\(120, 7\).*\(60, 6\)"):
        probe(train, labels, test[:, 1:], test_labels)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(probe, value):
    train, labels, test, test_labels = clouds()
    train[5, 2] = value
    with pytest.raises(ValueError, match="1 of 120 rows, first in row 5"):
        probe(train, labels, test, test_labels)


def test_one_class_only_is_refused(probe):
    train, labels, test, test_labels = clouds()
    with pytest.raises(ValueError, match=r"two classes.*\[0\]"):
        probe(train, 0 * labels, test, test_labels)


def test_one_hot_labels_are_refused_with_advice(probe):
    train, labels, test, test_labels = clouds()
    with pytest.raises(ValueError, match="argmax"):
        probe(train, np.eye(3)[labels], test, test_labels)


def test_no_labelled_rows_are_refused(probe):
    train, labels, test, test_labels = clouds()
    with pytest.raises(ValueError, match="All 60 test_labels are -1"):
        probe(train, labels, test, np.full(60, -1))


def test_no_rows_are_refused(probe):
    train, labels, test, test_labels = clouds()
    with pytest.raises(ValueError, match="at least one row"):
        probe(train, labels, test[:0], test_labels[:0])


@pytest.mark.parametrize(
    "call, expected",
    [
        (functools.partial(linear_probe, c=0.25), "C=0.25"),
        (functools.partial(linear_probe, max_iterations=77), "most 77 iter"),
        (
            functools.partial(
                mlp_probe,
                units=13,
                dropout=0.35,
                learning_rate=0.03,
                beta_1=0.55,
                batch_size=17,
                epochs=3,
                milestones=(1, 2),
                decay=0.3,
                seed=19,
            ),
            "13 units (dropout 0.35, batch normalisation, ReLU) on 7 features "
            "as they are, 3 classes, Adam (learning rate 0.03 times 0.3 after "
            "epochs 1, 2, beta_1 0.55), batch 17, 3 epochs, seed 19",
        ),
        (
            functools.partial(short_mlp_probe, epochs=1),
            "Adam (learning rate 0.01, beta_1 0.9)",
        ),
        (functools.partial(nearest_neighbors, k=9), "9 nearest"),
        (functools.partial(nearest_neighbors, temperature=0.2), "/ 0.2)"),
        (functools.partial(nearest_neighbors, temperature=None), "one vote"),
    ],
)
def test_the_protocol_states_the_arguments(call, expected):
    protocol = call(*clouds())["protocol"]
    assert expected in protocol
    assert "7 features" in protocol or "7 standardised" in protocol
    assert "3 classes" in protocol


@pytest.mark.parametrize(
    "call, name",
    [
        (functools.partial(linear_probe, c=0), "`c`"),
        (functools.partial(linear_probe, max_iterations=0), "max_iterations"),
        (functools.partial(mlp_probe, units=0), "units"),
        (functools.partial(mlp_probe, epochs=0), "epochs"),
        (functools.partial(mlp_probe, batch_size=1), "batch_size"),
        (functools.partial(mlp_probe, dropout=1.0), "dropout"),
        (functools.partial(mlp_probe, milestones=(5, 2)), "milestones"),
        (functools.partial(mlp_probe, milestones=(0, 2)), "milestones"),
        (functools.partial(nearest_neighbors, k=0), "`k`"),
        (functools.partial(nearest_neighbors, k=121), "from 1 to 120"),
        (functools.partial(nearest_neighbors, temperature=0), "temperature"),
    ],
)
def test_settings_out_of_range_are_refused(call, name):
    with pytest.raises(ValueError, match=name):
        call(*clouds())


@pytest.mark.filterwarnings("ignore:(overflow|invalid):RuntimeWarning")
def test_a_training_that_diverges_is_refused():
    with pytest.raises(ValueError, match="diverged: use a lower"):
        short_mlp_probe(*clouds(), epochs=1, learning_rate=1e38)


def test_the_linear_probe_equals_the_pipeline_of_scikit_learn():
    data = clouds(distance=1.0)
    pipeline = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression(C=0.5, max_iter=1000),
    )
    expected = pipeline.fit(*data[:2]).score(*data[2:])
    # Neither all right nor chance, or the comparison would say little.
    assert 0.4 < expected < 0.9
    assert linear_probe(*data, c=0.5)["accuracy"] == expected


def test_the_linear_probe_says_that_it_did_not_converge(recwarn):
    data = clouds(distance=1.0)
    score = linear_probe(*data, max_iterations=2)
    assert not score["converged"]
    assert "stopped before it converged" in score["protocol"]
    assert not recwarn.list
    assert linear_probe(*data)["converged"]


def slow_nearest_neighbors(train, labels, test, test_labels, k, temperature):
    """One test row and one neighbour after the other, from the formula."""
    right = 0
    for row, label in zip(test, test_labels, strict=True):
        similarities = [
            row @ other / np.sqrt((row @ row) * (other @ other))
            for other in train
        ]
        votes = {}
        for index in np.argsort(similarities)[::-1][:k]:
            weight = np.exp(similarities[index] / temperature)
            votes[labels[index]] = votes.get(labels[index], 0) + weight
        right += max(votes, key=votes.get) == label
    return right / len(test)


@pytest.mark.parametrize("k, temperature", [(1, 0.07), (5, 0.07), (5, 1.0)])
def test_neighbours_equal_a_slow_numpy_version(k, temperature):
    data = clouds(distance=1.5)
    expected = slow_nearest_neighbors(*data, k, temperature)
    assert 0.4 < expected < 0.95
    score = nearest_neighbors(*data, k=k, temperature=temperature)
    assert score["accuracy"] == pytest.approx(expected, abs=1e-12)


def test_a_row_of_zeros_has_similarity_zero():
    # Cosines with the test row: 0 for the zeros, 0.28 for the other.
    train = np.array([[0.0, 0.0], [0.28, 0.96]])
    data = (train, [0, 1], np.array([[1.0, 0.0]]), [1])
    assert nearest_neighbors(*data, k=1)["accuracy"] == 1


def test_the_nearest_neighbour_alone_is_reported_too():
    data = clouds(distance=1.5)
    alone = nearest_neighbors(*data, k=1)["accuracy"]
    assert nearest_neighbors(*data, k=20)["accuracy_k1"] == alone


def test_a_small_temperature_leaves_only_the_nearest_row():
    # exp(s / t) of all neighbours would be 0 without a common factor.
    data = clouds(distance=1.5)
    score = nearest_neighbors(*data, k=5, temperature=1e-5)
    assert score["accuracy"] == score["accuracy_k1"] > 0.4


def test_weights_can_outvote_a_majority():
    # Cosines with the test row: 1 (class 0) and twice 0.8 (class 1).
    train = np.array([[1.0, 0.0], [0.8, 0.6], [0.8, -0.6]])
    data = (train, [0, 1, 1], np.array([[1.0, 0.0]]), [0])
    # exp(1 / t) > 2 exp(0.8 / t) where t < 0.2 / log 2 = 0.289.
    assert nearest_neighbors(*data, k=3, temperature=0.28)["accuracy"] == 1
    assert nearest_neighbors(*data, k=3, temperature=0.30)["accuracy"] == 0
    assert nearest_neighbors(*data, k=3, temperature=None)["accuracy"] == 0


@pytest.mark.parametrize(
    "width, parameters", [(4096, 821_810), (1024, 207_410), (64, 15_410)]
)
def test_the_paper_s_probe_has_the_paper_s_parameters(width, parameters):
    # The authors' conv, fc and Y of 10 classes:
    # (width + 1) * 200 + 2 * 200 + 201 * 10.
    model = build_mlp(width, 10)
    trained = sum(
        np.prod(variable.shape) for variable in model.trainable_variables
    )
    assert trained == parameters


def test_the_learning_rate_falls_after_the_milestones():
    # Three steps an epoch: epochs 1 and 2 are steps 0 to 5, epoch 3 is 6 to 8.
    rate = _schedule(1.0, (2, 3), 0.1, steps=3)
    found = [float(rate(step)) for step in range(11)]
    expected = [1.0] * 6 + [0.1] * 3 + [0.01] * 2
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def mlp_logits(**settings):
    """The logits behind the score, which is too coarse to compare."""
    logits = []
    predict = keras.Model.predict

    def spy(*args, **kwargs):
        logits.append(predict(*args, **kwargs))
        return logits[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "predict", spy)
        short_mlp_probe(*clouds(distance=1.0), epochs=2, **settings)
    return logits[0]


@pytest.fixture(scope="module")
def logits():
    return mlp_logits()


def test_the_same_seed_gives_the_same_probe(logits):
    # The global seed does not matter.
    keras.utils.set_random_seed(99)
    # The last digits depend on how threads share a sum.
    np.testing.assert_allclose(logits, mlp_logits(), rtol=1e-4, atol=1e-5)
    assert not np.allclose(logits, mlp_logits(seed=1), rtol=0.1)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_probe_is_float32_under_any_policy(logits, policy):
    keras.config.set_dtype_policy(policy)
    found = mlp_logits()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)


def test_the_probe_does_not_change_the_global_random_state():
    def draw_after(action):
        # Keras before 3.13 sows no new seed over a generator in use.
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(0)
        action()
        return keras.random.uniform((3,))

    expected = draw_after(lambda: None)
    found = draw_after(lambda: short_mlp_probe(*clouds(), epochs=1))
    np.testing.assert_array_equal(found, expected)
