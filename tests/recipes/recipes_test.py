"""Each published recipe is whole, and builds what it says."""

import pytest
import tensorflow_datasets as tfds

from keras_dim import recipes
from keras_dim.training import Recipe
from keras_dim.training import labelled_images_of

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
}
# Widths that change no place of a map, and take no memory.
NARROW = {
    "deep_infomax": {"critic_units": 8},
    "amdim": {"base_width": 2, "representation_units": 16, "depth": 1},
}
HANDED_ON = {
    "deep_infomax": (
        *("alpha", "beta", "gamma", "bound", "prior", "temperature"),
    ),
    "amdim": (
        *("score_limit", "score_penalty", "num_mixtures"),
        *("mixture_temperature", "use_batch_norm", "chunk_size", "seed"),
    ),
}


def test_the_recipes_are_known_by_their_names():
    assert sorted(recipes.RECIPES) == sorted(ENCODERS)
    for name, recipe in recipes.RECIPES.items():
        assert recipe.name == name
        assert recipes.get(name) is recipe


@pytest.mark.parametrize("name", ENCODERS)
def test_a_recipe_builds_its_model(name):
    recipe = recipes.get(name)
    recipe = recipe.replace(**NARROW[recipe.method])
    images = (recipe.image_size, recipe.image_size, recipe.channels)
    model = recipe.build_model(images)
    shape, feature, places = ENCODERS[name]

    assert model.encoder.input_shape == (None, *shape)
    assert recipe.encoder_shape(images) == shape
    assert model.encoder.output[feature].shape[1:3] == places
    for field in HANDED_ON[recipe.method]:
        assert getattr(model, field) == getattr(recipe, field)


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


def test_amdims_defaults_are_the_authors():
    recipe = recipes.AMDIMRecipe(name="x", source="cifar10")
    assert (recipe.epochs, recipe.batch_size) == (300, 200)
    # Of 50,000 images: 500 steps of rising.
    assert recipe.warmup_epochs * (50_000 // recipe.batch_size) == 500
    assert (recipe.learning_rate, recipe.beta_1) == (2e-4, 0.8)
    assert (recipe.beta_2, recipe.epsilon, recipe.l2) == (0.999, 1e-8, 1e-5)
    model = recipe.replace(**NARROW["amdim"]).build_model((32, 32, 3))
    assert model.pairings == (
        ("global", "map_5"),
        ("global", "map_7"),
        ("map_5", "map_5"),
    )


def test_amdims_pairings_are_read_from_text():
    recipe = recipes.get("amdim_cifar10").replace(
        pairings="map_7:map_5 global:global", **NARROW["amdim"]
    )
    model = recipe.build_model((32, 32, 3))

    assert model.pairings == (("map_7", "map_5"), ("global", "global"))


def test_amdim_at_32_pixels_takes_no_other_images():
    recipe = recipes.get("amdim_cifar10").replace(**NARROW["amdim"])
    with pytest.raises(ValueError, match="set image_size=32.*48 x 48"):
        recipe.build_model((48, 48, 3))


def test_the_variational_prior_gets_its_variance():
    recipe = recipes.get("deep_infomax_digits").replace(
        prior="variational", critic_units=8
    )
    model = recipe.build_model((28, 28, 1))

    assert "global_log_variance" in model.encoder.output


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"encoder": "vgg"}, (28, 28, 1), "Unknown encoder"),
        ({}, (28, 32, 1), "square images: set image_size"),
        ({"critic": "cosine"}, (28, 28, 1), "Unknown critic"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, shape, message):
    recipe = recipes.get("deep_infomax_digits").replace(**changes)

    with pytest.raises(ValueError, match=message):
        recipe.build_model(shape)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'deep_infomax_stl10'"):
        recipes.get("deep_infomax_stl")


@pytest.mark.parametrize("name", ["deep_infomax_stl10", "amdim_stl10"])
def test_stl10_is_probed_on_its_labelled_images(name):
    recipe = recipes.get(name)

    def three(self, split=None, **_):
        # Other images for each split, as in the true data set.
        import tensorflow as tf

        shade = {"train": 10, "test": 20}.get(str(split), 30)
        image = tf.io.encode_png(tf.fill((96, 96, 3), tf.cast(shade, "uint8")))
        return tf.data.Dataset.from_tensors({"image": image, "label": 1})

    with tfds.testing.mock_data(as_dataset_fn=three):
        images = labelled_images_of(recipe)
        train = next(iter(images.train))["image"].numpy()
        test = next(iter(images.test))["image"].numpy()
    assert train.shape == test.shape == (1, 64, 64, 3)
    assert (train == 10).all() and (test == 20).all()
