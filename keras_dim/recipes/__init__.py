"""Recipes of training runs, one to a file of its name."""

import importlib
import pkgutil

from keras_dim import checks
from keras_dim.training import Recipe

RECIPES = {
    name: getattr(importlib.import_module(f"{__name__}.{name}"), name)
    for _, name, _ in pkgutil.iter_modules(__path__)
}
# Otherwise these names would be those of the modules.
globals().update(RECIPES)
__all__ = ["RECIPES", "get", *RECIPES]


def get(name: str) -> Recipe:
    """Returns the recipe of that name.

    Raises:
        ValueError: for an unknown name, with the nearest one.
    """
    checks.one_of(RECIPES, recipe=name)
    return RECIPES[name]
