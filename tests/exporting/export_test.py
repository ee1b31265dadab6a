"""What is exported runs without keras_dim and without keras."""

import json
import os
import pathlib
import resource
import subprocess
import sys
import textwrap
import types

import hostile_images
import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_encoder import SHAPES
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim import exporting
from keras_dim.data import tensorflow_images
from keras_dim.exporting import export
from keras_dim.exporting import parity
from keras_dim.exporting import single_file

ROOT = pathlib.Path(__file__).parents[2]
LOAD = """
    import sys

    # Whatever imports these afterwards fails.
    sys.modules.update({"keras": None, "keras_dim": None})

    import numpy as np
    import tensorflow as tf

    loaded = tf.saved_model.load(sys.argv[1])
    for name in sorted(loaded.signatures):
        inputs = loaded.signatures[name].structured_input_signature[1]
        print(name, *((s.name, s.dtype.name, s.shape) for s in inputs.values()))
    images = tf.constant(np.load(sys.argv[2]))
    found = loaded.signatures["native"](images=images)
    again = loaded.signatures["native"](images=images[:1])
    assert all(len(value) == 1 for value in again.values())
    np.savez(sys.argv[3], **{name: x.numpy() for name, x in found.items()})
"""


@pytest.fixture(scope="module")
def encoder():
    return tiny_encoder()


