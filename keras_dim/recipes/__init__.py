"""One recipe to a file: paper, command, expected score."""

import difflib

from keras_dim.recipes.amdim import AMDIMRecipe
from keras_dim.recipes.amdim_cifar10 import amdim_cifar10
from keras_dim.recipes.amdim_imagenette import amdim_imagenette
from keras_dim.recipes.amdim_stl10 import amdim_stl10
from keras_dim.recipes.amdim_tiny_imagenet import amdim_tiny_imagenet
from keras_dim.recipes.deep_infomax import DeepInfoMaxRecipe
from keras_dim.recipes.deep_infomax_cifar10 import deep_infomax_cifar10
from keras_dim.recipes.deep_infomax_digits import deep_infomax_digits
from keras_dim.recipes.deep_infomax_stl10 import deep_infomax_stl10
from keras_dim.recipes.deep_infomax_tiny_imagenet import (
    deep_infomax_tiny_imagenet,
)
from keras_dim.training import Recipe

RECIPES = {
    recipe.name: recipe
    for recipe in (
        deep_infomax_digits,
        deep_infomax_cifar10,
        deep_infomax_tiny_imagenet,
        deep_infomax_stl10,
        amdim_cifar10,
        amdim_tiny_imagenet,
        amdim_stl10,
        amdim_imagenette,
    )
}


def get(name: str) -> Recipe:
    """Returns the recipe of that name.

    Raises:
        ValueError: for an unknown name, with the nearest ones.
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"Unknown recipe. Expected one of {sorted(RECIPES)}.{hint} "
            f"Received: {name!r}"
        )
    return RECIPES[name]


__all__ = ["AMDIMRecipe", "RECIPES", "DeepInfoMaxRecipe", "get", *RECIPES]
