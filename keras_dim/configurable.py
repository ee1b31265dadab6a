import inspect, keras
class Configurable:
    def get_config(self):
        base = super().get_config() if hasattr(super(), "get_config") else {}
        args = inspect.signature(type(self).__init__).parameters
        return base | {n: keras.saving.serialize_keras_object(getattr(self, n)) for n in args if n not in ("self", "kwargs")}
    @classmethod
    def from_config(cls, config):
        return cls(**{n: keras.saving.deserialize_keras_object(v) if isinstance(v, dict) and n != "dtype" else v for n, v in config.items()})
