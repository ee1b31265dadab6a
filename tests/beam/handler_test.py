"""The handler accepts or refuses batches and exports, without a pipeline.

If Apache Beam is not installed, empty classes replace its classes.
"""

import importlib
import importlib.util
import io
import pathlib
import sys
import types
import typing

import numpy as np
import pytest
from serving import saved_models

import keras_dim
from keras_dim import data

Input, Output, Model = map(typing.TypeVar, ("Input", "Output", "Model"))


class ModelHandler(typing.Generic[Input, Output, Model]):
    """For `apache_beam.ml.inference.base.ModelHandler`."""


class TaggedOutput(typing.NamedTuple):
    """For `apache_beam.pvalue.TaggedOutput`."""

    tag: str
    value: object


def stand_ins():
    """Returns modules with the names that keras_dim.beam needs at import."""
    modules = {
        name: types.ModuleType(name)
        for name in (
            "apache_beam",
            "apache_beam.io",
            "apache_beam.io.fileio",
            "apache_beam.ml",
            "apache_beam.ml.inference",
            "apache_beam.ml.inference.base",
        )
    }
    for name, module in modules.items():
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    beam = modules["apache_beam"]
    beam.PTransform = beam.PCollection = object
    beam.pvalue = types.SimpleNamespace(TaggedOutput=TaggedOutput)
    modules["apache_beam.ml.inference.base"].ModelHandler = ModelHandler
    return modules


@pytest.fixture(scope="module")
def beam():
    """The package keras_dim.beam, removed afterwards if Beam is missing."""
    if importlib.util.find_spec("apache_beam") is not None:
        yield importlib.import_module("keras_dim.beam")
        return
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins().items():
            patch.setitem(sys.modules, name, module)
        yield importlib.import_module("keras_dim.beam")
    for name in list(sys.modules):
        if name.startswith("keras_dim.beam"):
            del sys.modules[name]
    del keras_dim.beam


def test_a_bad_image_does_not_change_the_others_of_its_batch(
    beam, saved_model, images, damaged
):
    handler = beam.SavedModelHandler(saved_model, "local", 8)
    model = handler.load_model()
    good = list(images.values())
    batch = [*good[:2], damaged["cut.png"], *good[2:], damaged["moving.gif"]]

    found = list(handler.run_inference(batch, model))

    expected = list(handler.run_inference(good, model))
    for place, index in enumerate((0, 1, 3, 4, 5)):
        np.testing.assert_allclose(found[index], expected[place], 1e-5, 1e-6)
        # 4 x 4 places with 3 channels.
        assert found[index].shape == (48,)
    for index in (2, 6):
        assert found[index].startswith("it cannot be decoded: ")
        assert "\n" not in found[index]
    assert handler.batch_elements_kwargs() == {"max_batch_size": 8}


def test_a_file_is_read_or_skipped_by_its_header(
    beam, saved_model, images, damaged
):
    read = beam.embedding._read
    assert list(read(("a", images["0.png"]))) == [("a", images["0.png"])]
    (skipped,) = read(("empty.png", damaged["empty.png"]))
    assert skipped.tag == "skipped"
    assert skipped.value == ("empty.png", "the file is empty")
    handler = beam.SavedModelHandler(saved_model, "fc", 8)
    (reason,) = handler.run_inference(
        [damaged["notes.txt"]], handler.load_model()
    )
    # It says so without TensorFlow, which would decode the file first.
    assert isinstance(reason, str) and "cannot be decoded" not in reason


def test_stored_values_are_those_that_a_source_reads(
    beam, of_bands, stacks, images, tmp_path
):
    encoder, folder = of_bands
    for name, encoded in stacks.items():
        (tmp_path / name).write_bytes(encoded)
    source = data.open_source(
        tmp_path, image_size=8, channels=5, values="stored"
    )
    expected = encoder.predict(source.read(np.arange(3))["image"], verbose=0)
    handler = beam.SavedModelHandler(folder, "fc", 8)
    nan = io.BytesIO()
    np.save(nan, np.full((8, 8, 5), np.nan, "float32"))
    batch = [*stacks.values(), images["0.png"], b"x", nan.getvalue()]

    found = handler.run_inference(batch, handler.load_model())

    np.testing.assert_allclose(found[:3], expected["fc"], 1e-4, 1e-5)
    assert found[3] == (
        "it has 3 band(s) of uint8, and the encoder takes 5 of uint16"
    )
    assert isinstance(found[4], str)
    assert "of float32" in found[5]


def test_a_batch_without_images_is_refused(beam, saved_model):
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        beam.Embed(saved_model, batch_size=0)


def test_an_export_without_such_a_feature_is_refused(beam, saved_model):
    with pytest.raises(ValueError, match="no feature 'colour'"):
        beam.SavedModelHandler(saved_model, "colour", 8).load_model()


def test_an_export_that_takes_no_files_is_refused(beam, tmp_path):
    saved_models.save_pixels(tmp_path / "1")

    with pytest.raises(ValueError, match="no signature 'encoded_images'"):
        beam.SavedModelHandler(str(tmp_path / "1"), "fc", 8).load_model()


def test_a_folder_without_an_export_is_refused(beam, saved_model, tmp_path):
    whole = pathlib.Path(saved_model, "saved_model.pb").read_bytes()
    handler = beam.SavedModelHandler(str(tmp_path), "fc", 8)
    for content in (None, b"", whole[:1000]):
        if content is not None:
            (tmp_path / "saved_model.pb").write_bytes(content)
        with pytest.raises(ValueError, match="cannot be loaded: ") as error:
            handler.load_model()
        assert "\n" not in str(error.value)
