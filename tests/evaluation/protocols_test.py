"""Probes by common protocols, and the choice of their settings."""

import golden
import numpy as np
import pytest

from keras_dim.evaluation import PROBES
from keras_dim.evaluation import nearest_neighbors
from keras_dim.evaluation import run_probe
from keras_dim.evaluation import sgd_probe


@pytest.fixture
def blobs():
    """Two classes that overlap a little, and rows to score."""
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 2
    rows = generator.normal(size=(300, 4)).astype("float32")
    rows[:, 0] += 3 * labels
    return rows[:200], labels[:200], rows[200:], labels[200:]


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.07, 0.1])
def test_weighted_neighbours_are_the_published_ones(k, temperature):
    arrays = golden.load("contrastive_knn")
    expected = arrays[f"k{k}_tau{temperature:g}_pred"]
    found = nearest_neighbors(
        arrays["bank"],
        arrays["labels"],
        arrays["queries"],
        expected,
        k,
        temperature,
    )
    assert found["accuracy"] == 1


def slow_sgd(rows, labels, rate, order, start, nesterov, epochs, size):
    """Softmax regression by SGD, one example at a time."""
    weights, velocity = start.copy(), np.zeros_like(start)
    steps = 0
    for epoch in range(epochs):
        for first in range(0, len(rows), size):
            gradient = np.zeros_like(weights)
            part = order[epoch][first : first + size]
            for row in part:
                inputs = np.append(rows[row], 1.0)
                powers = np.exp(inputs @ weights)
                shares = powers / powers.sum()
                shares[labels[row]] -= 1
                gradient += np.outer(inputs, shares) / len(part)
            velocity = 0.9 * velocity + gradient
            ahead = gradient + 0.9 * velocity if nesterov else velocity
            weights = weights - rate(epoch, steps) * ahead
            steps += 1
    return weights


def by_milestone(epoch, step):
    return 0.5 if epoch < 2 else 0.05


def by_cosine(epoch, step):
    # Three epochs of four steps.
    return 0.25 * (1 + np.cos(np.pi * step / 12))


@pytest.mark.parametrize(
    ("rate", "milestones", "nesterov", "stated"),
    [
        (by_milestone, (2,), False, "0.5 times 0.1 after epochs 2, momentum"),
        (by_cosine, None, True, "0.5 with cosine decay, Nesterov momentum"),
    ],
)
def test_sgd_is_that_of_a_slow_version(
    blobs, rate, milestones, nesterov, stated
):
    rows, labels, test, test_labels = blobs
    draw = np.random.default_rng(3)
    start = draw.normal(0, 0.01, (5, 2))
    start[-1] = 0
    order = [draw.permutation(200) for _ in range(3)]

    weights = slow_sgd(rows, labels, rate, order, start, nesterov, 3, 64)
    expected = (test @ weights[:-1] + weights[-1]).argmax(1)
    assert 0.85 < np.mean(expected == test_labels) < 1

    # Against these predictions as labels, the probe makes no mistake, on rows
    # of which some are close to the border.
    many = draw.normal(size=(20_000, 4)).astype("float32")
    found = sgd_probe(
        rows,
        labels,
        many,
        (many @ weights[:-1] + weights[-1]).argmax(1),
        0.5,
        batch_size=64,
        epochs=3,
        milestones=milestones,
        seed=3,
        nesterov=nesterov,
    )
    assert found["accuracy"] == 1
    assert stated in found["protocol"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"learning_rate": 0}, "learning_rate"),
        ({"momentum": 2}, "momentum"),
        ({"milestones": (3, 2)}, "`milestones` must be increasing"),
        ({"milestones": (1.5,)}, "`milestones` must be an integer"),
        ({"learning_rate": 1e38}, "diverged: use a lower"),
    ],
)
@pytest.mark.filterwarnings("ignore:(overflow|invalid):RuntimeWarning")
def test_sgd_refuses_wrong_arguments_and_divergence(arguments, words, blobs):
    rows = [1e4 * blobs[0], blobs[1], 1e4 * blobs[2], blobs[3]]
    with pytest.raises(ValueError, match=words):
        sgd_probe(*rows, **arguments)


