"""A run that is killed, whenever, ends with the weights of an unbroken one."""

import kills
import pytest


@pytest.mark.parametrize(
    ("num_kills", "epochs"),
    [(1, 3), pytest.param(50, 40, marks=pytest.mark.slow)],
)
def test_a_killed_run_ends_as_an_unbroken_one(num_kills, epochs, tmp_path):
    kills.train(tmp_path / "unbroken", epochs)

    killed, runs = kills.kill_often(tmp_path, num_kills, epochs, seed=1)
    kills.train(runs[-1], epochs)

    assert len(killed) == num_kills
    assert any(kill.is_inside_a_save for kill in killed)
    for run in runs:
        assert kills.same_end(run, tmp_path / "unbroken"), run
