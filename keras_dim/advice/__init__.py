"""Advises on a training: looks at images, and chooses a recipe with reasons."""

from keras_dim.advice.advising import Advice
from keras_dim.advice.advising import advise
from keras_dim.advice.choosing import Choice
from keras_dim.advice.looking import Facts
from keras_dim.advice.timing import Timing

__all__ = ["Advice", "Choice", "Facts", "Timing", "advise"]
