"""`keras-dim report`, with an encoder and without one."""

import pytest
from tiny_encoder import tiny_encoder
from tiny_recipe import tiny_recipe

from keras_dim.cli import main


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    path = tmp_path_factory.mktemp("encoders") / "tiny.keras"
    tiny_encoder().save(path)
    return path


def test_with_an_encoder_it_writes_a_report_and_prints_counts(
    photos, encoder, tmp_path, capsys
):
    output = tmp_path / "report"
    command = ["report", f"--source={photos}", f"--output={output}"]
    command += [f"--encoder={encoder}", "--nolabels"]

    assert main.run(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("53 images; ")
    assert "1 could not be read" in lines[-1]
    assert lines[-1].endswith(f"The page: {output / 'report.html'}")
    assert not (output / "label_issues.csv").exists()
    assert all(len(line) <= 120 for line in lines[:-1])

    # The same command again is refused before anything is read.
    assert main.run(command) == 2
    assert "exists" in capsys.readouterr().err


def test_without_an_encoder_it_trains_one(photos, tmp_path, capsys):
    output = tmp_path / "report"
    recipe = tmp_path / "tiny.json"
    tiny_recipe(epochs=1).save(recipe)
    command = ["report", f"--source={photos}", f"--recipe={recipe}"]
    command += [f"--output={output}", "--set=batch_size=16"]
    command += ["--set=image_size=8", "--set=channels=1"]

    assert main.run(command) == 0
    printed = capsys.readouterr().out
    assert "No --encoder: training" in printed
    assert f"for 1 epochs in {output}_encoder" in printed
    assert (tmp_path / "report_encoder" / "encoder.keras").exists()
    assert (output / "label_issues.csv").exists()


@pytest.mark.parametrize(
    "flag", ["--set=epochs=1", "--recipe=byol_cifar10", "--directory=run"]
)
def test_flags_of_training_are_refused_with_an_encoder(
    flag, photos, encoder, tmp_path, capsys
):
    command = ["report", f"--source={photos}", f"--encoder={encoder}"]

    assert main.run([*command, f"--output={tmp_path / 'r'}", flag]) == 2
    assert "or leave out --encoder" in capsys.readouterr().err
