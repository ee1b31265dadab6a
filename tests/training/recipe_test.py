"""Recipes say everything, take text, and refuse what they do not know."""

import dataclasses
import json

import keras
import pytest
from tiny_recipe import TinyRecipe
from tiny_recipe import tiny_recipe

from keras_dim.training import Recipe


def test_a_recipe_survives_being_written(tmp_path):
    recipe = tiny_recipe(test_split=None, image_size=8, learning_rate=1 / 3)
    recipe.save(tmp_path / "recipe.json")

    assert Recipe.load(tmp_path / "recipe.json") == recipe


def test_a_recipe_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny_recipe().epochs = 4


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("epochs", "7", 7),
        ("learning_rate", "3e-4", 3e-4),
        ("warmup_epochs", "1", 1.0),
        ("image_size", "None", None),
        ("image_size", "16", 16),
        ("source", "12", "12"),
        ("test_split", "None", None),
        ("prior", "None", None),
    ],
)
def test_text_becomes_what_the_field_is(field, text, value):
    changed = getattr(tiny_recipe().replace(**{field: text}), field)

    assert changed == value
    assert type(changed) is type(value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": "3"}, "no field 'epoch'. Did you mean 'epochs'"),
        ({"epochs": "many"}, "'epochs' of a recipe takes int"),
        ({"epochs": "1.5"}, "'epochs' of a recipe takes int"),
        ({"epochs": True}, "'epochs' of a recipe takes int"),
        ({"epochs": [1]}, "'epochs' of a recipe takes int"),
        ({"name": "None", "epochs": None}, "'epochs' of a recipe takes int"),
        ({"learning_rate": "nan"}, "takes float"),
        ({"learning_rate": "0"}, "`learning_rate` must be above 0"),
        ({"learning_rate": "inf"}, "`learning_rate` must be above 0"),
        ({"source": 3}, "'source' of a recipe takes str"),
        ({"epochs": 0}, "`epochs` must be 1 or more"),
        ({"channels": 0}, "`channels` must be 1 or more"),
        ({"batch_size": 1}, "has no negatives"),
        ({"seed": -1}, "`seed` must not be negative"),
        ({"schedule": "linear"}, "`schedule` must be one of"),
        ({"dtype_policy": "float8"}, "`dtype_policy` must be one of"),
        ({"schedule": "constant", "warmup_epochs": 1.0}, "needs another"),
        ({"schedule": "cosine", "warmup_epochs": -1.0}, "`warmup_epochs` must"),
        ({"l2": -1e-4}, "`l2` must be 0 or more"),
        ({"beta_1": 1.0}, "`beta_1` must be 0 or more and below 1"),
        ({"beta_2": -0.1}, "`beta_2` must be 0 or more and below 1"),
        ({"epsilon": 0.0}, "`epsilon` must be above 0"),
        ({"test_classes": "trianed"}, "`test_classes` must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "other"}, "Unknown method"),
        ({"colour": "red"}, "no field 'colour'"),
        ({"batch_size": "many"}, "'batch_size' of a recipe takes int"),
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
        ('{"method": []}', "Unknown method of a recipe"),
        ("[" * 100_000, "holds no recipe"),
        ("\udcff", "can't decode byte"),
        ('{"method": "tiny", "name": "x"}', "has no source"),
    ],
)
def test_what_is_no_recipe_is_refused_by_its_path(tmp_path, text, message):
    (tmp_path / "recipe.json").write_bytes(
        text.encode("utf-8", "surrogateescape")
    )

    with pytest.raises(ValueError, match=message) as error:
        Recipe.load(tmp_path / "recipe.json")
    assert "recipe.json" in str(error.value)


def test_the_cosine_ends_at_zero_and_the_warmup_begins_there():
    recipe = TinyRecipe(
        name="x",
        source="digits",
        epochs=4,
        learning_rate=0.5,
        schedule="cosine",
        warmup_epochs=1.0,
    )
    rate = recipe.build_optimizer(steps_per_epoch=10)._learning_rate

    # 10 steps up, then half a cosine over 30: its middle is half the rate.
    found = [float(rate(step)) for step in (0, 10, 25, 40)]
    assert found == pytest.approx([0.0, 0.5, 0.25, 0.0], abs=1e-7)
    assert isinstance(rate, keras.optimizers.schedules.CosineDecay)


def test_the_steps_fall_where_amdims_do():
    recipe = TinyRecipe(
        name="x",
        source="digits",
        epochs=300,
        learning_rate=0.5,
        schedule="steps",
        warmup_epochs=2.0,
    )
    rate = recipe.build_optimizer(steps_per_epoch=10)._learning_rate

    found = [float(rate(step)) for step in (0, 9, 19, 2499, 2500, 2799, 2800)]
    assert found == pytest.approx([0.025, 0.25, 0.5, 0.5, 0.1, 0.1, 0.02])


def test_l2_makes_another_adam():
    optimizer = tiny_recipe(l2=1e-5).build_optimizer(10)

    assert optimizer.l2 == 1e-5
    assert optimizer.beta_1 == tiny_recipe().beta_1
    assert type(tiny_recipe().build_optimizer(10)) is keras.optimizers.Adam
