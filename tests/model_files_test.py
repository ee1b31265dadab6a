"""Only complete files without code are loaded, others refused in a line."""

import ast
import json
import pathlib
import shutil
import zipfile

import keras
import numpy as np
import pytest
from tiny_encoder import tiny_encoder

import keras_dim
from keras_dim import model_files

PACKAGE = pathlib.Path(keras_dim.__file__).parent


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "encoder.keras"
    tiny_encoder().save(path)
    return path


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def write(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


def refuse(path):
    """Loads a file that must be refused; returns the message of one line."""
    with pytest.raises(ValueError) as error:
        model_files.load_model(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_whole_file_is_loaded(saved):
    loaded = model_files.load_model(saved)
    again = keras.saving.load_model(saved)
    for one, other in zip(
        loaded.get_weights(), again.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file '.*x.keras'"):
        model_files.load_model(tmp_path / "x.keras")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(18)])
def test_other_files_than_archives_of_keras_are_refused(tmp_path, content):
    path = tmp_path / "x.keras"
    path.write_bytes(content)
    assert "keras file" in refuse(path)


def test_a_lambda_is_refused(tmp_path):
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Lambda(lambda x: x + 1)(image))
    model.save(tmp_path / "x.keras")
    assert "a layer 'Lambda', which can run code" in refuse(
        tmp_path / "x.keras"
    )


def test_a_lambda_within_another_layer_is_refused(tmp_path):
    image = keras.Input((3, 4))
    inner = keras.layers.Lambda(keras.ops.abs)
    model = keras.Model(image, keras.layers.TimeDistributed(inner)(image))
    model.save(tmp_path / "x.keras")
    assert "'Lambda'" in refuse(tmp_path / "x.keras")


def changed_class(saved, tmp_path, **changes):
    """The file, with another class instead of its first Dense layer."""
    content = members(saved)
    config = json.loads(content["config.json"])
    layer = next(
        layer
        for layer in config["config"]["layers"]
        if layer["class_name"] == "Dense"
    )
    layer.update(changes)
    content["config.json"] = json.dumps(config).encode()
    return write(tmp_path / "x.keras", content)


@pytest.mark.parametrize(
    "changes",
    [
        # An existing module that would run a given command.
        {"module": "os", "class_name": "system", "registered_name": None},
        {"module": "subprocess", "class_name": "Popen"},
        {"module": "builtins", "class_name": "eval", "registered_name": "eval"},
        # A class that this program has not registered.
        {
            "module": "their_package.layers",
            "class_name": "TheirDense",
            "registered_name": "their_package>TheirDense",
        },
        {"module": "keras_dim.files", "class_name": "write_text"},
    ],
)
def test_an_unregistered_class_is_refused(saved, tmp_path, changes):
    path = changed_class(saved, tmp_path, **changes)
    assert "is not loaded" in refuse(path)


def test_loading_a_file_imports_nothing(saved, tmp_path, monkeypatch):
    (tmp_path / "sly_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = changed_class(
        saved,
        tmp_path,
        module="sly_module",
        class_name="Sly",
        registered_name="Sly",
    )
    assert "is not loaded" in refuse(path)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/tmp/outside",
        "assets/../../outside",
        "run.sh",
        "a\\..\\b",
    ],
)
def test_a_member_that_reaches_outside_is_refused(saved, tmp_path, name):
    path = write(tmp_path / "x.keras", members(saved) | {name: b"x"})
    assert "that Keras never writes" in refuse(path)


def test_a_compressed_member_is_refused_before_it_is_read(saved, tmp_path):
    content = members(saved) | {"model.weights.h5": bytes(10**8)}
    path = write(tmp_path / "x.keras", content, zipfile.ZIP_DEFLATED)
    # A thousandth of its size in memory.
    assert path.stat().st_size < 10**6
    assert "is compressed" in refuse(path)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_missing_member_is_named(saved, tmp_path, name):
    content = members(saved)
    del content[name]
    path = write(tmp_path / "x.keras", content)
    assert f"no item named '{name}'" in refuse(path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_members_of_one_name_are_refused(saved, tmp_path):
    path = shutil.copy(saved, tmp_path / "x.keras")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("config.json", "{}")
    assert "two members of the same name" in refuse(path)


@pytest.mark.parametrize("config", ["{", "[]", "{}", "[" * 100_000, "null"])
def test_an_invalid_configuration_is_refused(saved, tmp_path, config):
    path = write(tmp_path / "x.keras", members(saved) | {"config.json": config})
    refuse(path)


def test_weights_of_another_model_are_refused(saved, tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save(tmp_path / "other.keras")
    weights = members(tmp_path / "other.keras")["model.weights.h5"]
    path = write(
        tmp_path / "x.keras", members(saved) | {"model.weights.h5": weights}
    )
    assert "is not loaded" in refuse(path)


def is_refused_or_harmless(path, content):
    """Whether the archive's checksums detect a change, or it has no effect."""
    try:
        model_files._check_archive(path)
    except ValueError:
        return True
    return members(path) == content


def test_every_flipped_bit_is_detected_or_has_no_effect(saved, tmp_path):
    whole, content = saved.read_bytes(), members(saved)
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(saved) as file:
        inside = {
            place
            for member in file.infolist()
            # After the member's own header: 30 bytes and its name.
            for place in range(
                member.header_offset + 30 + len(member.filename),
                member.header_offset
                + 30
                + len(member.filename)
                + member.file_size,
            )
        }
    # Every bit of the archive's own records, and some bits of each member.
    outside = set(range(len(whole))) - inside
    assert 300 < len(outside) < 1000
    rng = np.random.default_rng(0)
    flips = [(place, bit) for place in sorted(outside) for bit in range(8)]
    flips += [
        (int(place), int(rng.integers(8)))
        for place in rng.choice(sorted(inside), 300, replace=False)
    ]
    for place, bit in flips:
        data = bytearray(whole)
        data[place] ^= 1 << bit
        path.write_bytes(data)
        if place in outside:
            assert is_refused_or_harmless(path, content), (place, bit)
        else:
            # Bytes of the model itself are always refused.
            with pytest.raises(ValueError, match="match its checksum"):
                model_files._check_archive(path)


def test_every_truncated_file_is_refused(saved, tmp_path):
    whole = saved.read_bytes()
    path = tmp_path / "x.keras"
    for length in np.linspace(0, len(whole) - 1, 200).astype(int):
        path.write_bytes(whole[:length])
        refuse(path)


def test_only_model_files_loads_models():
    speaks = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "load_model"
        and ast.unparse(node) != "model_files.load_model"
    }
    # Beam has a function of this name for exports.
    assert speaks == {"model_files.py", "beam/__main__.py"}


def test_the_package_never_unpickles():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            words = {keyword.arg: keyword.value for keyword in node.keywords}
            assert not called.startswith(("pickle.", "dill.", "joblib."))
            assert called not in ("eval", "exec"), path
            if called in ("np.load", "numpy.load"):
                pickle = ast.unparse(words["allow_pickle"])
                assert pickle == "False", path
            assert ast.unparse(words.get("safe_mode", ast.Constant(True))) == (
                "True"
            ), path


def test_classes_are_registered_under_the_package_name():
    # Saved files contain it: another name would make them unreadable.
    found = [
        (name, registered.__name__)
        for name, registered in keras.saving.get_custom_objects().items()
        if registered.__module__.startswith("keras_dim.")
    ]
    assert ("keras_dim>MoCo", "MoCo") in found
    for name, own_name in found:
        assert name == f"keras_dim>{own_name}"
