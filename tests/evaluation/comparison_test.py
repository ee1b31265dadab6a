import keras
import numpy as np
import pytest
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim import batches
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim.evaluation import LabelledImages
from keras_dim.evaluation import comparison
from keras_dim.evaluation import fine_tune


def bright_and_dark(num_images, seed):
    labels = np.arange(num_images) % 2
    noise = pixels(np.random.default_rng(seed), num_images) // 2
    return {
        "image": noise + (labels * 120).astype("uint8").reshape(-1, 1, 1, 1),
        "label": labels,
    }


IMAGES = LabelledImages(
    bright_and_dark(60, 0), bright_and_dark(40, 1), "; noise"
)


@pytest.fixture(scope="module")
def compared():
    keras.utils.set_random_seed(0)
    other = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    names = "linear", "weighted_200_neighbors", "linear_10_percent"
    seen = []
    found = evaluation.compare(
        {"ours": tiny_encoder(), "means": other},
        IMAGES,
        (*names, "fine_tuned_10_percent"),
        supervised_steps=3,
        report=seen.append,
    )
    assert found.entries == seen
    return found


def test_every_encoder_and_baseline_is_scored_by_every_protocol(compared):
    rows = {(entry["encoder"], entry["name"]) for entry in compared.entries}
    frozen = {"linear", "weighted_200_neighbors", "linear_10_percent"}
    tuned = "fine_tuned_10_percent"
    assert rows == {
        *(
            (who, name)
            for who in ("ours", "means")
            for name in frozen | {tuned}
        ),
        *(
            (who, name)
            for who in ("untrained", "raw pixels")
            for name in frozen
        ),
        *(
            ("supervised from scratch", name)
            for name in {"linear", "linear_10_percent", tuned}
        ),
    }


def test_scores_are_those_of_their_protocols(compared):
    found = {(e["encoder"], e["name"]): e for e in compared.entries}
    # The mean brightness tells the classes apart.
    assert found["means", "linear"]["accuracy"] == 1
    assert len(found["means", "linear_10_percent"]["accuracies"]) == 5
    assert found["ours", "linear_10_percent"]["num_train"] == 6
    assert found["ours", "weighted_200_neighbors"]["arguments"]["k"] == 60
    budget = found["supervised from scratch", "linear"]["protocol"]
    assert "new weights" in budget and "3 batches of 64" in budget
    assert "held out" in found["raw pixels", "linear"]["protocol"]


def test_a_comparison_prints_a_table_and_a_verdict(compared):
    lines = str(compared).splitlines()
    assert lines[0].split()[3:] == [
        "linear",
        "weighted_200_neighbors",
        "linear_10_percent",
        "fine_tuned_10_percent",
    ]
    assert lines[6].split() == [
        *"the most frequent class".split(),
        *["50.0"] * 4,
    ]
    assert lines[3].split()[-1] == "-"
    assert compared.verdict.startswith(
        "Is pre-training worth it here? linear, "
    )
    assert compared.verdict.count(" labels: ") == 4


def entry(encoder, accuracy, num_test=10_000, **others):
    base = {"name": "linear", "num_train": 9, "num_test": num_test}
    return {"encoder": encoder, "accuracy": accuracy, **base, **others}


@pytest.mark.parametrize(
    ("ours", "others", "words"),
    [
        # Of 10,000 images, 50 % has a standard error of half a point.
        (0.53, {}, "yes, +3.0 ± 1.4 points against raw pixels"),
        (0.51, {}, "not shown, +1.0 ± 1.4 points"),
        (0.47, {}, "no, -3.0 ± 1.4 points"),
        # Four draws that deviate by 4 points: an error of 2 more.
        (
            0.53,
            {"deviation": 0.04, "accuracies": [0] * 4},
            "not shown, +3.0 ± 4.2",
        ),
        (0.53, {"num_test": 100}, "not shown"),
    ],
)
def test_the_verdict_has_a_margin_and_its_uncertainty(ours, others, words):
    rows = [entry("ours", ours, **others), entry("untrained", 0.4)]
    rows.append(entry("raw pixels", 0.5))
    assert words in comparison._verdict("ours", rows)


