"""Recipes are saved, changed by text, and refuse invalid values."""

import dataclasses
import json

import pytest
from tiny_recipe import tiny_recipe

from keras_dim.training import Recipe


def test_a_recipe_is_saved_and_loaded(tmp_path):
    recipe = tiny_recipe(test_split=None, image_size=8, learning_rate=1 / 3)
    recipe.save(tmp_path / "recipe.json")

    assert Recipe.load(tmp_path / "recipe.json") == recipe


def test_a_recipe_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny_recipe().epochs = 4


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "7", 7),
        ("image_size", "None", None),
        ("image_size", "16", 16),
        ("source", "12", "12"),
        ("test_split", "None", None),
        ("start_from", "none", None),
        ("start_from", "./none", "./none"),
        ("probe_source", "null", None),
        ("optimizer.learning_rate", "3e-4", 3e-4),
        ("learning_rate", "3e-4", 3e-4),
        ("method.gamma", "0.5", 0.5),
        ("critic.units", "16", 16),
        ("method.critic.units", "16", 16),
        ("prior", "None", None),
        ("prior.gradient_penalty", "10", 10),
        ("bound.chunk_size", "4", 4),
        ("flip", "false", False),
        ("schedule.warmup_epochs", "1", 1),
    ],
)
def test_text_becomes_the_value_of_the_argument_that_it_names(
    name, text, value
):
    changed = tiny_recipe().replace(**{name: text})
    found = changed.to_dict()
    owners = {
        "learning_rate": "optimizer",
        "critic": "method",
        "prior": "method",
        "bound": "method",
        "flip": "views",
    }
    path = name.split(".")
    if path[0] in owners:
        path = [owners[path[0]], *path]
    for step in path:
        found = found[step]

    assert found == value
    assert type(found) is type(value)
    assert changed.replace(**{name: value}) == changed


def test_changes_of_a_part_leave_the_recipe_it_came_from():
    recipe = tiny_recipe()
    before = json.dumps(recipe.to_dict())
    recipe.replace(**{"critic.units": 99, "flip": False})

    assert json.dumps(recipe.to_dict()) == before


def test_another_part_does_not_inherit_arguments():
    changed = tiny_recipe().replace(optimizer="sgd", critic="concatenate")

    assert changed.optimizer == {"name": "sgd"}
    assert changed.method["critic"] == "concatenate"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": "3"}, "no field 'epoch'. Did you mean 'epochs'"),
        ({"epochs": "many"}, "'epochs' of a recipe must be int"),
        ({"epochs": "1.5"}, "'epochs' of a recipe must be int"),
        ({"epochs": True}, "`epochs` must be an integer"),
        ({"epochs": [1]}, "'epochs' of a recipe must be int"),
        ({"epochs": None}, "'epochs' of a recipe must be int"),
        ({"source": 3}, "'source' of a recipe must be str"),
        ({"learning_rate": "nan"}, "`learning_rate` must be above 0"),
        ({"learning_rate": "0"}, "`learning_rate` must be above 0"),
        ({"learning_rate": "1e999"}, "`learning_rate` must be above 0"),
        ({"epochs": 0}, "`epochs` must be an integer, 1 or more"),
        ({"channels": 0}, "`channels` must be an integer, 1 or more"),
        ({"batch_size": 1}, "`batch_size` must be an integer, 2 or more"),
        ({"seed": -1}, "`seed` must be an integer, 0 or more"),
        ({"test_split": 1.5}, "`test_split` must be below 1"),
        ({"probe_split": "-0.2"}, "`probe_split` must be above 0"),
        ({"schedule": "linear"}, "Unknown schedule: 'linear'"),
        ({"schedule": "cosin"}, "Did you mean 'cosine'"),
        ({"dtype_policy": "float8"}, "Unknown dtype_policy"),
        ({"warmup_epochs": -1.0}, "`warmup_epochs` must"),
        (
            {"schedule": "steps", "schedule.boundaries": "0.5"},
            "argument of the optimizer or the schedule: .* not iterable",
        ),
        ({"l2": "{[]: 1}"}, "`l2` must be 0 or more"),
        ({"l2": -1e-4}, "`l2` must be 0 or more"),
        ({"beta_1": 1.0}, "`beta_1` must be below 1"),
        ({"epsilon": 0.0}, "`epsilon` must be above 0"),
        ({"test_classes": "trianed"}, "Did you mean 'trained'"),
        ({"method": "amdm"}, "Unknown method: 'amdm'. Did you mean 'amdim'"),
        ({"encoder": "vgg"}, "Unknown encoder: 'vgg'"),
        ({"critic": "cosine"}, "Unknown critic: 'cosine'"),
        ({"critic": "5"}, "'critic' of a recipe must be str"),
        ({"critic.unit": 8}, "no argument 'unit'. Did you mean 'units'"),
        ({"gama": 1}, "no field 'gama'. Did you mean 'gamma'"),
        ({"optimizer.lr": 1}, "'adam' has no argument 'lr'"),
        ({"critic.units.deep": 1}, "'units' of .* has no arguments"),
        ({"epochs.deep": 1}, "'epochs' of .* has no arguments"),
        ({"method": "moco", "method.critic.units": 8}, "no argument 'cri"),
        ({"flip": True, "flop": 1}, "no field 'flop'. Did you mean 'flip'"),
    ],
)
def test_invalid_recipes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "other"}, "Unknown method"),
        ({"colour": "red"}, "no argument 'colour'"),
        ({"batch_size": "many"}, "'batch_size' of a recipe must be int"),
    ],
)
def test_a_written_recipe_is_checked(tmp_path, changes, message):
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(tiny_recipe().to_dict() | changes))

    with pytest.raises(ValueError, match=message):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "holds no recipe"),
        ("[]", "Expected an object"),
        ('{"method": []}', "missing .* 'name'"),
        ("[" * 100_000, "holds no recipe"),
        ("\udcff", "can't decode byte"),
        ('{"method": "moco", "name": "x"}', "missing .* 'source'"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, message):
    (tmp_path / "recipe.json").write_bytes(
        text.encode("utf-8", "surrogateescape")
    )

    with pytest.raises(ValueError, match=message) as error:
        Recipe.load(tmp_path / "recipe.json")
    assert "recipe.json" in str(error.value)


