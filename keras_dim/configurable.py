"""Configurations that follow from the signature of `__init__`."""

import inspect

import keras


class Configurable:
    """Gives a class `get_config` and `from_config`.

    Every argument of `__init__` must be kept as an attribute of the same name.
    Layers and models list this class before Keras's, whose `get_config` adds
    its entries: `class Scale(Configurable, keras.layers.Layer)`.

    An argument may be a number, a string, None, a list, tuple or dict of these,
    a function registered with Keras, or an object with such a configuration.
    Tuples become lists, as in JSON.
    """

    def get_config(self):
        """Returns a dict of the arguments of `__init__`."""
        try:
            of_base = getattr(super(), "get_config", dict)()
        except NotImplementedError:
            # Keras's schedules and regularizers have none.
            of_base = {}
        return of_base | {
            name: _serialized(getattr(self, name))
            for name in _arguments(type(self))
            # Keras's entry is right: the attribute `learning_rate` of an
            # optimizer, for example, is not its argument.
            if name not in of_base
        }

    @classmethod
    def from_config(cls, config):
        """Returns a new object with the arguments of a `get_config`."""
        # In the order of the arguments, as several workers must create
        # variables in the same order.
        made = {
            name: keras.saving.deserialize_keras_object(config[name])
            for name in _arguments(cls)
            if name in config
        }
        # The other entries are Keras's, as it wrote them.
        return cls(**(config | made))


class ConfigurableObject(Configurable):
    """An object without state apart from its arguments, such as a bound.

    Objects of one class with equal arguments are equal.
    """

    def __eq__(self, other):
        return (
            type(other) is type(self)
            and other.get_config() == self.get_config()
        )

    def __hash__(self):
        return hash(type(self))

    def __repr__(self):
        arguments = (
            f"{name}={getattr(self, name)!r}" for name in _arguments(type(self))
        )
        return f"{type(self).__name__}({', '.join(arguments)})"


def _serialized(value):
    if isinstance(value, list | tuple):
        return [_serialized(each) for each in value]
    return keras.saving.serialize_keras_object(value)


def _arguments(cls):
    """Returns the names of the arguments of `__init__`."""
    if cls.__init__ is object.__init__:
        return []
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    return [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
