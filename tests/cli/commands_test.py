"""Each command, run in this process on tiny data."""

import csv
import json
import re
import signal

import keras
import numpy as np
import pytest
import tiny_images
from tiny_encoder import tiny_encoder
from tiny_recipe import tiny_recipe

from keras_dim import training
from keras_dim.cli import main


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoders") / "tiny.keras"
    tiny_encoder().save(path)
    return path


@pytest.fixture
def recipe(tmp_path):
    """The file of a recipe, as a run writes it."""
    path = tmp_path / "tiny.json"
    tiny_recipe(epochs=1).save(path)
    return path


def test_pretrain_trains_scores_and_resumes(recipe, tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["pretrain", f"--recipe={recipe}", f"--directory={run}"]

    assert main.run([*arguments, "--set", "batch_size=256"]) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((run / "metrics.json").read_text())
    written = json.loads((run / "recipe.json").read_text())

    assert written["batch_size"] == 256
    assert "1,437 images 8x8x1 -> views 8x8x1 -> encoder 8x8x1\n" in printed
    assert "\r" not in printed and "\b" not in printed
    assert "raw pixels  untrained  trained" in printed
    assert len(metrics["scores"]) == 6
    for score in metrics["scores"]:
        assert f"{100 * score['accuracy']:.2f}" in printed
        assert score["protocol"] and "arguments" in score
    assert str(run / "encoder.keras") in printed
    (line,) = [x for x in printed.splitlines() if x.startswith("epoch ")]
    assert len(line) <= 120
    assert re.fullmatch(
        r"epoch 1/1  loss \S+  local_information \S+  prior_discrimination "
        r"\S+  [\d,]+ images/s, \d+ s",
        line,
    )

    more = ["pretrain", f"--from={run}", f"--directory={tmp_path / 'more'}"]
    assert main.run([*more, "--epochs=2", "--noscore"]) == 0
    written = json.loads((tmp_path / "more/recipe.json").read_text())
    assert written["start_from"] == str(run)
    assert written["batch_size"] == 256
    assert " s left\n" in capsys.readouterr().out

    # The same command again is a mistake without --resume.
    before = (run / "encoder.keras").read_bytes()
    assert main.run(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert (run / "encoder.keras").read_bytes() == before
    resume = ["pretrain", f"--directory={run}", "--resume", "--noscore"]
    assert main.run(resume) == 0


def test_scores_of_a_run_from_an_encoder_have_a_column_for_it(
    tmp_path, monkeypatch, capsys
):
    from keras_dim.cli import pretrain

    score = {"probe": "linear_probe", "feature": "fc", "num_train": 9}
    score |= {"raw_pixels": 0.1, "untrained": 0.2, "accuracy": 0.4}
    score |= {"num_test": 5}
    for more, columns in (({"start": 0.3}, "before training  "), ({}, "")):
        scores = [score | more]
        monkeypatch.setattr(training, "score_run", lambda *_, s=scores: s)
        pretrain._print_scores(tmp_path, None)
        printed = capsys.readouterr().out
        assert f"raw pixels  untrained  {columns}trained\n" in printed
        assert ("30.00" in printed) == bool(more)


def test_from_none_starts_from_no_encoder(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        training, "pretrain", lambda recipe, *_, **__: seen.append(recipe)
    )
    flags = [f"--directory={tmp_path}", "--noscore", "--from=none"]
    assert main.run(["pretrain", *flags]) == 0
    assert main.run(["pretrain", *flags, "--source=digits"]) == 0
    recipe, other = seen
    assert other == recipe
    assert recipe.name == "deep_infomax_digits" and recipe.start_from is None


@pytest.mark.parametrize(
    ("number", "cause", "expected"),
    [(signal.SIGTERM, "SIGTERM", 143), (signal.SIGINT, "Ctrl-C", 130)],
)
def test_a_signal_ends_a_training_with_its_code_and_a_command(
    number, cause, expected, recipe, tmp_path, capsys, monkeypatch
):
    from keras_dim.training import epoch_log

    def on_epoch_begin(self, epoch, logs=None):
        signal.raise_signal(number)

    run = tmp_path / "my run"
    with monkeypatch.context() as patch:
        patch.setattr(epoch_log.EpochLog, "on_epoch_begin", on_epoch_begin)
        code = main.run(
            ["pretrain", f"--recipe={recipe}", f"--directory={run}"]
        )

    assert code == expected
    command = f"keras-dim pretrain --resume --directory '{run}'"
    assert capsys.readouterr().err == (
        f"keras-dim: stopped by {cause}. To continue: {command}\n"
    )
    assert len(list((run / "checkpoints").iterdir())) == 1
    assert [path.name for path in (run / "checkpoints").iterdir()] == [
        "epoch_00000_step_00000001.keras"
    ]
    resume = ["pretrain", f"--directory={run}", "--resume", "--noscore"]
    assert main.run([*resume, "--checkpoint_minutes=60"]) == 0
    assert (run / "encoder.keras").exists()


def test_a_run_on_a_folder_without_labels_has_no_scores(
    recipe, tmp_path, capsys
):
    for number in range(8):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(tiny_images.encode(tiny_images.pixels(number)))
    code = main.run(
        [
            "pretrain",
            f"--recipe={recipe}",
            f"--source={tmp_path / 'photos'}",
            f"--directory={tmp_path / 'run'}",
            "--set=batch_size=4",
        ]
    )

    printed = capsys.readouterr().out
    assert code == 0
    assert "There will be no scores: " in printed
    assert "no labels in 'train'" in printed
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "scores" not in metrics


def test_a_missing_test_split_is_refused_before_training(
    recipe, tmp_path, capsys
):
    for split in ("train", "validation"):
        for number, name in enumerate(("cat", "dog")):
            path = tmp_path / "photos" / split / name / "0.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(tiny_images.encode(tiny_images.pixels(number)))
    code = main.run(
        [
            "pretrain",
            f"--recipe={recipe}",
            f"--source={tmp_path / 'photos'}",
            f"--directory={tmp_path / 'run'}",
        ]
    )

    printed = capsys.readouterr().err
    assert code == 2
    assert "no sub-folder 'test'" in printed and "--test_split NAME" in printed
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "protocol"),
    [
        (["--probe=neighbors", "--set=k=3"], "3 nearest neighbours"),
        (["--set=labels_per_class=5"], "5 labels to a class"),
        (["--probe=mlp", "--set=epochs=1", "--set=milestones=[]"], "1 epochs"),
    ],
)
def test_probe_prints_the_score_and_its_protocol(
    encoder, flags, protocol, capsys
):
    arguments = ["probe", f"--encoder={encoder}", "--source=digits"]

    assert main.run([*arguments, *flags]) == 0
    printed = capsys.readouterr().out
    assert "percent of 360 test images" in printed
    assert protocol in printed
    # The most frequent digit has 37 of the 360 images.
    assert "most frequent class alone: 10.28 percent" in printed


