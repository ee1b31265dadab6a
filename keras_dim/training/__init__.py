"""Recipes in, trained encoders and their scores out."""

from keras_dim.training.checkpoints import Checkpoint
from keras_dim.training.encoders import in_float32
from keras_dim.training.pretraining import pretrain
from keras_dim.training.recipe import Recipe

__all__ = ["Checkpoint", "Recipe", "in_float32", "pretrain"]
