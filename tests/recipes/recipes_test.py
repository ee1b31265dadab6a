"""Each published recipe is whole, and builds what it says."""

import ast
import dataclasses
import importlib
import inspect
import json
import pathlib

import numpy as np
import pytest

import keras_dim
from keras_dim import catalog
from keras_dim import data
from keras_dim import parts
from keras_dim import recipes
from keras_dim.data import open_source
from keras_dim.methods import METHODS
from keras_dim.training import Recipe
from keras_dim.training import labelled_images_of
from keras_dim.training.recipe import PARTS_OF_METHODS

# What the encoder takes, and the places of one of its maps.
ENCODERS = {
    "deep_infomax_digits": ((28, 28, 1), "local", (7, 7)),
    "deep_infomax_cifar10": ((32, 32, 3), "local", (8, 8)),
    "deep_infomax_tiny_imagenet": ((64, 64, 3), "local", (15, 15)),
    "deep_infomax_stl10": ((64, 64, 3), "local", (15, 15)),
    "amdim_cifar10": ((32, 32, 3), "map_7", (7, 7)),
    "amdim_tiny_imagenet": ((64, 64, 3), "map_7", (7, 7)),
    "amdim_stl10": ((64, 64, 3), "map_7", (7, 7)),
    "amdim_imagenette": ((64, 64, 3), "map_7", (7, 7)),
    "moco_cifar10": ((32, 32, 3), "local", (8, 8)),
    "moco_v1_cifar10": ((32, 32, 3), "local", (8, 8)),
    "byol_cifar10": ((32, 32, 3), "local", (8, 8)),
    "simclr_cifar10": ((32, 32, 3), "local", (8, 8)),
    "instance_discrimination_cifar10": ((32, 32, 3), "local", (8, 8)),
    "cmc_cifar10": ((32, 32, 3), "luminance", (256,)),
    "cpc_stl10": ((64, 64, 3), "local", (7, 7)),
    "raft_cifar10": ((32, 32, 3), "local", (8, 8)),
    "alignment_uniformity_stl10": ((64, 64, 3), "conv", (7, 7)),
    "corinfomax_cifar10": ((32, 32, 3), "local", (8, 8)),
    "coding_rate_cifar10": ((32, 32, 3), "local", (8, 8)),
    "deep_infomax_xray": ((64, 64, 1), "local", (8, 8)),
    "deep_infomax_microscopy": ((64, 64, 3), "local", (8, 8)),
    "amdim_satellite": ((64, 64, 3), "map_7", (7, 7)),
    "distillation_cifar10": ((32, 32, 3), "map_7", (7, 7)),
}
# Widths that change no place of a map, and take no memory.
# They are those of a recipe, or of all other recipes of a method.
NARROW = {
    "moco_v1_cifar10": {"queue_size": 4, "width": 2},
    "deep_infomax": {"critic.units": 8},
    "amdim": {"base_width": 2, "representation_units": 16, "depth": 1},
    "moco": {"queue_size": 4},
    "byol": {"hidden_units": 4},
    "simclr": {"width": 2},
    "instance_discrimination": {"width": 2},
    "cmc": {"num_noise": 2},
    "cpc": {"width": 2},
    "raft": {"hidden_units": 4, "width": 2},
    "alignment_uniformity": {"encoder.units": 4},
    "corinfomax": {"hidden_units": 4, "width": 2},
    "coding_rate": {"hidden_units": 4, "width": 2},
    "distillation": {"base_width": 2, "representation_units": 16},
}
# Every field of every recipe, beside the code.
WRITTEN = json.loads(
    pathlib.Path(__file__).with_name("recipes.json").read_text("utf-8")
)


def narrow(name):
    recipe = recipes.get(name)
    of_method = NARROW[recipe.method["name"]]
    recipe = recipe.replace(**NARROW.get(name, of_method))
    channels = recipe.channels or 3
    images = np.arange(64 * channels, dtype="uint16").reshape(1, 8, 8, channels)
    return recipe.measured(data.open_source(images, values="stored"))


def test_the_recipes_are_known_by_their_names():
    assert sorted(recipes.RECIPES) == sorted(ENCODERS)
    for name, recipe in recipes.RECIPES.items():
        assert recipe.name == name
        assert recipes.get(name) is recipe


@pytest.mark.parametrize("name", ENCODERS)
def test_a_recipe_has_the_published_arguments(name):
    assert recipes.get(name).to_dict() == WRITTEN[name]


