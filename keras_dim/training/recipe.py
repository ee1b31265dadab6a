"""Everything that decides how a training run comes out."""

import abc
import dataclasses
import json
import os
import pathlib
import types
import typing
from typing import Any

import keras

from keras_dim import files


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(abc.ABC):
    """One training run, to the last number.

    A method adds its own fields in a final subclass and says how its model is
    built. Two runs of equal recipes on one machine are equal.

    Args:
        name: str. Name of the recipe.
        source: str. What `keras_dim.data.load` reads: a name or a path.
        split: str. The split to train on. Defaults to `"train"`.
        test_split: str, or None if there is none. The split on which probes
            are scored. Defaults to `"test"`.
        image_size: int, or None for the images' own.
        channels: int, or None for the images' own.
        batch_size: int. Images to a step, over all replicas.
        epochs: int. Passes over the split.
        learning_rate: float. The highest one.
        schedule: str. `"constant"`, or `"cosine"` to zero at the end.
        warmup_epochs: float. Epochs over which the rate rises from zero.
        beta_1, beta_2, epsilon: floats. Of Adam, which has no weight decay.
        dtype_policy: str. `"float32"`, `"mixed_bfloat16"` or
            `"mixed_float16"`.
        steps_per_execution: int. Steps to a call of the compiled function.
        seed: int. Seed of the weights, the views and the order of the images.
    """

    name: str
    source: str
    split: str = "train"
    test_split: str | None = "test"
    image_size: int | None = None
    channels: int | None = None
    batch_size: int = 64
    epochs: int = 10
    learning_rate: float = 1e-4
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    beta_1: float = 0.5
    beta_2: float = 0.999
    epsilon: float = 1e-8
    dtype_policy: str = "float32"
    steps_per_execution: int = 1
    seed: int = 0

    method: typing.ClassVar[str]
    """Name of the method, by which a written recipe is read again."""

    @abc.abstractmethod
    def build_model(self, image_shape: tuple[int, int, int]) -> keras.Model:
        """Returns the untrained method for images of that shape."""

    def build_optimizer(self, steps_per_epoch: int) -> keras.Optimizer:
        """Returns Adam with the recipe's schedule."""
        rate = self.learning_rate
        warmup_steps = round(self.warmup_epochs * steps_per_epoch)
        if self.schedule == "cosine":
            total = self.epochs * steps_per_epoch
            rate = keras.optimizers.schedules.CosineDecay(
                initial_learning_rate=0.0 if warmup_steps else rate,
                decay_steps=max(total - warmup_steps, 1),
                warmup_target=rate if warmup_steps else None,
                warmup_steps=warmup_steps,
            )
        return keras.optimizers.Adam(
            rate, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon
        )

    def __post_init__(self):
        for name in ("batch_size", "epochs", "steps_per_execution"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be 1 or more. "
                    f"Received: {getattr(self, name)}"
                )
        if self.batch_size == 1:
            raise ValueError(
                "A batch of one image has no negatives: `batch_size` must be "
                "2 or more. Received: 1"
            )
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(
                "`schedule` must be 'constant' or 'cosine'. "
                f"Received: {self.schedule!r}"
            )
        if self.warmup_epochs and self.schedule == "constant":
            raise ValueError(
                "`warmup_epochs` needs schedule='cosine'. Received: "
                f"warmup_epochs={self.warmup_epochs}"
            )

    def replace(self, **changes: Any) -> "Recipe":
        """Returns a copy with some fields changed.

        Args:
            **changes: fields by name. Text, as from a command line, is read
                as the field's type.

        Raises:
            ValueError: for an unknown field or a value of the wrong type.
        """
        hints = typing.get_type_hints(type(self))
        known = [field.name for field in dataclasses.fields(self)]
        for name, value in changes.items():
            if name not in known:
                raise ValueError(
                    f"Unknown field {name!r} of the recipe {self.name!r}. "
                    f"Expected one of {known}"
                )
            changes[name] = _as_type(name, value, hints[name])
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the method's name and all fields."""
        return {"method": self.method, **dataclasses.asdict(self)}

    def save(self, path: str | os.PathLike) -> None:
        """Writes the recipe as JSON."""
        files.write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Recipe":
        """Returns the recipe that `to_dict` described.

        Raises:
            ValueError: for an unknown method or an unknown field.
        """
        fields = dict(fields)
        name = fields.pop("method", None)
        kinds = {kind.method: kind for kind in Recipe.__subclasses__()}
        if name not in kinds:
            raise ValueError(
                f"Unknown method of a recipe. Expected one of "
                f"{sorted(kinds)}. Received: {name!r}"
            )
        kind = kinds[name]
        known = [field.name for field in dataclasses.fields(kind)]
        unknown = sorted(set(fields) - set(known))
        if unknown:
            raise ValueError(
                f"Unknown fields {unknown} of a recipe for {name!r}. Expected "
                f"some of {known}"
            )
        return kind(**fields)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recipe":
        """Reads a recipe that `save` wrote."""
        text = pathlib.Path(path).read_text(encoding="utf-8")
        return cls.from_dict(json.loads(text))


def _as_type(name, value, hint):
    """Returns `value` as the type that the field is declared to have."""
    options = typing.get_args(hint) or (hint,)
    if value is None or value == "None":
        if types.NoneType in options:
            return None
    for option in options:
        if option is bool and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if option in (int, float, str) and not isinstance(value, bool):
            try:
                converted = option(value)
            except ValueError:
                continue
            if option is str or converted == float(value):
                return converted
    expected = " or ".join(getattr(o, "__name__", str(o)) for o in options)
    raise ValueError(
        f"The field {name!r} of a recipe takes {expected}. Received: {value!r}"
    )
