"""Few-shot classification in episodes."""

import numpy as np
import pytest

from keras_dim.evaluation import few_shot


def clusters(num_classes=6, num_rows=20, noise=0.01, width=8):
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(num_classes), num_rows)
    centres = generator.normal(size=(num_classes, width))
    rows = noise * generator.normal(size=(len(labels), width))
    return centres[labels] + rows, labels


def test_well_separated_classes_are_all_classified_correctly():
    found = few_shot(*clusters(), episodes=20)
    assert found["accuracy"] == 1
    assert found["confidence"] == 0
    assert found["num_classes"] == 6


def test_large_features_do_not_overflow():
    features, labels = clusters()
    assert few_shot(1e30 * features, labels, episodes=20)["accuracy"] == 1


def test_features_without_information_are_at_chance():
    features = np.random.default_rng(1).normal(size=(400, 8))
    labels = np.arange(400) % 20
    found = few_shot(features, labels, ways=4, queries=10, episodes=400)
    assert found["accuracy"] == pytest.approx(0.25, abs=3 * found["confidence"])
    assert 0 < found["confidence"] < 0.02


def test_more_examples_help():
    rows = clusters(noise=1.0, num_rows=40)
    one, five = (
        few_shot(*rows, shots=shots, episodes=100)["accuracy"]
        for shots in (1, 5)
    )
    assert five > one + 0.05


def test_an_episode_equals_loops():
    features, labels = clusters(num_classes=2, num_rows=5, noise=1.0)
    # All rows are drawn, in random order: the accuracy is the mean over all
    # choices of two examples of each class.
    found = few_shot(
        features, labels, ways=2, shots=2, queries=3, episodes=4000
    )
    accuracies = []
    groups = [features[labels == name] for name in (0, 1)]
    pairs = [(i, j) for i in range(5) for j in range(i)]
    for first in pairs:
        for second in pairs:
            examples = [groups[0][list(first)], groups[1][list(second)]]
            centre = np.concatenate(examples).mean(0)

            def unit(rows, centre=centre):
                rows = rows - centre
                return rows / np.linalg.norm(rows, axis=-1, keepdims=True)

            means = [unit(rows).mean(0) for rows in examples]
            right = 0
            for name, chosen in enumerate((first, second)):
                for row in range(5):
                    if row not in chosen:
                        query = unit(groups[name][row])
                        own, other = (
                            np.sum((query - means[side]) ** 2)
                            for side in (name, 1 - name)
                        )
                        right += own < other
            accuracies.append(right / 6)
    assert found["accuracy"] == pytest.approx(
        np.mean(accuracies), abs=2 * found["confidence"]
    )


def test_equal_seeds_give_equal_episodes():
    rows = clusters(noise=1.0)
    assert few_shot(*rows, episodes=9) == few_shot(*rows, episodes=9)
    assert few_shot(*rows, episodes=9) != few_shot(*rows, episodes=9, seed=1)


def test_rows_without_a_label_and_small_classes_are_left_out():
    features, labels = clusters()
    labels = labels.copy()
    labels[labels == 0] = -1
    labels[np.flatnonzero(labels == 1)[3:]] = -1
    found = few_shot(features, labels, ways=4, episodes=5)
    assert found["num_classes"] == 4


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"ways": 1}, "`ways` must be an integer, 2"),
        ({"shots": 0}, "`shots` must be an integer, 1"),
        ({"episodes": 1}, "`episodes` must be an integer, 2"),
        ({"ways": 7}, "There are 6 classes.*Expected 7"),
        ({"queries": 20}, "There are 0 classes with the 21 rows"),
    ],
)
def test_episodes_that_cannot_be_drawn_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        few_shot(*clusters(), **arguments)


def test_other_numbers_of_labels_are_refused():
    features, labels = clusters()
    with pytest.raises(ValueError, match="one label.*120 rows and 119 labels"):
        few_shot(features, labels[1:])