@pytest.mark.parametrize("name", ENCODERS)
def test_no_field_of_a_recipe_repeats_its_default(name):
    # Else it could be deleted, and the test above would not tell.
    module = importlib.import_module(f"keras_dim.recipes.{name}")
    (call,) = (
        node
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call)
    )
    defaults = {
        field.name: field.default for field in dataclasses.fields(Recipe)
    }
    for keyword in call.keywords:
        assert ast.literal_eval(keyword.value) != defaults[keyword.arg]


@pytest.mark.parametrize("name", ENCODERS)
def test_a_recipe_builds_its_model(name):
    recipe = narrow(name)
    images = (recipe.image_size, recipe.image_size, recipe.channels or 3)
    model = recipe.build_model(images, steps_per_epoch=2, num_images=4)
    shape, feature, places = ENCODERS[name]

    assert type(model) is METHODS[recipe.method["name"]]
    assert model.encoder.input_shape == (None, *shape)
    assert recipe.encoder_shape(images) == shape
    assert model.encoder.output[feature].shape[1:3] == places
    for argument, value in recipe.method.items():
        found = getattr(model, argument, None)
        if argument in PARTS_OF_METHODS:
            for part, of_part in parts.named(value).items():
                assert part == "name" or getattr(found, part) == of_part
        elif argument == "teacher":
            weights = keras_dim.pretrained(value).get_weights()
            np.testing.assert_array_equal(
                found.network.get_weights()[0], weights[0]
            )
        elif argument != "name":
            assert found == value


@pytest.mark.parametrize("name", ENCODERS)
def test_a_recipe_survives_being_written(name, tmp_path):
    recipe = recipes.get(name)
    recipe.save(tmp_path / "recipe.json")

    assert Recipe.load(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize("name", ENCODERS)
def test_a_recipe_tells_its_command_and_its_paper(name):
    module = __import__(f"keras_dim.recipes.{name}", fromlist=["__doc__"])

    assert "keras-dim pretrain" in module.__doc__
    if name != "deep_infomax_digits":
        assert f"--recipe {name}" in module.__doc__
        assert "paper" in module.__doc__.lower()


def test_amdims_stl10_is_the_authors():
    recipe = recipes.get("amdim_stl10")
    optimizer = recipe.build_optimizer(steps_per_epoch=208)
    rate = optimizer._learning_rate

    assert (optimizer.beta_1, optimizer.beta_2) == (0.8, 0.999)
    assert (optimizer.epsilon, optimizer.l2) == (1e-8, 1e-5)
    # 500 steps of rising; a fifth after 250 epochs and after 280.
    assert rate.warmup_steps == pytest.approx(500, abs=1)
    assert rate.boundaries == [250 * 208, 280 * 208]
    assert rate.factor == 0.2


def test_pairings_of_amdim_may_be_changed():
    recipe = narrow("amdim_cifar10").replace(
        pairings='[["map_7", "map_5"], ["global", "global"]]'
    )
    model = recipe.build_model((32, 32, 3))

    assert model.pairings == (("map_7", "map_5"), ("global", "global"))


def test_amdim_takes_no_images_of_other_sizes():
    with pytest.raises(ValueError, match="32, 64 or 128.*Received: 48"):
        narrow("amdim_cifar10").build_model((48, 48, 3))


def test_the_variational_prior_gets_its_variance():
    recipe = narrow("deep_infomax_digits").replace(prior="variational")
    model = recipe.build_model((28, 28, 1))

    assert "global_log_variance" in model.encoder.output


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match="square images: set image_size"):
        recipes.get("deep_infomax_digits").build_model((28, 32, 1))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'deep_infomax_stl10'"):
        recipes.get("deep_infomax_stl")


@pytest.mark.parametrize("name", ["deep_infomax_stl10", "amdim_stl10"])
def test_stl10_is_probed_on_its_labelled_images(name, monkeypatch):
    # Other images for each split, as in the true data set.
    def opened(source, split, **options):
        assert source == "stl10"
        shade = {"train": 10, "test": 20}.get(split, 30)
        images = np.full((1, 96, 96, 3), shade, np.uint8)
        return open_source((images, [1]), split, **options)

    monkeypatch.setattr(data, "open_source", opened)
    images = labelled_images_of(recipes.get(name))
    train = next(iter(images.train))["image"].numpy()
    test = next(iter(images.test))["image"].numpy()
    assert train.shape == test.shape == (1, 64, 64, 3)
    assert (train == 10).all() and (test == 20).all()


def test_the_catalog_reads_recipes_as_they_are():
    found = {row["name"]: row for row in catalog.list_recipes()}
    assert set(found) == set(recipes.RECIPES)
    for name, row in found.items():
        assert Recipe(**row) == recipes.get(name)
