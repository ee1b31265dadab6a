"""Arguments that the client refuses, and packages that it does not need."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_dim import serving

REST = "http://localhost:1"
# As if neither were installed. `import keras` itself may load urllib3.
WITHOUT_TENSORFLOW = """
import json, sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "grpc"):
            raise ImportError(f"{name} is blocked by a test")

sys.meta_path.insert(0, Block())
import numpy as np
from keras_dim import serving
rest = "keras_dim.serving.rest_transport"
assert rest not in sys.modules
with serving.Client(sys.argv[1], "mean") as client:
    assert rest in sys.modules
    found = client.embed(np.full((2, 1, 1, 1), 3, "uint8"))
print(json.dumps(found["features"].tolist()))
try:
    serving.Client("localhost:8500", "mean")
except ImportError as error:
    print(error)
"""


def test_rest_needs_no_tensorflow_and_grpc_names_its_packages(server):
    pytest.importorskip("jax", reason="comes with the extra `test`")

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, server.rest],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stderr
    features, error = done.stdout.splitlines()
    assert json.loads(features) == [[6, 1], [6, 1]]
    assert 'pip install "keras-dim[serving]"' in error
    assert "http://host:8501" in error


def test_the_error_of_missing_urllib3_names_its_extra(monkeypatch):
    name = "keras_dim.serving.rest_transport"
    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr(serving, "rest_transport", raising=False)
    monkeypatch.setitem(sys.modules, "urllib3", None)

    with pytest.raises(ImportError, match=r"keras-dim\[serving\].* urllib3"):
        serving.Client(REST, "tiny")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": ""}, "`model` must be a name"),
        ({"model": None}, "`model` must be a name"),
        ({"model": "\ud800"}, "`model` must be a name"),
        ({"batch_size": 0}, "`batch_size` .* 1 or more"),
        ({"batch_size": 2.0}, "`batch_size` .* 1 or more"),
        ({"max_retries": -1}, "`max_retries` .* 0 or more"),
        ({"max_retries": True}, "`max_retries` .* 0 or more"),
        ({"timeout": 0}, "`timeout` must be from 0.001"),
        ({"timeout": float("nan")}, "`timeout` must be from 0.001"),
        ({"timeout": float("inf")}, "`timeout` must be from 0.001"),
        ({"timeout": None}, "`timeout` must be from 0.001"),
        ({"max_message_bytes": 2**31}, "1 to 2,147,483,647"),
        ({"version": -1}, "`version` .* from 0 to"),
        ({"version": 1.0}, "`version` .* from 0 to"),
        ({"version": ""}, "`version` must be a name"),
    ],
)
def test_an_invalid_argument_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        serving.Client(REST, **{"model": "tiny", **arguments})


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 8, 8, 3)), "uint8. Received: dtype float64"),
        (np.zeros((2, 8, 8, 3), "int64"), "uint8. Received: dtype int64"),
        (np.zeros((8, 8, 3), "uint8"), r"images\[None\]"),
        (np.zeros((2, 3, 8, 8), "uint8"), "channels first"),
        (np.zeros((2, 0, 8, 3), "uint8"), r"Received: .*\(2, 0, 8, 3\)"),
        (np.zeros((0, 8, 8, 3), "uint8"), "There are no images"),
        ([], "There are no images"),
        ([np.zeros((8, 8, 3), "uint8")], r"images\[None\]"),
        ([(1, 2, 3)], "3 entries"),
        ([{"label": 1}], r"Received a dict with \['label'\]"),
        ("photos", "keras_dim.data.load"),
        (b"photo", "keras_dim.data.load"),
        (None, "of type NoneType"),
        (5, "of type int"),
    ],
)
def test_invalid_images_are_refused_before_a_request(images, message):
    # No server listens there.
    with pytest.raises(ValueError, match=message):
        serving.Client(REST, "tiny").embed(images)


def test_an_endless_data_set_is_refused():
    import tensorflow as tf

    images = tf.data.Dataset.from_tensors(np.zeros((1, 8, 8, 3), "uint8"))

    with pytest.raises(ValueError, match="repeats for ever"):
        serving.Client(REST, "tiny").embed(images.repeat())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("photo.png", "of type str"),
        (b"bytes", "of type int"),
        (["photo.png"], "of type str"),
        ([pathlib.Path("photo.png")], "of type PosixPath"),
        ([], "There are no images"),
    ],
)
def test_invalid_files_are_refused_before_a_request(files, message):
    with pytest.raises(ValueError, match=message):
        serving.Client(REST, "tiny").embed_encoded(files)


def test_several_feature_names_are_refused(host):
    with pytest.raises(ValueError, match=r"no feature \('fc', 'conv'\)"):
        serving.Client(host, "tiny").embed(
            np.zeros((1, 8, 8, 3), "uint8"), ("fc", "conv")
        )


def test_an_invalid_later_batch_is_refused(host):
    batches = [np.zeros((1, 8, 8, 3), "uint8"), np.zeros((1, 8, 8, 3))]

    with pytest.raises(ValueError, match="float64"):
        serving.Client(host, "tiny").embed(iter(batches))


def test_features_of_several_shapes_are_refused(host):
    images = [np.zeros((1, side, 4, 1), "uint8") for side in (4, 5)]

    with pytest.raises(
        ValueError, match=r"'pixels' depends .* \(5, 4, 1\) after"
    ):
        serving.Client(host, "pixels").embed(images)


def test_images_need_not_be_contiguous(host):
    wide = np.arange(2 * 6 * 6).reshape(2, 6, 6, 1).astype("uint8")
    images = wide[:, ::2, ::-3]

    found = serving.Client(host, "pixels").embed(images, "pixels")

    np.testing.assert_array_equal(found, images)


def test_several_threads_may_share_a_client(host):
    import concurrent.futures

    client = serving.Client(host, "mean", version=1)

    def embed(value):
        images = np.full((3, 2, 2, 1), value, "uint8")
        return client.embed(images)["features"][:, 0].tolist()

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = list(threads.map(embed, range(1, 21)))
    assert found == [[value] * 3 for value in range(1, 21)]


def test_repr_names_model_version_and_address():
    client = serving.Client("http://[::1]:8501/x", "tiny", version=3)

    assert "'tiny' in version 3 at http://[::1]:8501/x" in repr(client)