def test_probe_takes_the_global_feature_by_default(tmp_path, capsys):
    image = keras.Input((8, 8, 3))
    outputs = {"global": keras.layers.Flatten()(image)}
    path = tmp_path / "encoder.keras"
    keras.Model(image, outputs).save(path)

    assert main.run(["probe", f"--encoder={path}", "--source=digits"]) == 0
    assert "on 192 standardised features" in capsys.readouterr().out


def test_probe_refuses_an_unknown_feature(encoder, capsys):
    code = main.run(
        [
            "probe",
            f"--encoder={encoder}",
            "--source=digits",
            "--feature=gobal",
        ]
    )

    assert code == 2
    printed = capsys.readouterr().err
    assert "no feature 'gobal'" in printed and "mean 'global'" in printed


def test_compare_prints_a_table_and_a_verdict(encoder, capsys):
    arguments = ["compare", f"--encoder={encoder}", "--source=digits"]
    flags = ["--protocol=weighted_200_neighbors", "--supervised_steps=0"]

    assert main.run([*arguments, *flags]) == 0
    printed = capsys.readouterr().out
    assert f"{encoder}, weighted_200_neighbors: 200 nearest" in printed
    assert "raw pixels" in printed and "untrained" in printed
    assert "supervised" not in printed
    assert "worth it here? weighted_200_neighbors, 1,437 labels: no" in printed

    assert main.run([*arguments, f"--encoder={encoder}"]) == 2
    assert "must be different" in capsys.readouterr().err
    assert main.run([*arguments, "--protocol=linaer"]) == 2
    assert "Did you mean 'linear'" in capsys.readouterr().err


