"""The strategy for a machine and its cluster."""

import json

import pytest
import tensorflow as tf

from keras_dim import distribution

ONE_WORKER = {
    "cluster": {"worker": ["localhost:12345"]},
    "task": {"type": "worker", "index": 0},
}


@pytest.fixture
def made(monkeypatch):
    """Records the devices of strategies instead of making them."""
    devices = []
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", devices.append)
    return devices


@pytest.fixture
def two_gpus(monkeypatch):
    gpus = [
        tf.config.LogicalDevice(f"/device:GPU:{index}", "GPU")
        for index in range(2)
    ]
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: gpus * (kind == "GPU")
    )


def test_without_gpus_all_cpus_are_used(made):
    distribution.strategy("mirrored")
    assert made == [["/device:CPU:0", "/device:CPU:1"]]


@pytest.mark.parametrize("name", ["auto", "mirrored"])
def test_a_cluster_of_one_worker_uses_its_gpus(
    name, made, two_gpus, monkeypatch
):
    monkeypatch.setenv("TF_CONFIG", json.dumps(ONE_WORKER))
    distribution.strategy(name)
    assert made == [["/device:GPU:0", "/device:GPU:1"]]


@pytest.mark.parametrize("text", ["{cluster", '{"cluster": 3}'])
@pytest.mark.parametrize("name", ["auto", "multi_worker"])
def test_an_invalid_cluster_is_refused(name, text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        distribution.strategy(name)