@pytest.fixture(scope="module")
def version(encoder, tmp_path_factory):
    """The folder of an exported encoder."""
    return export(encoder, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def signatures(version):
    loaded = tf.saved_model.load(version)
    yield loaded.signatures


@pytest.fixture
def without_checks(monkeypatch):
    """Leaves out the other runtimes, which take seconds."""
    monkeypatch.setattr(parity, "report", lambda *_: {})


def features_of(encoder, images):
    outputs = encoder(tf.cast(images, "float32"), training=False)
    return {name: value.numpy() for name, value in outputs.items()}


def assert_equal_features(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        # The same float32 arithmetic, perhaps in another order.
        np.testing.assert_allclose(
            found[name], value, rtol=1e-5, atol=1e-6, err_msg=name
        )


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
        return process.stdout.splitlines(), dict(found)


def test_an_exported_encoder_gives_equal_features_elsewhere(
    encoder, version, tmp_path
):
    images = pixels(np.random.default_rng(0), 3)
    lines, found = load_elsewhere(tmp_path, version, images)
    assert lines == [
        "encoded_images ('encoded_images', 'string', TensorShape([None]))",
        "native ('images', 'uint8', TensorShape([None, 8, 8, 3]))",
        "serving_default ('images', 'uint8', "
        "TensorShape([None, None, None, 3]))",
    ]
    assert set(found) == set(SHAPES)
    assert_equal_features(found, features_of(encoder, images))


def test_images_of_the_own_size_are_served_as_they_are(encoder, signatures):
    images = pixels(np.random.default_rng(1), 3)
    found = signatures["serving_default"](images=tf.constant(images))
    assert_equal_features(found, features_of(encoder, images))


@pytest.mark.parametrize("size", [(5, 20), (16, 16)])
def test_other_sizes_are_resized_as_data_sets_are(encoder, signatures, size):
    import keras_dim

    generator = np.random.default_rng(2)
    images = generator.integers(256, size=(3, *size, 3), dtype="uint8")
    batch = next(
        iter(
            keras_dim.data.load(
                images, image_size=8, batch_size=3, shuffle=False
            )
        )
    )
    resized = tf.stack(
        [tensorflow_images.convert(image, (8, 8, 3)) for image in images]
    )
    # Pillow, by which data sets resize, rounds after each of its two passes.
    difference = np.subtract(resized, batch["image"], dtype="int16")
    assert np.abs(difference).max() <= 1
    found = signatures["serving_default"](images=tf.constant(images))
    assert_equal_features(found, features_of(encoder, resized))


def test_encoded_images_are_decoded_and_resized(encoder, signatures):
    generator = np.random.default_rng(3)
    images = [
        generator.integers(256, size=(*size, 3), dtype="uint8")
        for size in ((8, 8), (9, 30))
    ]
    encoded = [tf.io.encode_png(image).numpy() for image in images]
    encoded.append(tf.io.encode_jpeg(images[1]).numpy())
    resized = [
        tensorflow_images.convert(
            tensorflow_images.decode_request(data), (8, 8, 3)
        )
        for data in encoded
    ]
    found = signatures["encoded_images"](encoded_images=tf.constant(encoded))
    assert_equal_features(found, features_of(encoder, np.stack(resized)))


@pytest.mark.parametrize(
    ("mode", "file_format", "arguments"),
    [
        ("L", "PNG", {}),
        ("RGBA", "PNG", {}),
        ("RGB", "BMP", {}),
        ("RGB", "WEBP", {"lossless": True}),
    ],
)
def test_each_kind_of_file_is_served(signatures, mode, file_format, arguments):
    import io

    from PIL import Image

    if file_format == "WEBP" and not hasattr(tf.io, "decode_webp"):
        pytest.skip("this TensorFlow does not decode WebP")
    generator = np.random.default_rng(4)
    image = Image.fromarray(
        generator.integers(256, size=(8, 8, 3), dtype="uint8")
    ).convert(mode)
    file = io.BytesIO()
    image.save(file, file_format, **arguments)
    found = signatures["encoded_images"](
        encoded_images=tf.constant([file.getvalue()])
    )
    pixels = tf.constant(np.asarray(image.convert("RGB"))[None])
    expected = signatures["native"](images=pixels)
    assert_equal_features(
        found, {name: value.numpy() for name, value in expected.items()}
    )


def test_what_is_no_image_is_an_error_of_the_request(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError):
        signatures["encoded_images"](encoded_images=tf.constant([b"no image"]))


@pytest.mark.parametrize("name", hostile_images.BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(signatures, name):
    whole = tf.io.encode_png(np.zeros((8, 8, 3), "uint8")).numpy()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = "Send JPEG" if name.endswith("gif") else "more pixels than the 89"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures["encoded_images"](
            encoded_images=tf.constant([whole, hostile_images.BOMBS[name]])
        )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100 * 1024  # In KiB; the smallest takes 270 MB.


def test_what_only_pillow_can_decode_is_refused(signatures):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("P", (8, 8)).save(file, "BMP")
    with pytest.raises(tf.errors.InvalidArgumentError, match="palette"):
        signatures["encoded_images"](
            encoded_images=tf.constant([file.getvalue()])
        )


def test_what_is_loaded_can_be_trained(encoder, version):
    loaded = tf.saved_model.load(version)
    assert len(loaded.trainable_variables) == len(encoder.trainable_variables)
    images = tf.constant(pixels(np.random.default_rng(5), 3))
    with tf.GradientTape() as tape:
        found = loaded.signatures["native"](images=images)
        loss = tf.add_n([tf.reduce_sum(value**2) for value in found.values()])
    gradients = tape.gradient(loss, loaded.trainable_variables)
    for variable, gradient in zip(
        loaded.trainable_variables, gradients, strict=True
    ):
        assert np.abs(gradient).max() > 0, variable.name
    before = loss.numpy()
    for variable, gradient in zip(
        loaded.trainable_variables, gradients, strict=True
    ):
        variable.assign_sub(1e-3 * gradient)
    after = tf.add_n(
        [
            tf.reduce_sum(value**2)
            for value in loaded.signatures["native"](images=images).values()
        ]
    )
    assert after < before


def test_the_report_says_how_each_runtime_agrees(version):
    report = json.loads((version / "export_report.json").read_text())
    runtimes = report["runtimes"]
    assert set(runtimes) == {"tf.saved_model.load", "openvino"}
    for name, found in runtimes.items():
        if name == "openvino" and "not_run" in found:
            continue
        assert found["agrees"], (name, found)
        assert set(found["differences"]) == set(SHAPES)
        assert max(found["differences"].values()) <= 1e-5


def test_openvino_is_told_to_report_its_use_to_nobody(
    encoder, tmp_path, monkeypatch
):
    seen = []

    def run(path, images):
        seen.append(os.environ.get("CI"))
        raise RuntimeError

    for before in ("false", None):
        monkeypatch.delenv("CI", raising=False)
        if before:
            monkeypatch.setenv("CI", before)
        parity.report(encoder, {"own": ("numpy", run)}, tmp_path)
        # Its telemetry looks for this, when it is imported and converts.
        assert seen.pop() == "true"
        assert os.environ.get("CI") == before


def test_a_runtime_that_disagrees_is_told_of(encoder, tmp_path, caplog):
    def run(path, images):
        features = features_of(encoder, images)
        features["fc"] = features["fc"] + 2e-5 * np.abs(features["fc"]).max()
        return features

    report = parity.report(encoder, {"wrong": ("numpy", run)}, tmp_path)
    found = report["runtimes"]["wrong"]
    assert found["differences"]["fc"] == pytest.approx(2e-5, rel=0.1)
    assert found["differences"]["global"] == 0
    assert not found["agrees"]
    assert "By wrong" in caplog.text


# `max` would take the first of the two that are compared.
@pytest.mark.parametrize("name", ["local", "global"])
def test_what_is_no_number_does_not_agree(encoder, tmp_path, caplog, name):
    def run(path, images):
        features = features_of(encoder, images)
        features[name] = np.full_like(features[name], np.nan)
        return features

    report = parity.report(encoder, {"wrong": ("numpy", run)}, tmp_path)
    found = report["runtimes"]["wrong"]
    assert not found["agrees"]
    assert np.isnan(parity.worst(found["differences"]))
    assert "By wrong" in caplog.text


def test_a_runtime_that_fails_is_told_of_and_the_others_are_run(
    encoder, tmp_path, caplog
):
    def fail(path, images):
        raise ValueError("no such\n\n operation")

    def run(path, images):
        return features_of(encoder, images)

    runtimes = {"broken": ("numpy", fail), "sound": ("numpy", run)}
    found = parity.report(encoder, runtimes, tmp_path)["runtimes"]
    assert found["broken"] == {
        "version": np.__version__,
        "failed": "ValueError: no such operation",
    }
    assert found["sound"]["agrees"]
    assert "broken does not run" in caplog.text
    # What TensorFlow cannot load is no SavedModel.
    with pytest.raises(ValueError, match="no such"):
        parity.report(encoder, {"own": ("tensorflow", fail)}, tmp_path)


def test_the_version_is_that_of_the_module(encoder, tmp_path, monkeypatch):
    # As of onnxruntime, which the distribution onnxruntime-gpu provides, too.
    module = types.ModuleType("of_no_distribution")
    module.__version__ = "1.2"
    monkeypatch.setitem(sys.modules, "of_no_distribution", module)

    def run(path, images):
        return features_of(encoder, images)

    runtimes = {"runtime": ("of_no_distribution", run)}
    report = parity.report(encoder, runtimes, tmp_path)
    assert report["runtimes"]["runtime"]["version"] == "1.2"


def test_a_lost_feature_is_no_export(encoder, tmp_path):
    with pytest.raises(RuntimeError, match="lost"):
        parity.report(encoder, {"none": ("numpy", lambda *_: {})}, tmp_path)


def test_a_server_finds_its_settings(version):
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    text = (version.parent / "model.config").read_text()
    config = text_format.Parse(
        text, model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("tiny", "/models/tiny")
    assert model.model_platform == "tensorflow"
    text = (version.parent / "batching.config").read_text()
    assert "max_batch_size { value: 64 }" in text
    assert '# servers whose clients all use the signature "native"' in text


def test_the_server_of_the_compose_file_puts_no_requests_together():
    lines = (ROOT / "compose.yaml").read_text().splitlines()
    code = [line for line in lines if not line.lstrip().startswith("#")]
    flags = [line for line in code if line.lstrip().startswith("- --")]
    # Requests differ in the sizes of their images, and batches may not.
    assert len(flags) == 1
    assert "--model_config_file=/models/" in flags[0]


def test_a_server_warms_up_with_every_signature(version, signatures):
    from tensorflow_serving.apis import prediction_log_pb2

    path = version / "assets.extra" / "tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == "tiny"
        name = request.model_spec.signature_name
        inputs = {
            key: tf.constant(tf.make_ndarray(value))
            for key, value in request.inputs.items()
        }
        found = signatures[name](**inputs)
        asked.append((name, len(found["global"])))
    assert asked == [
        ("serving_default", 1),
        ("serving_default", 64),
        ("native", 1),
        ("native", 64),
        ("encoded_images", 1),
    ]


def test_each_export_is_the_next_version(
    encoder, tmp_path, without_checks, monkeypatch
):
    # What is written into the folders is of no account here.
    monkeypatch.setattr(exporting.signatures, "save", lambda *_: None)
    folder = tmp_path / "models" / "digits"
    assert export(encoder, folder) == folder / "1"
    (folder / "model.config").write_text("mine")
    assert export(encoder, folder) == folder / "2"
    assert export(encoder, folder / "7") == folder / "7"
    assert export(encoder, folder) == folder / "8"
    assert (folder / "model.config").read_text() == "mine"


def test_an_existing_version_is_not_overwritten(encoder, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "mine").write_text("x")
    with pytest.raises(ValueError, match="Nothing is overwritten"):
        export(encoder, tmp_path / "1")
    assert os.listdir(tmp_path / "1") == ["mine"]


@pytest.mark.parametrize("version", ["0", "007"])
def test_a_version_is_a_number_as_servers_count(encoder, tmp_path, version):
    with pytest.raises(ValueError, match=f"from 1 on.*'{version}'"):
        export(encoder, tmp_path / version)


def test_a_mixed_precision_encoder_gives_float32(tmp_path, without_checks):
    keras.config.set_dtype_policy("mixed_bfloat16")
    path = export(tiny_encoder(), tmp_path / "tiny")
    loaded = tf.saved_model.load(path)
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert {spec.dtype for spec in outputs.values()} == {tf.float32}


def test_a_single_tensor_is_named_output(tmp_path, without_checks):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    loaded = tf.saved_model.load(export(model, tmp_path / "flat"))
    outputs = loaded.signatures["serving_default"].structured_outputs
    assert list(outputs) == ["output"]


def test_two_features_may_be_one_tensor(tmp_path):
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(2, 3)(images)
    model = keras.Model(images, {"local": maps, "conv": maps})
    path = export(model, tmp_path / "twice")
    report = json.loads((path / "export_report.json").read_text())
    for found in report["runtimes"].values():
        assert found.get("agrees", True)
        assert set(found.get("differences", ["conv", "local"])) == {
            "conv",
            "local",
        }


@pytest.mark.parametrize(
    ("channels", "names"),
    [
        (1, {"serving_default", "native", "encoded_images"}),
        (5, {"serving_default", "native"}),
    ],
)
def test_files_are_served_where_they_have_the_channels(
    tmp_path, without_checks, channels, names
):
    images = keras.Input((8, 8, channels))
    model = keras.Model(images, {"global": keras.layers.Flatten()(images)})
    loaded = tf.saved_model.load(export(model, tmp_path / "grey"))
    assert set(loaded.signatures) == names
    # More than one signature, and gradients: other sizes are served.
    found = loaded.signatures["serving_default"](
        images=tf.zeros((2, 16, 16, channels), "uint8")
    )
    assert found["global"].shape == (2, 64 * channels)


def test_an_encoder_of_any_size_is_served_at_any_size(tmp_path, without_checks):
    images = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    model = keras.Model(images, {"global": pooled})
    loaded = tf.saved_model.load(export(model, tmp_path / "any"))
    assert set(loaded.signatures) == {"serving_default", "native"}
    found = loaded.signatures["serving_default"](
        images=tf.fill((1, 9, 4, 3), tf.constant(7, tf.uint8))
    )
    np.testing.assert_allclose(found["global"], [[7, 7, 7]])


@pytest.mark.parametrize(
    ("format", "suffix", "package"),
    [
        ("onnx", ".onnx", "onnxruntime"),
        ("litert", ".tflite", "ai_edge_litert"),
    ],
)
def test_one_file_gives_equal_features(
    encoder, tmp_path, format, suffix, package
):
    pytest.importorskip(package, reason="an extra, see setup.py")
    path = export(encoder, tmp_path / f"tiny{suffix}", format=format)
    assert path.stat().st_size > 0
    report = json.loads(
        path.with_name(f"{path.name}.export_report.json").read_text()
    )
    (found,) = report["runtimes"].values()
    assert found["agrees"], found
    assert set(found["differences"]) == set(SHAPES)
    with pytest.raises(ValueError, match="Nothing is overwritten"):
        export(encoder, path, format=format)
    # A batch of another size than the one that was compared.
    run = {"onnx": single_file.run_onnx, "litert": single_file.run_litert}
    images = pixels(np.random.default_rng(6), 7)
    assert_equal_features(
        run[format](path, images), features_of(encoder, images)
    )


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_file_is_named_by_its_format(encoder, tmp_path, format):
    with pytest.raises(ValueError, match="must end in .*model.pb"):
        export(encoder, tmp_path / "model.pb", format=format)
    assert os.listdir(tmp_path) == []


def test_a_missing_extra_is_named(encoder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"keras-dim\[onnx\]"):
        export(encoder, tmp_path / "model.onnx", format="onnx")
    assert os.listdir(tmp_path) == []


def test_a_saved_model_is_not_written_to_the_name_of_a_file(encoder, tmp_path):
    with pytest.raises(ValueError, match="--format onnx"):
        export(encoder, tmp_path / "encoder.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_formats(encoder, tmp_path):
    with pytest.raises(ValueError, match=r"'torch'.*'saved_model'"):
        export(encoder, tmp_path / "1", format="torch")


def test_a_failed_export_leaves_nothing(encoder, tmp_path, monkeypatch):
    def fail(self, path, **kwargs):
        with open(os.path.join(path, "half"), "w"):
            raise OSError("disk full")

    # Keras makes an archive of the backend's own class.
    archive = type(keras.export.ExportArchive())
    monkeypatch.setattr(archive, "write_out", fail)
    with pytest.raises(OSError, match="full"):
        export(encoder, tmp_path / "1")
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_told_with_what_to_do(encoder, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk no file may grow, and TensorFlow says so in its way.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="There is no room for .*Free some"):
            export(encoder, tmp_path / "1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
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


@pytest.mark.parametrize("shape", [(10,), (None, None, None), (4, 8, 8, 3)])
def test_a_model_that_takes_no_images_is_refused(tmp_path, shape):
    values = keras.Input(shape)
    with pytest.raises(ValueError, match=r"must take images, .*\(None, "):
        export(keras.Model(values, values + 1), tmp_path / "1")
    assert os.listdir(tmp_path) == []


def test_a_list_of_outputs_is_refused(tmp_path):
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="Received a list of 2"):
        export(keras.Model(images, [images, images + 1]), tmp_path / "1")
    assert os.listdir(tmp_path) == []