def test_wrong_arguments_are_refused_before_any_work():
    for given, protocols, words in (
        ({}, ("linear",), "names and encoders"),
        ({"raw pixels": tiny_encoder()}, ("linear",), "names of baselines"),
        ({"ours": tiny_encoder()}, ("linaer",), "Did you mean 'linear'"),
        ({"ours": tiny_encoder()}, ("linear", "linear"), "different values"),
    ):
        with pytest.raises(ValueError, match=words):
            evaluation.compare(given, IMAGES, protocols)


def test_stored_values_are_compared_with_pixels_of_their_range():
    scale = 65535 // 255
    images = LabelledImages(
        *(
            {**part, "image": part["image"].astype("uint16") * scale}
            for part in (IMAGES.train, IMAGES.test)
        )
    )
    deep = batches.ValueRange((0,) * 3, (255 * scale,) * 3, "uint16")
    accuracies = [
        {
            entry["encoder"]: entry["accuracy"]
            for entry in evaluation.compare(
                {"ours": encoder}, pixels, ["linear"], supervised_steps=0
            ).entries
        }
        for encoder, pixels in (
            (tiny_encoder(), IMAGES),
            (encoders.with_range(tiny_encoder(), deep), images),
        )
    ]

    assert accuracies[0]["raw pixels"] == accuracies[1]["raw pixels"] > 0.9


def test_fine_tuning_learns_and_does_not_change_the_encoder():
    encoder = tiny_encoder()
    before = encoder.get_weights()
    found = fine_tune(encoder, IMAGES, steps=60, learning_rate=(1e-7, 1e-2))

    assert found["chosen"] == 1e-2
    assert found["accuracy"] > 0.9
    assert (found["num_train"], found["num_test"]) == (60, 40)
    assert found["protocol"].endswith("held out; noise")
    for one, other in zip(before, encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_diverges_is_refused():
    with pytest.raises(ValueError, match="diverged: use a lower"):
        fine_tune(tiny_encoder(), IMAGES, steps=3, learning_rate=1e38)


def test_each_draw_of_labels_starts_from_the_same_weights():
    arguments = {"steps": 2, "learning_rate": 1e-2, "label_share": 0.1}
    one, two = (
        fine_tune(tiny_encoder(), IMAGES, num_draws=n, **arguments)
        for n in (1, 3)
    )
    assert len(one["accuracies"]) == 1 and "deviation" not in one
    assert len(two["accuracies"]) == 3
    assert two["num_train"] == 6
    assert two["accuracy"] == pytest.approx(np.mean(two["accuracies"]))


def test_training_from_scratch_ignores_the_weights():
    broken = tiny_encoder()
    broken.set_weights([np.full(w.shape, np.nan) for w in broken.get_weights()])
    with pytest.raises(ValueError, match="finite"):
        evaluation.score(broken, IMAGES)
    rates = {"learning_rate": 1e-2, "steps": 60}
    found = fine_tune(broken, IMAGES, from_scratch=True, **rates)
    assert found["accuracy"] > 0.9


def test_images_without_labels_are_left_out():
    train = {**IMAGES.train, "label": IMAGES.train["label"].copy()}
    train["label"][::3] = -1
    found = fine_tune(
        tiny_encoder(), LabelledImages(train, IMAGES.test), steps=1
    )
    assert found["num_train"] == 40
    with pytest.raises(ValueError, match="needs labels"):
        fine_tune(tiny_encoder(), LabelledImages(train["image"], IMAGES.test))
    with pytest.raises(ValueError, match="needs labels"):
        unlabelled = LabelledImages(train, IMAGES.test["image"])
        evaluation.score(tiny_encoder(), unlabelled)
    train["label"][:] = 3
    with pytest.raises(ValueError, match="two classes"):
        fine_tune(tiny_encoder(), LabelledImages(train, IMAGES.test))
    train["label"][:] = -1
    with pytest.raises(evaluation.NoLabelsError, match="has a label"):
        fine_tune(tiny_encoder(), LabelledImages(train, IMAGES.test))
