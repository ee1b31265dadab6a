"""A bound that starts at its ceiling is warned about once."""

import pytest
from absl import logging

from keras_dim.evaluation import CeilingReport


@pytest.fixture
def warnings(monkeypatch):
    found = []
    monkeypatch.setattr(
        logging, "warning", lambda text, *args: found.append(text % args)
    )
    return found


def run(values):
    report = CeilingReport({"local_information": 6.34})
    for epoch, value in enumerate(values):
        report.on_epoch_end(epoch, {"local_information": value, "loss": 9.0})


def test_a_bound_at_its_ceiling_is_warned_about_once(warnings):
    run([6.1, 6.26, 6.3])

    (warning,) = warnings
    assert "'local_information' is 6.26 of at most 6.34" in warning
    assert "end of epoch 2" in warning


# 3 % below 6.34 is 6.1498.
@pytest.mark.parametrize("values", [[6.14] * 3, [1, 2, 3, 6.3], [float("nan")]])
def test_a_bound_below_its_ceiling_is_not_warned_about(values, warnings):
    run(values)

    assert not warnings


def test_a_name_that_is_not_logged_is_ignored(warnings):
    CeilingReport({"global_information": 6.0}).on_epoch_end(0, {"loss": 9.0})

    assert not warnings


def test_a_ceiling_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        CeilingReport({"local_information": 0.0})
