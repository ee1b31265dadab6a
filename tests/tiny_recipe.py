"""A run that takes seconds: bundled digits of their own size, tiny encoder."""

from tiny_encoder import tiny_encoder

from keras_dim import encoders
from keras_dim.training import Recipe

encoders.ENCODERS["tiny"] = tiny_encoder


def tiny_recipe(**changes):
    """A recipe with random crops, flips and locations: every seed matters."""
    recipe = Recipe(
        name="tiny",
        source="digits",
        method={
            "name": "deep_infomax",
            "critic": {"name": "dot_product", "units": 8},
            "num_local_samples": 4,
        },
        encoder="tiny",
        views={"name": "dim", "crop_size": 8, "crop_padding": 1, "flip": True},
        optimizer={"name": "adam", "learning_rate": 1e-3},
        schedule="cosine",
        batch_size=128,
        epochs=3,
        seed=3,
    )
    return recipe.replace(**changes)
