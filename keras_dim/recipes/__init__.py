"""Published training runs, one recipe to a file."""

from keras_dim import checks
from keras_dim.recipes.alignment_uniformity_stl10 import (
    alignment_uniformity_stl10,
)
from keras_dim.recipes.amdim_cifar10 import amdim_cifar10
from keras_dim.recipes.amdim_imagenette import amdim_imagenette
from keras_dim.recipes.amdim_stl10 import amdim_stl10
from keras_dim.recipes.amdim_tiny_imagenet import amdim_tiny_imagenet
from keras_dim.recipes.byol_cifar10 import byol_cifar10
from keras_dim.recipes.cmc_cifar10 import cmc_cifar10
from keras_dim.recipes.coding_rate_cifar10 import coding_rate_cifar10
from keras_dim.recipes.corinfomax_cifar10 import corinfomax_cifar10
from keras_dim.recipes.cpc_stl10 import cpc_stl10
from keras_dim.recipes.deep_infomax_cifar10 import deep_infomax_cifar10
from keras_dim.recipes.deep_infomax_digits import deep_infomax_digits
from keras_dim.recipes.deep_infomax_stl10 import deep_infomax_stl10
from keras_dim.recipes.deep_infomax_tiny_imagenet import (
    deep_infomax_tiny_imagenet,
)
from keras_dim.recipes.instance_discrimination_cifar10 import (
    instance_discrimination_cifar10,
)
from keras_dim.recipes.moco_cifar10 import moco_cifar10
from keras_dim.recipes.raft_cifar10 import raft_cifar10
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
        alignment_uniformity_stl10,
        raft_cifar10,
        coding_rate_cifar10,
        corinfomax_cifar10,
        cpc_stl10,
        cmc_cifar10,
        instance_discrimination_cifar10,
    )
}


def get(name: str) -> Recipe:
    """Returns the recipe of that name; an unknown one is a `ValueError`."""
    checks.one_of(RECIPES, recipe=name)
    return RECIPES[name]


__all__ = ["RECIPES", "get", *RECIPES]
