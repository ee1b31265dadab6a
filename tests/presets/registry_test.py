"""Pretrained encoders are found, checked and loaded; the wrong are refused."""

import json
import shutil

import keras
import numpy as np
import pytest
from tiny_encoder import SHAPES
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim import Recipe
from keras_dim import catalog
from keras_dim import recipes
from keras_dim.presets import card
from keras_dim.presets import list_pretrained
from keras_dim.presets import pretrained
from keras_dim.presets import registry
from keras_dim.presets import save_preset
from keras_dim.training import load_encoder

METADATA = {
    "description": "A tiny encoder.",
    "trained_on": "nothing",
    "licence": "MIT",
    "scores": [
        {
            "feature": "fc",
            "probe": "linear_probe",
            "accuracy": 0.5,
            "protocol": "none",
        }
    ],
}


@pytest.fixture(scope="module")
def encoder():
    return tiny_encoder()


@pytest.fixture(scope="module")
def saved(tmp_path_factory, encoder):
    folder = tmp_path_factory.mktemp("presets")
    save_preset(encoder, "tiny_dim", folder, config={}, metadata=METADATA)
    return folder


@pytest.fixture
def root(tmp_path, saved):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edit(path, **entries):
    value = json.loads(path.read_text())
    value.update(entries)
    path.write_text(json.dumps(value))
    # On purpose, and so the checksums are written anew.
    (path.parent / "SHA256SUMS").write_text(registry.sums(path.parent))


def test_a_preset_gives_the_encoder_that_was_saved(root, encoder):
    loaded = pretrained("tiny_dim", root)
    assert isinstance(loaded, keras.Model)
    assert not loaded.compiled
    images = pixels(np.random.default_rng(0), 3)
    expected = encoder.predict(images, verbose=0)
    found = loaded.predict(images, verbose=0)
    assert set(found) == set(SHAPES)
    for name in SHAPES:
        np.testing.assert_array_equal(found[name], expected[name])


def test_the_table_lists_every_preset_by_name(root, encoder):
    save_preset(encoder, "another", root, config={}, metadata=METADATA)
    (root / "not_a_preset").mkdir()
    (root / ".another-half").mkdir()
    first, second = list_pretrained(root)
    assert first["name"] == "another"
    size = (root / "tiny_dim" / "encoder.keras").stat().st_size
    expected = {
        "name": "tiny_dim",
        "description": "A tiny encoder.",
        "image_shape": (8, 8, 3),
        # 4 x 4 x 3, 2 x 2 x 4, and the vectors.
        "features": {"local": 48, "conv": 16, "fc": 6, "global": 5},
        "parameters": encoder.count_params(),
        "trained_on": "nothing",
        "scores": METADATA["scores"],
        "bytes": size,
        "licence": "MIT",
    }
    assert {key: second[key] for key in expected} == expected


def test_a_changed_byte_is_refused(root, monkeypatch):
    path = root / "tiny_dim" / "encoder.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    def never(*args, **kwargs):
        raise AssertionError("opened before it was checked")

    monkeypatch.setattr(keras.saving, "load_model", never)
    with pytest.raises(ValueError, match="encoder.keras.* is damaged"):
        pretrained("tiny_dim", root)


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_a_bit_that_is_flipped_anywhere_is_refused(root, name):
    path = root / "tiny_dim" / name
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        for bit in (0, 5):
            content = bytearray(whole)
            content[place] ^= 1 << bit
            path.write_bytes(content)
            with pytest.raises(ValueError, match=f"{name}' or SHA256SUMS"):
                pretrained("tiny_dim", root)


def test_damaged_checksums_are_refused(root):
    path = root / "tiny_dim" / "SHA256SUMS"
    for content in (b"", b"\xff\xfe", path.read_bytes()[1:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="or SHA256SUMS beside it is dam"):
            pretrained("tiny_dim", root)


def test_every_preset_that_comes_along_has_its_checksums():
    root = catalog.presets_folder()
    names = catalog.preset_names(root)
    assert names
    for name in names:
        found = (root / name / "SHA256SUMS").read_text()
        assert found == registry.sums(root / name), name


@pytest.mark.parametrize("name", catalog.preset_names(catalog.presets_folder()))
def test_a_preset_that_comes_along_works_and_is_what_its_card_says(name):
    folder = catalog.presets_folder() / name
    metadata = json.loads((folder / "metadata.json").read_text())

    encoder = pretrained(name)
    images = np.zeros((2, *metadata["image_shape"]), "uint8")
    features = encoder(images)

    assert {key: list(value.shape[1:]) for key, value in features.items()} == (
        metadata["features"]
    )
    assert all(np.isfinite(value).all() for value in features.values())
    assert (folder / "README.md").read_text() == card(metadata)
    recipe = Recipe(**metadata["recipe"])
    assert recipe == recipes.get(name)


def test_a_newer_keras_does_not_make_the_layers_anew(monkeypatch):
    def refuse(path):
        raise ValueError("a setting that is not known")

    monkeypatch.setattr(registry.model_files, "load_model", refuse)
    monkeypatch.setattr(keras, "__version__", "99.0.0")
    with pytest.raises(ValueError, match="a setting that is not known"):
        pretrained("deep_infomax_cifar10")


def test_what_the_user_types_for_stl10_gives_features():
    with pytest.warns(UserWarning, match="'amdim_tiny_imagenet'"):
        encoder = pretrained("amdim_stl10")
    with pytest.warns(UserWarning, match="'amdim_tiny_imagenet'"):
        same = load_encoder("amdim_stl10")
    images = np.zeros((2, 64, 64, 3), "uint8")
    np.testing.assert_array_equal(
        encoder(images)["global"], same(images)["global"]
    )


def test_a_file_cut_short_is_refused(root):
    path = root / "tiny_dim" / "encoder.keras"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="encoder.keras.* is damaged"):
        pretrained("tiny_dim", root)