def test_a_share_of_the_labels_is_drawn_of_each_class(blobs):
    rows, labels, *test = blobs
    labels = np.where(np.arange(200) < 40, 0, 1)
    arguments = {"label_share": 0.1, "num_draws": 3}
    found = run_probe(
        rows, labels, *test, "nearest_neighbors", arguments | {"k": 1}
    )
    # 10 % of 40 and of 160.
    assert found["num_train"] == 20
    assert len(set(found["accuracies"])) > 1
    assert found["accuracy"] == pytest.approx(np.mean(found["accuracies"]))
    deviation = np.std(found["accuracies"], ddof=1)
    assert found["deviation"] == pytest.approx(deviation)
    assert "10 % of the labels (20), mean of 3 draws" in found["protocol"]
    # One of each class at least.
    few = run_probe(*blobs, "linear_probe", {"label_share": 0.001})
    assert few["num_train"] == 2


def test_seeds_are_repeated(blobs):
    arguments = {"epochs": 1, "num_seeds": 2, "seed": 5, "learning_rate": 0.01}
    found = run_probe(*blobs, "sgd_probe", arguments)
    single = [
        sgd_probe(*blobs, epochs=1, learning_rate=0.01, seed=seed)["accuracy"]
        for seed in (5, 6)
    ]
    assert found["accuracies"] == single
    assert "mean of 2 seeds" in found["protocol"]


def test_candidates_are_chosen_on_held_out_training_rows(blobs, monkeypatch):
    seen = []

    def probe(train, train_labels, test, test_labels, a=0, b=0):
        seen.append((len(train), len(test), a, b))
        accuracy = 0.5 if (a, b) == (2, 4) else 0.4
        return {"accuracy": accuracy, "protocol": "p"}

    monkeypatch.setitem(PROBES, "mine", probe)
    grid = {"a": (1, 2), "b": (3, 4)}
    found = run_probe(*blobs, "mine", {"candidates": grid})

    pairs = [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert seen == [*((160, 40, *pair) for pair in pairs), (200, 100, 2, 4)]
    assert found["chosen"] == {"a": 2, "b": 4}
    assert "a and b chosen on 20 % of the training images" in found["protocol"]


def test_nothing_is_chosen_on_the_test_rows(blobs):
    rows, labels, test, test_labels = blobs
    arguments = {"candidates": {"c": (1e-6, 1.0)}}
    one = run_probe(rows, labels, test, test_labels, arguments=arguments)
    other = run_probe(rows, labels, test, 1 - test_labels, arguments=arguments)
    assert one["chosen"] == other["chosen"]
    assert one["accuracy"] == pytest.approx(1 - other["accuracy"])


@pytest.mark.parametrize(
    ("probe", "arguments", "words"),
    [
        ("linear_probe", {"label_share": 0}, "label_share"),
        ("linear_probe", {"label_share": 1.5}, "label_share"),
        (
            "linear_probe",
            {"label_share": 0.1, "labels_per_class": 3},
            "labels_per_class or label_share",
        ),
        (
            "linear_probe",
            {"num_draws": 2},
            "labels_per_class or label_share. Received: neither",
        ),
        ("linear_probe", {"num_seeds": 2}, "draws nothing"),
        (
            "linear_probe",
            {"candidates": {"d": (1,)}},
            "argument of linear_probe",
        ),
        ("linear_probe", {"candidates": {"c": 1}}, "candidates of c"),
        (
            "linear_probe",
            {"c": 1.0, "candidates": {"c": (1.0, 2.0)}},
            "c or candidates of c",
        ),
        ("few_shot", {}, "classes without training rows"),
    ],
)
def test_wrong_settings_are_refused(probe, arguments, words, blobs):
    with pytest.raises(ValueError, match=words):
        run_probe(*blobs, probe, arguments)


@pytest.mark.parametrize("arguments", [{"labels_per_class": 2}, {}])
def test_rows_that_do_not_match_their_labels_are_refused(arguments, blobs):
    # Drawn rows would be taken from the wrong images.
    rows, labels, *test = blobs
    with pytest.raises(ValueError, match="200 rows and 199 labels"):
        run_probe(rows, labels[1:], *test, arguments=arguments)
