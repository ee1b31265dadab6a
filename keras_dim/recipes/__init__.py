"""Published training runs, one recipe to a file."""

from keras_dim import checks
from keras_dim.recipes.amdim_cifar10 import amdim_cifar10
from keras_dim.recipes.amdim_imagenette import amdim_imagenette
from keras_dim.recipes.amdim_stl10 import amdim_stl10
from keras_dim.recipes.amdim_tiny_imagenet import amdim_tiny_imagenet
from keras_dim.recipes.byol_cifar10 import byol_cifar10
from keras_dim.recipes.deep_infomax_cifar10 import deep_infomax_cifar10
from keras_dim.recipes.deep_infomax_digits import deep_infomax_digits
from keras_dim.recipes.deep_infomax_stl10 import deep_infomax_stl10
from keras_dim.recipes.deep_infomax_tiny_imagenet import (
    deep_infomax_tiny_imagenet,
)
from keras_dim.recipes.moco_cifar10 import moco_cifar10
from keras_dim.recipes.simclr_cifar10 import simclr_cifar10
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
        moco_cifar10,
        byol_cifar10,
        simclr_cifar10,
    )
}


def get(name: str) -> Recipe:
    """Returns the recipe of that name; an unknown one is a `ValueError`."""
    checks.one_of(RECIPES, recipe=name)
    return RECIPES[name]


__all__ = ["RECIPES", "get", *RECIPES]