def test_the_nearest_names_are_told(root):
    with pytest.raises(
        ValueError, match=r"Did you mean 'tiny_dim'\? Expected one of"
    ):
        pretrained("tiny_din", root)


def test_a_name_like_none_lists_them_all(root):
    with pytest.raises(ValueError) as error:
        pretrained("zzz", root)
    assert "Did you mean" not in str(error.value)
    assert "Expected one of ['tiny_dim']" in str(error.value)


def test_no_presets_at_all_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"Expected one of \[\]"):
        pretrained("tiny_dim", tmp_path)
    assert list_pretrained(tmp_path) == []


@pytest.mark.parametrize("name", ["../tiny_dim", "Tiny", "", "a b", None])
def test_what_is_not_a_name_is_refused(root, name):
    with pytest.raises(ValueError, match="Unknown preset"):
        pretrained(name, root)


def test_a_missing_folder_is_refused(tmp_path):
    for call in (lambda x: pretrained("a", x), list_pretrained):
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            call(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "SHA256SUMS"])
def test_a_preset_that_is_not_whole_is_refused(root, name):
    (root / "tiny_dim" / name).unlink()
    with pytest.raises(ValueError, match=f"incomplete: there is no {name}"):
        pretrained("tiny_dim", root)


def test_features_other_than_those_of_the_config_are_refused(root):
    edit(root / "tiny_dim" / "config.json", features={"fc": [7]})
    with pytest.raises(ValueError, match="does not give the features"):
        pretrained("tiny_dim", root)


def test_metadata_that_cannot_be_read_is_refused(root):
    (root / "tiny_dim" / "metadata.json").write_text("{")
    sums = registry.sums(root / "tiny_dim")
    (root / "tiny_dim" / "SHA256SUMS").write_text(sums)
    for call in (lambda x: pretrained("tiny_dim", x), list_pretrained):
        with pytest.raises(ValueError, match="not readable as JSON"):
            call(root)


@pytest.mark.parametrize(
    "entries",
    [
        {"features": None},
        {"features": {"fc": 6}},
        {"features": {"fc": [0.5, 10**400]}},
        {"image_shape": 8},
    ],
)
def test_metadata_of_other_types_is_refused(root, entries):
    edit(root / "tiny_dim" / "metadata.json", **entries)
    with pytest.raises(ValueError, match="metadata.json' must have the ent"):
        list_pretrained(root)


def test_a_file_that_runs_code_is_refused(root):
    """Even with the right checksum: a Lambda holds code of its own."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]
    )
    path = root / "tiny_dim" / "encoder.keras"
    model.save(path)
    edit(
        root / "tiny_dim" / "metadata.json",
        sha256=registry.files.sha256(path),
        bytes=path.stat().st_size,
    )
    with pytest.raises(ValueError, match="[Ll]ambda"):
        pretrained("tiny_dim", root)


def test_the_installed_presets_come_before_the_checkout_s(
    tmp_path, monkeypatch
):
    package = tmp_path / "keras_dim"
    package.mkdir()
    monkeypatch.setattr(catalog, "_PACKAGE", package)
    assert catalog.presets_folder() is None
    assert list_pretrained() == []
    (tmp_path / "saved_models").mkdir()
    # Beside an installed package this could be anybody's folder.
    assert catalog.presets_folder() is None
    (tmp_path / "setup.py").write_text("")
    assert catalog.presets_folder() == tmp_path / "saved_models"
    (package / "saved_models").mkdir()
    assert catalog.presets_folder() == package / "saved_models"
    shutil.rmtree(package)


def test_nothing_is_found_with_this_installation_s_own_words(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(catalog, "_PACKAGE", tmp_path)
    with pytest.raises(ValueError, match=r"Expected one of \[\]"):
        pretrained("tiny_dim")


def test_what_is_not_trained_is_stood_in_for_with_a_warning(root, encoder):
    save_preset(
        encoder, "amdim_tiny_imagenet", root, config={}, metadata=METADATA
    )
    command = "keras-dim pretrain --recipe amdim_stl10 --directory RUN"
    with pytest.warns(UserWarning, match=command) as caught:
        loaded = pretrained("amdim_stl10", root)
    assert len(caught) == 1
    assert loaded.count_params() == encoder.count_params()


def test_what_is_trained_needs_no_stand_in(root, encoder):
    for name in ("amdim_stl10", "amdim_tiny_imagenet"):
        save_preset(encoder, name, root, config={}, metadata=METADATA)
    pretrained("amdim_stl10", root)


def test_without_its_stand_in_a_preset_is_unknown(root):
    with pytest.raises(ValueError, match="Unknown preset 'amdim_stl10'"):
        pretrained("amdim_stl10", root)


def test_a_preset_is_loaded_from_its_folder(root, monkeypatch):
    expected = pretrained("tiny_dim", root).get_weights()
    monkeypatch.chdir(root)
    for path in (root / "tiny_dim", "./tiny_dim", f"{root}/tiny_dim"):
        for one, other in zip(
            pretrained(path).get_weights(), expected, strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_a_name_is_never_taken_for_a_folder(root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(ValueError, match="or a folder, such as './"):
        pretrained("tiny_dim")


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("/no/such/folder", FileNotFoundError, "There is no folder"),
        (".", ValueError, "incomplete: there is no"),
        (7, TypeError, "int"),
    ],
)
def test_what_is_no_folder_of_a_preset_is_refused(
    path, error, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        pretrained(path)


def test_a_damaged_preset_is_refused_from_its_folder_too(root):
    path = root / "tiny_dim" / "encoder.keras"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="encoder.keras.* is damaged"):
        pretrained(root / "tiny_dim")
