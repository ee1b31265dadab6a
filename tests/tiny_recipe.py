"""A run of seconds: the bundled digits at their own size, a tiny encoder."""

import dataclasses
import typing

import keras
from tiny_encoder import tiny_encoder

from keras_dim import methods
from keras_dim import views
from keras_dim.training import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinyRecipe(Recipe):
    """Draws crops, flips and locations, so that every seed matters."""

    units: int = 8
    prior: str | None = "uniform"

    method: typing.ClassVar[str] = "tiny"

    def build_model(self, image_shape: tuple[int, int, int]) -> keras.Model:
        return methods.DeepInfoMax(
            tiny_encoder(image_shape[0], image_shape[-1]),
            views=views.dim(8, crop_padding=1, flip=True, seed=self.seed),
            prior=self.prior,
            critic_units=self.units,
            num_local_samples=4,
            seed=self.seed,
        )


def tiny_recipe(**changes):
    recipe = TinyRecipe(
        name="tiny",
        source="digits",
        batch_size=128,
        epochs=3,
        learning_rate=1e-3,
        schedule="cosine",
        seed=3,
    )
    return recipe.replace(**changes)
