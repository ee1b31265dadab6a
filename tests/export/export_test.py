"""What is exported runs without keras_dim and without keras."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from tiny_encoder import SHAPES
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim.export import export

LOAD = """
    import sys

    # Whatever imports these afterwards fails.
    sys.modules.update({"keras": None, "keras_dim": None})

    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(sys.argv[1])
    signature = loaded.signatures["serving_default"]
    (spec,) = signature.structured_input_signature[1].values()
    print(spec.name, spec.dtype.name, spec.shape)
    images = tf.constant(np.load(sys.argv[2]))
    found = signature(images=images)
    again = signature(images=images[:1])
    assert all(len(value) == 1 for value in again.values())
    np.savez(sys.argv[3], **{name: x.numpy() for name, x in found.items()})
"""


def load_elsewhere(tmp_path, folder, images):
    np.save(tmp_path / "images.npy", images)
    process = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(LOAD),
            str(folder),
            str(tmp_path / "images.npy"),
            str(tmp_path / "features.npz"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    with np.load(tmp_path / "features.npz") as found:
        return process.stdout.strip(), dict(found)


def test_an_exported_encoder_gives_equal_features_elsewhere(tmp_path):
    encoder = tiny_encoder()
    images = pixels(np.random.default_rng(0), 3)
    path = export(encoder, tmp_path / "models" / "1")
    assert path == tmp_path / "models" / "1"
    assert os.listdir(tmp_path / "models") == ["1"]

    signature, found = load_elsewhere(tmp_path, path, images)
    assert signature == "images uint8 (None, 8, 8, 3)"
    assert set(found) == set(SHAPES)
    expected = encoder.predict(images.astype("float32"), verbose=0)
    for name in SHAPES:
        assert found[name].dtype == np.float32
        # The same float32 arithmetic in another process.
        np.testing.assert_allclose(
            found[name], expected[name], rtol=1e-5, atol=1e-6
        )


def test_a_mixed_precision_encoder_gives_float32(tmp_path):
    import tensorflow as tf

    keras.config.set_dtype_policy("mixed_bfloat16")
    export(tiny_encoder(), tmp_path / "1")
    loaded = tf.saved_model.load(tmp_path / "1")
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert {spec.dtype for spec in outputs.values()} == {tf.float32}


def test_a_single_tensor_is_named_output(tmp_path):
    import tensorflow as tf

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    export(model, tmp_path / "1")
    loaded = tf.saved_model.load(tmp_path / "1")
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert list(outputs) == ["output"]


def test_an_existing_path_is_not_overwritten(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "mine").write_text("x")
    with pytest.raises(ValueError, match="Nothing is overwritten"):
        export(tiny_encoder(), tmp_path / "1")
    assert os.listdir(tmp_path / "1") == ["mine"]


def test_an_unknown_format_is_refused_with_the_formats(tmp_path):
    with pytest.raises(ValueError, match=r"\['saved_model'\].*'onnx'"):
        export(tiny_encoder(), tmp_path / "1", format="onnx")


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(self, path, **kwargs):
        with open(os.path.join(path, "half"), "w"):
            raise OSError("disk full")

    # Keras makes an archive of the backend's own class.
    archive = type(keras.export.ExportArchive())
    monkeypatch.setattr(archive, "write_out", fail)
    with pytest.raises(OSError, match="full"):
        export(tiny_encoder(), tmp_path / "1")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.Model(),
        lambda: "encoder",
        lambda: keras.layers.Dense(2),
    ],
)
def test_what_is_not_an_encoder_is_refused(tmp_path, make):
    with pytest.raises(ValueError, match="Only a built keras.Model"):
        export(make(), tmp_path / "1")
    assert os.listdir(tmp_path) == []


def test_a_list_of_outputs_is_refused(tmp_path):
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="Received a list of 2"):
        export(keras.Model(images, [images, images + 1]), tmp_path / "1")
    assert os.listdir(tmp_path) == []
