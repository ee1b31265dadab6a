"""`keras-dim information`: files in, nats out."""

import numpy as np

from keras_dim.cli import main


def test_prints_nats_of_two_files(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(200, 1))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "both.npz", x=x, z=x + 1.0)
    arguments = ["information", f"--x={tmp_path}/x.npy"]
    how = "--estimator=canonical_correlations"

    assert main.run([*arguments, f"--z={tmp_path}/both.npz", how]) == 0
    assert "Saturated" in capsys.readouterr().out


def test_refuses_a_feature_without_an_encoder(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 1)))
    x, z = f"--x={tmp_path}/x.npy", f"--z={tmp_path}/x.npy"

    assert main.run(["information", x, z, "--feature=global"]) == 2
    assert "Received no encoder" in capsys.readouterr().err


def test_refuses_other_files_in_one_line(tmp_path, capsys):
    np.savez(tmp_path / "none.npz", a=np.ones(3), b=np.ones(3))
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no zip")
    for name in ("none.npz", "bad.npz", "x.csv", "missing.npy"):
        path = tmp_path / name
        assert main.run(["information", f"--x={path}", f"--z={path}"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
