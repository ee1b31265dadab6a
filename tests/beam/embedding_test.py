"""Features equal those of the export, and bad images are skipped."""

import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

beam = pytest.importorskip(
    "apache_beam", reason="comes with the extra `beam`: make test-beam"
)

import keras_dim.beam  # noqa: E402
from keras_dim.beam import __main__ as command  # noqa: E402

# DirectRunner falls back to this runner, but first downloads Prism, and the
# tests must not need a network.
RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def expected_features(saved_model, images):
    serve = tf.saved_model.load(saved_model).signatures["encoded_images"]
    features = serve(encoded_images=tf.constant(list(images.values())))["fc"]
    return dict(zip(images, features.numpy(), strict=True))


def assert_same_features(found, expected):
    assert found.keys() == expected.keys()
    for name, features in found.items():
        np.testing.assert_allclose(features, expected[name], 1e-5, 1e-6)


def test_features_are_those_of_the_export_and_bad_images_are_skipped(
    saved_model, images, damaged
):
    from apache_beam.testing.util import assert_that

    expected = expected_features(saved_model, images)
    names = set(damaged)

    def check_features(found):
        assert_same_features(dict(found), expected)

    def check_skipped(found):
        assert {name for name, _ in found} == names
        reasons = dict(found)
        assert reasons["empty.png"] == "the file is empty"
        # Only the reason, without lines about the graph.
        assert reasons["cut.png"].startswith("it cannot be decoded: Invalid")
        assert "Send JPEG, PNG" in reasons["moving.gif"]

    with beam.Pipeline(runner=RUNNER) as pipeline:
        embedded = (
            pipeline
            | beam.Create(list({**images, **damaged}.items()))
            | keras_dim.beam.Embed(saved_model, "fc", batch_size=4)
        )
        assert_that(embedded.features, check_features, label="features")
        assert_that(embedded.skipped, check_skipped, label="skipped")


def test_the_command_writes_a_row_for_each_image(
    saved_model, images, damaged, tmp_path
):
    import pyarrow.parquet

    for name, encoded in {**images, **damaged}.items():
        path = tmp_path / "photos" / "at any" / "depth" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded)
    command.main(
        [
            f"--saved_model={saved_model}",
            f"--source={tmp_path}/photos",
            f"--output={tmp_path}/out",
            "--feature=fc",
            "--num_shards=2",
            f"--runner={RUNNER}",
        ]
    )

    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == [
        "features-00000-of-00002.parquet",
        "features-00001-of-00002.parquet",
        "skipped-00000-of-00001.jsonl",
    ]
    rows = [
        row
        for name in written[:2]
        for row in pyarrow.parquet.read_table(
            tmp_path / "out" / name
        ).to_pylist()
    ]
    found = {row["path"].split("/")[-1]: row["features"] for row in rows}
    assert_same_features(found, expected_features(saved_model, images))
    lines = (tmp_path / "out" / written[2]).read_text().splitlines()
    skipped = {json.loads(line)["path"].split("/")[-1] for line in lines}
    assert skipped == set(damaged)


def embed(saved_model, source, output):
    """Returns the rows of the one file that the command writes."""
    import pyarrow.parquet

    command.main(
        [
            f"--saved_model={saved_model}",
            f"--source={source}",
            f"--output={output}",
            "--feature=fc",
            "--num_shards=1",
            f"--runner={RUNNER}",
        ]
    )
    (path,) = output.glob("*.parquet")
    return pyarrow.parquet.read_table(path).to_pylist()


def test_the_command_reads_stored_values(of_bands, stacks, images, tmp_path):
    _, saved_model = of_bands
    (tmp_path / "stacks").mkdir()
    for name, encoded in {**stacks, "0.png": images["0.png"]}.items():
        (tmp_path / "stacks" / name).write_bytes(encoded)
    rows = embed(saved_model, f"{tmp_path}/stacks/", tmp_path / "out")
    found = {row["path"].split("/")[-1]: row["features"] for row in rows}
    handler = keras_dim.beam.SavedModelHandler(saved_model, "fc", 8)
    expected = handler.run_inference(
        list(stacks.values()), handler.load_model()
    )
    assert_same_features(found, dict(zip(stacks, expected, strict=True)))
    (path,) = (tmp_path / "out").glob("*.jsonl")
    assert "3 band(s) of uint8" in path.read_text()


def test_names_that_are_not_utf_8_are_escaped(saved_model, images, tmp_path):
    (tmp_path / "photos").mkdir()
    folder = os.fsencode(tmp_path / "photos")
    for name, content in (
        (b"caf\xe9.png", images["0.png"]),
        (b"na\xefve.png", b""),
        ("café.png".encode(), images["2.png"]),
    ):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)
    rows = embed(saved_model, f"{tmp_path}/photos/*", tmp_path / "out")
    names = {row["path"].split("/")[-1] for row in rows}
    assert names == {r"caf\xe9.png", "café.png"}
    (path,) = (tmp_path / "out").glob("*.jsonl")
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["path"].endswith(r"/na\xefve.png")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--saved_model={tmp}", "cannot be loaded"),
        ("--saved_model={tmp}/empty", "cannot be loaded"),
        ("--saved_model={tmp}/cut", "cannot be loaded"),
        (
            "--feature=colour",
            "has no feature 'colour'. Expected one of ['conv'",
        ),
        ("--source={tmp}/no/**", "no file matches it"),
        ("--output={tmp}", "Nothing is overwritten"),
        ("--batch_size=0", "`--batch_size` must be an integer, 1"),
        ("--num_shards=-1", "`--num_shards` must be an integer, 0"),
    ],
)
def test_a_mistake_is_reported_before_the_pipeline_starts(
    flag, message, saved_model, tmp_path, capsys
):
    (tmp_path / "0.png").write_bytes(b"")
    whole = pathlib.Path(saved_model, "saved_model.pb").read_bytes()
    for name, content in (("empty", b""), ("cut", whole[:1000])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_bytes(content)
    flags = [
        f"--saved_model={saved_model}",
        f"--source={tmp_path}/*.png",
        f"--output={tmp_path}/out",
    ]
    with pytest.raises(SystemExit) as error:
        command.main([*flags, flag.format(tmp=tmp_path)])

    assert error.value.code == 2
    assert message in capsys.readouterr().err