def test_the_folder_of_a_run_is_no_recipe_but_its_file_is_named(tmp_path):
    (tmp_path / "recipe.json").touch()
    with pytest.raises(FileNotFoundError, match="Did you mean .*recipe.json'"):
        Recipe.load(tmp_path)


def rates(schedule, steps, **changes):
    recipe = tiny_recipe(schedule=schedule, learning_rate=0.5, **changes)
    rate = recipe.build_optimizer(steps_per_epoch=10)._learning_rate
    return [float(rate(step)) for step in steps]


def test_the_cosine_ends_at_zero_after_the_warm_up():
    schedule = {"name": "cosine", "warmup_epochs": 1.0}

    # 10 steps up, then half a cosine over 30: its middle is half the rate.
    found = rates(schedule, (0, 4, 9, 10, 25, 40), epochs=4)
    assert found == pytest.approx([0.05, 0.25, 0.5, 0.5, 0.25, 0.0], abs=1e-7)


def test_the_steps_fall_where_amdims_do():
    schedule = {"name": "steps", "warmup_epochs": 2.0}

    found = rates(schedule, (0, 9, 19, 2499, 2500, 2799, 2800), epochs=300)
    assert found == pytest.approx([0.025, 0.25, 0.5, 0.5, 0.1, 0.1, 0.02])


def test_the_boundaries_of_steps_are_shares_of_the_epochs():
    schedule = {"name": "steps", "boundaries": [0.6], "factor": 0.1}

    found = rates(schedule, (0, 119, 120), epochs=20)
    assert found == pytest.approx([0.5, 0.5, 0.05])


def test_a_warm_up_may_end_in_a_constant_rate():
    schedule = {"name": "constant", "warmup_epochs": 1.0}

    assert rates(schedule, (4, 9, 1000)) == pytest.approx([0.25, 0.5, 0.5])


def test_the_recipe_fills_in_seed_size_and_steps_of_a_part():
    recipe = tiny_recipe(
        method="byol", views="byol", image_size=16, seed=7, epochs=5
    )
    model = recipe.build_model((16, 16, 3), steps_per_epoch=4)

    assert model.num_steps == 20
    assert model.seed == 7
    assert model.encoder.input_shape == (None, 16, 16, 3)


def test_crops_far_below_the_image_are_refused():
    recipe = tiny_recipe(crop_size=8, image_size=24)

    with pytest.raises(ValueError, match="less than a quarter.*crop_size=24"):
        recipe.build_model((24, 24, 3))
