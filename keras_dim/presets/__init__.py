"""Pretrained encoders, each in a folder with a card that describes it."""

from keras_dim.catalog import list_pretrained
from keras_dim.presets.registry import pretrained
from keras_dim.presets.saving import card
from keras_dim.presets.saving import save_preset

__all__ = ["card", "list_pretrained", "pretrained", "save_preset"]
