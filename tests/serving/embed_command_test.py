"""`keras-dim embed` writes the same folder from a server as from an encoder."""

import filecmp
import json

import numpy as np
import pytest
import tiny_images
from serving.conformance_server import ConformanceServer
from serving.conformance_server import Model

from keras_dim import serving
from keras_dim import training
from keras_dim.cli import main


@pytest.fixture
def photos(tmp_path):
    """Images of several sizes, grey and colour, and an empty file."""
    shapes = [(8, 8, 3), (12, 9, 3), (5, 20, 3), (8, 8, 1), (30, 30, 3)]
    for number, shape in enumerate(shapes):
        path = (
            tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        image = tiny_images.pixels(number, shape)
        path.write_bytes(tiny_images.encode(image))
    (tmp_path / "photos" / "dog" / "empty.png").write_bytes(b"")
    return tmp_path / "photos"


def assert_same_folders(found, expected):
    assert sorted(path.name for path in found.iterdir()) == [
        "features.npy",
        "index.csv",
        "skipped.csv",
    ]
    for name in ("index.csv", "skipped.csv"):
        assert filecmp.cmp(found / name, expected / name, shallow=False)
    np.testing.assert_allclose(
        np.load(found / "features.npy"),
        np.load(expected / "features.npy"),
        rtol=1e-5,
        atol=1e-5,
    )


def test_a_server_gives_the_same_folder_as_the_encoder(
    photos, tmp_path, encoder, host, capsys
):
    path = tmp_path / "tiny.keras"
    encoder.save(path)
    common = ["embed", f"--source={photos}", "--feature=conv", "--batch_size=2"]
    here, there = tmp_path / "here", tmp_path / "there"

    code = main.run([*common, f"--encoder={path}", f"--output={here}"])
    assert code == 0, capsys.readouterr().err
    code = main.run(
        [*common, f"--server={host}", "--model=tiny", f"--output={there}"]
    )
    assert code == 0, capsys.readouterr().err
    assert "5 images, 16 features each" in capsys.readouterr().out
    assert_same_folders(there, here)


def test_shards_from_a_server_have_the_rows_of_the_encoder(
    photos, tmp_path, encoder, host, capsys
):
    path = tmp_path / "tiny.keras"
    encoder.save(path)
    common = ["embed", f"--source={photos}", "--feature=conv", "--batch_size=2"]
    here, there = tmp_path / "here", tmp_path / "there"
    on_server = [*common, f"--server={host}", "--model=tiny"]
    on_server += [f"--output={there}", "--num_shards=3"]

    assert main.run([*common, f"--encoder={path}", f"--output={here}"]) == 0
    for worker in ("--worker=0", "--worker=1"):
        code = main.run([*on_server, worker, "--num_workers=2"])
        assert code == 0, capsys.readouterr().err

    np.testing.assert_allclose(
        np.concatenate(training.read_embedding(there)),
        np.load(here / "features.npy"),
        rtol=1e-5,
        atol=1e-5,
    )
    manifest = json.loads((there / "embed.json").read_text())
    assert host in manifest["encoder"]["server"]
    assert manifest["encoder"]["version"] == 1
    capsys.readouterr()

    # The shards of one folder must come from one encoder.
    code = main.run(
        [*common, f"--encoder={path}", f"--output={there}", "--num_shards=3"]
    )
    assert code == 2
    assert "encoder was {'server': " in capsys.readouterr().err


def test_all_shards_need_the_version_of_the_first(
    tmp_path, folder, protocol, capsys
):
    np.save(tmp_path / "x.npy", tiny_images.pixels(0, (4, 3, 4, 1)))
    with ConformanceServer({"mean": Model(folder / "mean", (1, 2))}) as server:
        worker = [
            "embed",
            f"--server={getattr(server, protocol)}",
            "--model=mean",
            f"--source={tmp_path / 'x.npy'}",
            f"--output={tmp_path / 'out'}",
            "--feature=features",
            "--num_shards=3",
            "--num_workers=3",
        ]
        assert main.run([*worker, "--worker=0", "--version=1"]) == 0
        # The newest version is another encoder.
        assert main.run([*worker, "--worker=1"]) == 2
        assert "in version 1" in capsys.readouterr().err
        assert main.run([*worker, "--worker=1", "--version=1"]) == 0
        server.serve("mean", Model(folder / "mean", (1,)))
        # Version 1 is now the newest.
        assert main.run([*worker, "--worker=2"]) == 0

    manifest = json.loads((tmp_path / "out" / "embed.json").read_text())
    assert manifest["encoder"]["version"] == 1
    assert "versions" not in manifest["encoder"]
    assert sum(map(len, training.read_embedding(tmp_path / "out"))) == 4


def test_a_model_of_any_size_gets_images_unchanged(tmp_path, host):
    images = tiny_images.pixels(0, (5, 3, 4, 2))
    np.save(tmp_path / "x.npy", images)
    client = serving.Client(host, "pixels")

    result = training.embed(
        client, tmp_path / "x.npy", tmp_path / "out", "pixels", 2
    )

    assert result == {"num_images": 5, "num_skipped": 0, "width": 24}
    np.testing.assert_array_equal(
        np.load(tmp_path / "out" / "features.npy"), images.reshape(5, 24)
    )


def test_all_rows_are_of_one_version(tmp_path, folder, protocol):
    images = tiny_images.pixels(0, (4, 3, 4, 1))
    np.save(tmp_path / "x.npy", images)
    both = Model(folder / "mean", (1, 2))
    with ConformanceServer({"mean": Model(folder / "mean", (1,))}) as server:
        training.embed(
            serving.Client(getattr(server, protocol), "mean"),
            tmp_path / "x.npy",
            tmp_path / "out",
            "features",
            2,
            # After the first batch.
            report=lambda *_: server.serve("mean", both),
        )

    np.testing.assert_allclose(
        np.load(tmp_path / "out" / "features.npy")[:, 0],
        images.mean((1, 2, 3)),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model=tinny"], "the model 'tinny' with NOT_FOUND"),
        (["--model=tiny", "--feature=colour"], "no feature 'colour'"),
    ],
)
def test_a_failure_is_one_line_and_leaves_nothing(
    photos, tmp_path, host, flags, message, capsys
):
    before = sorted(tmp_path.iterdir())
    arguments = [f"--source={photos}", f"--output={tmp_path / 'out'}"]

    code = main.run(["embed", f"--server={host}", *arguments, *flags])

    printed = capsys.readouterr().err
    assert code == 2
    assert message in printed
    assert printed.count("keras-dim: ") == 1
    assert sorted(tmp_path.iterdir()) == before
