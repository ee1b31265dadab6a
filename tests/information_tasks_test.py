"""benchmarks/information_tasks.py has the tasks with the published values."""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from keras_dim.mutual_information import references

PATH = pathlib.Path(__file__).parents[1] / "benchmarks/information_tasks.py"
# Four digits, as the public benchmark prints them.
TRUTHS = {
    0.2242: "student-identity-1-1-1",
    0.4319: "student-identity-2-2-1",
    0.1931: "student-identity-2-2-2",
    0.2909: "student-identity-3-3-2",
    0.1787: "student-identity-3-3-3",
    0.4482: "student-identity-5-5-2",
    0.2985: "student-identity-5-5-3",
    0.2939: "multinormal-dense-2-2-0.5",
    0.5928: "multinormal-dense-5-5-0.5",
    1.2922: "multinormal-dense-25-25-0.5",
    1.6243: "multinormal-dense-50-50-0.5",
    0.4133: "swissroll_x-normal_cdf-1v1-normal-0.75",
    1.0217: "spiral-normal_cdf-multinormal-sparse-25-25-2-2.0",
    1.7094: "1v1-additive-0.1",
    0.3333: "1v1-additive-0.75",
}


@pytest.fixture(scope="module")
def tasks():
    specification = importlib.util.spec_from_file_location("tasks", PATH)
    module = importlib.util.module_from_spec(specification)
    # Its dataclass looks for its own module there.
    sys.modules["tasks"] = module
    specification.loader.exec_module(module)
    yield module.TASKS
    del sys.modules["tasks"]


def test_forty_tasks_have_the_published_information(tasks):
    assert len(tasks) == 40
    for truth, name in TRUTHS.items():
        assert abs(tasks[name].nats - truth) < 6e-5, name


@pytest.mark.parametrize(
    "name",
    [
        "1v1-normal-0.75",
        "multinormal-dense-5-5-0.5",
        "multinormal-sparse-3-3-2-2.0",
    ],
)
def test_normal_samples_have_the_stated_information(tasks, name):
    found = references.canonical_correlations(*tasks[name].sample(5000, 0))

    # Log-ratios deviate by about 1, so that four deviations are 0.06.
    assert abs(found - tasks[name].nats) < 0.06


@pytest.mark.parametrize(
    "name", ["1v1-additive-0.1", "swissroll_x-normal_cdf-1v1-normal-0.75"]
)
def test_neighbours_estimate_tasks_that_are_not_normal(tasks, name):
    found = references.nearest_neighbors(*tasks[name].sample(5000, 0))

    # Neighbours underestimate a little where the density has an edge.
    assert abs(found - tasks[name].nats) < 0.08


def test_a_spiral_rotates_and_keeps_lengths(tasks):
    flat, turned = (
        tasks[f"{prefix}multinormal-sparse-3-3-2-2.0"].sample(50, 0)
        for prefix in ("", "spiral-")
    )
    for before, after in zip(flat, turned, strict=True):
        np.testing.assert_allclose(
            np.square(before).sum(axis=1), np.square(after).sum(axis=1)
        )
        assert abs(before - after).max() > 0.5
