"""An encoder's features have names, and one of them is the default."""

import keras
import pytest
from tiny_encoder import SHAPES
from tiny_encoder import tiny_encoder

from keras_dim.encoders import default_feature
from keras_dim.encoders.features import features_of
from keras_dim.evaluation import raw_pixels_encoder


class Subclassed(keras.Model):
    def call(self, images):
        return {"global": keras.ops.mean(images, (1, 2))}


def flat():
    return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])


def test_outputs_come_by_name():
    assert list(features_of(tiny_encoder(), "local", "global")) == list(SHAPES)
    assert list(features_of(flat())) == ["output"]


@pytest.mark.parametrize(
    ("encoder", "names", "message"),
    [
        (Subclassed, (), r"functional keras.Model.*Subclassed.*keras.Input"),
        (keras.Sequential, (), "functional keras.Model"),
        (flat, ("local",), r"no feature 'local'.*\['output'\]"),
        (tiny_encoder, ("local", "map_5"), "no feature 'map_5'"),
    ],
)
def test_what_is_no_such_encoder_is_refused(encoder, names, message):
    with pytest.raises(ValueError, match=message):
        features_of(encoder(), *names)


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        (tiny_encoder, "global"),
        (flat, "output"),
        (lambda: raw_pixels_encoder((8, 8, 3)), "raw_pixels"),
        (Subclassed, "global"),
        (lambda: {"fc": 0, "global": 0}, "global"),
        (lambda: ["fc"], "fc"),
    ],
)
def test_the_default_is_global_or_the_only_one(encoder, expected):
    assert default_feature(encoder()) == expected


def test_several_features_without_global_have_no_default():
    with pytest.raises(ValueError, match=r"name one of \['conv', 'fc'\]"):
        default_feature(["fc", "conv"])
