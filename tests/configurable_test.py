"""The configuration of a class has the arguments of its `__init__`."""

import json

import keras
import numpy as np
import pytest

from keras_dim.configurable import Configurable
from keras_dim.configurable import ConfigurableObject

registered = keras.saving.register_keras_serializable(package="tests")


@registered
class Bound(ConfigurableObject):
    def __init__(self, scale=1.0, sizes=(), about=None):
        self.scale = scale
        self.sizes = sizes
        self.about = about


@registered
class Critic(Configurable, keras.layers.Layer):
    def __init__(self, bound, units=3, parts=(), activation=None, **kwargs):
        super().__init__(**kwargs)
        self.bound = bound
        self.units = units
        self.parts = parts
        self.activation = activation
        self.dense = keras.layers.Dense(units, activation=activation)

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, inputs):
        return self.bound.scale * self.dense(inputs)


@registered
class Method(Configurable, keras.Model):
    def __init__(self, critic, term_weights=None, **kwargs):
        super().__init__(**kwargs)
        self.critic = critic
        self.term_weights = term_weights
        if not critic.built:
            critic.build((None, 4))
        self.built = True

    def call(self, inputs):
        return self.critic(inputs)


@registered
class Rate(Configurable, keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate


def through_json(thing):
    config = json.dumps(keras.saving.serialize_keras_object(thing))
    return keras.saving.deserialize_keras_object(json.loads(config))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"scale": 2.0, "sizes": [1, [2, 3]], "about": {"a": [1, None]}},
        {"about": [Bound(3.0), {"inner": Bound()}]},
    ],
)
def test_an_object_is_restored_from_json(arguments):
    bound = Bound(**arguments)
    copy = through_json(bound)

    assert type(copy) is Bound
    assert copy.scale == bound.scale
    assert copy.about == bound.about
    assert list(copy.sizes) == list(bound.sizes)


def test_objects_with_equal_arguments_are_equal():
    assert Bound(2.0) == Bound(scale=2.0)
    assert hash(Bound(2.0)) == hash(Bound(2.0))
    assert Bound(sizes=(1, 2)) == Bound(sizes=[1, 2])
    assert Bound(2.0) != Bound(3.0)
    assert Bound(2.0) != "Bound"
    assert repr(Bound(2.0)) == "Bound(scale=2.0, sizes=(), about=None)"


def test_a_layer_is_restored_with_name_dtype_and_trainable():
    layer = Critic(
        Bound(2.0),
        units=5,
        parts=[Bound(), "text"],
        activation=keras.activations.relu,
        name="mine",
        dtype="mixed_bfloat16",
        trainable=False,
    )
    copy = through_json(layer)

    assert copy.get_config() == layer.get_config()
    assert copy.bound == Bound(2.0)
    assert copy.units == 5
    assert copy.parts == [Bound(), "text"]
    assert copy.activation is keras.activations.relu
    assert (copy.name, copy.trainable) == ("mine", False)
    assert copy.dtype_policy.name == "mixed_bfloat16"


def test_layers_with_equal_arguments_are_distinct():
    layer = Critic(Bound())

    assert layer == layer
    assert layer != Critic(Bound(), name=layer.name)


def test_a_model_is_restored_from_its_file(tmp_path):
    model = Method(Critic(Bound(2.0)), {"local": -1.0})
    model.save(tmp_path / "model.keras")
    copy = keras.models.load_model(tmp_path / "model.keras")

    assert copy.term_weights == {"local": -1.0}
    assert copy.critic.bound == Bound(2.0)
    images = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(copy(images), model(images))


def test_a_class_of_keras_without_a_configuration_gets_one():
    assert through_json(Rate(0.5)).rate == 0.5


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match="no_such_argument"):
        Bound.from_config({"no_such_argument": 1})


@registered
class Numbered(ConfigurableObject):
    made = []

    def __init__(self, number):
        self.number = number
        self.made.append(number)


@registered
class Tray(ConfigurableObject):
    def __init__(self, one, two, three, four, five, six, seven, eight):
        self.one, self.two, self.three, self.four = one, two, three, four
        self.five, self.six, self.seven, self.eight = five, six, seven, eight


def test_parts_are_built_in_the_order_of_the_arguments():
    # Several workers cannot load a model together if the order differs between
    # processes, as that of sets of str does.
    config = Tray(*map(Numbered, range(8))).get_config()
    Numbered.made.clear()
    Tray.from_config(dict(reversed(config.items())))
    assert Numbered.made == list(range(8))