def test_embed_writes_features_and_their_index(encoder, tmp_path, capsys):
    output = tmp_path / "features"
    code = main.run(
        [
            "embed",
            f"--encoder={encoder}",
            "--source=digits",
            f"--output={output}",
            "--split=test",
        ]
    )

    assert code == 0
    printed = capsys.readouterr().out
    assert printed.startswith("360 images 8x8x")
    assert " -> global\n" in printed
    assert "360 images, 5 features each" in printed
    assert np.load(output / "features.npy", mmap_mode="r").shape == (360, 5)
    with open(output / "index.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 360


def test_embed_writes_the_shards_of_its_worker(encoder, tmp_path, capsys):
    output = tmp_path / "features"
    arguments = ["embed", f"--encoder={encoder}", "--source=digits"]
    arguments += [f"--output={output}", "--split=test", "--num_shards=5"]

    assert main.run([*arguments, "--worker=1", "--num_workers=2"]) == 0
    printed = capsys.readouterr().out
    assert f"144 images, 5 features each, in 2 of 5 shards in {output}" in (
        printed
    )
    assert main.run(arguments) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert printed == (
        f"216 images, 5 features each, in 3 of 5 shards in {output}; 2 shards "
        "were done before"
    )
    assert sum(map(len, training.read_embedding(output))) == 360

    assert main.run([*arguments, "--num_shards=6"]) == 2
    assert "num_shards was 5 and is 6" in capsys.readouterr().err
    assert main.run([*arguments, f"--output={tmp_path}"]) == 2
    assert "no embedding in shards" in capsys.readouterr().err


def test_export_writes_a_saved_model(encoder, tmp_path, capsys):
    path = tmp_path / "models" / "tiny"

    assert main.run(["export", str(encoder), str(path)]) == 0
    assert (path / "1" / "saved_model.pb").is_file()
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == str(path / "1")
    assert any(line.startswith("tf.saved_model.load") for line in printed)
    assert main.run(["export", str(encoder), str(path / "1")]) == 2


def test_export_shows_nan_and_failed_runtimes(
    encoder, tmp_path, capsys, monkeypatch
):
    from keras_dim.exporting import parity

    runtimes = {
        "one": {"version": "1.2", "differences": {"fc": 0.0, "conv": np.nan}},
        "two": {"version": "3", "failed": "ValueError: no such operation"},
        "three": {"not_run": "three is not installed"},
    }
    monkeypatch.setattr(parity, "report", lambda *_: {"runtimes": runtimes})

    assert main.run(["export", str(encoder), str(tmp_path / "tiny")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert rows["one"].split() == ["one", "1.2", "nan"]
    assert rows["two"].endswith("failed: ValueError: no such operation")
    assert rows["three"].endswith("three is not installed")


def test_help_of_export_names_every_format(capsys):
    from keras_dim.exporting import FORMATS

    assert main.run(["export", "--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in FORMATS)


def test_list_names_every_recipe(capsys):
    from keras_dim import recipes

    assert main.run(["list"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in recipes.RECIPES)


@pytest.mark.parametrize(("measured", "code"), [(0.711, 0), (0.70, 1)])
def test_the_code_of_verify_says_whether_the_scores_agree(
    measured, code, capsys, monkeypatch
):
    from keras_dim import training

    def verify(name, directory, tolerance, report):
        result = {
            "feature": "fc",
            "probe": "mlp_probe",
            "arguments": {},
            "card": 0.712,
            "measured": measured,
            "agrees": abs(0.712 - measured) <= 0.005,
        }
        report(result)
        return [result]

    monkeypatch.setattr(training, "verify", verify)

    assert main.run(["verify", "tiny"]) == code
    printed = capsys.readouterr().out
    assert "71.20" in printed and f"{100 * measured:.2f}" in printed
    assert printed.rstrip().endswith("yes" if code == 0 else "no")


def test_verify_names_scores_that_it_could_not_measure(capsys, monkeypatch):
    from keras_dim import training

    result = {
        "feature": "fc",
        "probe": "few_shot",
        "arguments": {"shots": 5},
        "card": 0.712,
        "measured": None,
        "agrees": False,
        "reason": "There are no such images.",
    }
    monkeypatch.setattr(training, "verify", lambda *_: [result])

    assert main.run(["verify", "tiny"]) == 1
    printed = capsys.readouterr().out
    assert "few_shot(shots=5)" in printed
    assert "not measured: There are no such images." in printed


def test_classify_passes_its_flags_to_the_function(
    encoder, capsys, monkeypatch
):
    import inspect

    from keras_dim.training import classifying

    real, seen = classifying.classify, {}

    def classify(*arguments, **given):
        seen.update(inspect.signature(real).bind(*arguments, **given).arguments)
        scores = "majority_class", "frozen_probe", "linear", "accuracy"
        counts = "num_train", "num_test", "num_held_out", "epochs"
        found = {"stage": "linear"} | dict.fromkeys(counts, 7)
        return found | dict.fromkeys(scores, 0.5)

    monkeypatch.setattr(classifying, "classify", classify)
    flags = ["--source=digits", "--output=x", "--test_split=0.2", "--epochs=0"]

    assert main.run(["classify", f"--encoder={encoder}", *flags]) == 0
    assert "50.00" in capsys.readouterr().out
    assert (seen["source"], seen["test_split"]) == ("digits", 0.2)
    assert (seen["epochs"], seen["held_out"]) == (0, 0.1)
