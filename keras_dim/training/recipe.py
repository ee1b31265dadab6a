"""Everything that decides how a training run comes out."""

import abc
import dataclasses
import difflib
import json
import math
import os
import pathlib
import types
import typing
from typing import Any

import keras

from keras_dim import files
from keras_dim import optimizers

SCHEDULES = ("constant", "cosine", "steps")
# AMDIM's: 250 and 280 of 300 epochs.
STEPS = (5 / 6, 14 / 15)
STEP_FACTOR = 0.2
DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
TEST_CLASSES = ("all", "trained")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(abc.ABC):
    """One training run, to the last number.

    A method adds its own fields in a final subclass and says how its model is
    built. Two runs of equal recipes on one machine are equal.

    Args:
        name: str. Name of the recipe.
        source: str. What `keras_dim.data.load` reads: a name or a path.
        split: str. The split to train on. Defaults to `"train"`.
        probe_split: str, or None for `split`. The split whose labels probes
            are fitted to.
        test_split: str, or None if there is none. The split on which probes
            are scored. Defaults to `"test"`.
        test_classes: str. `"trained"` where the test split has classes that
            the other one lacks, which are then left out. Defaults to
            `"all"`.
        image_size: int, or None for the images' own.
        channels: int, or None for the images' own.
        batch_size: int. Images to a step, over all replicas.
        epochs: int. Passes over the split.
        learning_rate: float. The highest one.
        schedule: str. `"constant"`, `"cosine"` to zero at the end, or
            `"steps"` to a fifth after 5/6 of the epochs, and again after
            14/15.
        warmup_epochs: float. Epochs over which the rate rises from zero.
        beta_1, beta_2, epsilon: floats. Of Adam.
        l2: float. What of each weight Adam adds to its gradient; this is not
            the decay of AdamW. Defaults to 0.
        dtype_policy: str. `"float32"`, `"mixed_bfloat16"` or
            `"mixed_float16"`.
        steps_per_execution: int. Steps to a call of the compiled function.
        seed: int. Seed of the weights, the views and the order of the images.
    """

    name: str
    source: str
    split: str = "train"
    probe_split: str | None = None
    test_split: str | None = "test"
    test_classes: str = "all"
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
    l2: float = 0.0
    dtype_policy: str = "float32"
    steps_per_execution: int = 1
    seed: int = 0

    method: typing.ClassVar[str]
    """Name of the method, by which a written recipe is read again."""

    @abc.abstractmethod
    def build_model(self, image_shape: tuple[int, int, int]) -> keras.Model:
        """Returns the untrained method for images of that shape."""

    def encoder_shape(
        self, image_shape: tuple[int, int, int]
    ) -> tuple[int, int, int]:
        """Returns what the encoder takes of images of that shape."""
        return image_shape

    def scoring_image_size(self) -> int | None:
        """Returns the size at which images are loaded to be scored."""
        return self.image_size

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
        elif self.schedule == "steps":
            rate = optimizers.StepDecay(
                rate,
                [
                    round(share * self.epochs) * steps_per_epoch
                    for share in STEPS
                ],
                STEP_FACTOR,
                warmup_steps,
            )
        if self.l2:
            return optimizers.L2Adam(
                rate, self.beta_1, self.beta_2, self.epsilon, self.l2
            )
        return keras.optimizers.Adam(
            rate, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon
        )

    def __post_init__(self):
        for name in (
            "batch_size",
            "epochs",
            "steps_per_execution",
            "image_size",
            "channels",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(
                    f"`{name}` must be 1 or more. Received: {value}"
                )
        if self.seed < 0:
            raise ValueError(
                f"`seed` must not be negative. Received: {self.seed}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                "`learning_rate` must be above 0 and finite. Received: "
                f"{self.learning_rate}"
            )
        if self.batch_size == 1:
            raise ValueError(
                "A batch of one image has no negatives: `batch_size` must be "
                "2 or more. Received: 1"
            )
        for name in ("warmup_epochs", "l2"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"`{name}` must be 0 or more, and finite. Received: "
                    f"{getattr(self, name)}"
                )
        for name in ("beta_1", "beta_2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be 0 or more and below 1. Received: "
                    f"{getattr(self, name)}"
                )
        if not 0 < self.epsilon < math.inf:
            raise ValueError(
                "`epsilon` must be above 0 and finite. Received: "
                f"{self.epsilon}"
            )
        for name, known in (
            ("schedule", SCHEDULES),
            ("dtype_policy", DTYPE_POLICIES),
            ("test_classes", TEST_CLASSES),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"`{name}` must be one of {list(known)}. Received: "
                    f"{getattr(self, name)!r}"
                )
        if self.warmup_epochs and self.schedule == "constant":
            raise ValueError(
                "`warmup_epochs` needs another schedule. Received: "
                f"warmup_epochs={self.warmup_epochs} with schedule='constant'"
            )

    def replace(self, **changes: Any) -> "Recipe":
        """Returns a copy with some fields changed.

        Args:
            **changes: fields by name. Text, as from a command line, is read
                as the field's type.

        Raises:
            ValueError: for an unknown field or a value of the wrong type.
        """
        return dataclasses.replace(self, **_typed(type(self), changes))

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
            ValueError: for an unknown method, and for a field that is
                unknown, missing or of the wrong type.
        """
        fields = dict(fields)
        name = fields.pop("method", None)
        kinds = {kind.method: kind for kind in Recipe.__subclasses__()}
        if not isinstance(name, str) or name not in kinds:
            raise ValueError(
                f"Unknown method of a recipe. Expected one of "
                f"{sorted(kinds)}, which are those that keras_dim.recipes "
                f"knows, once it is imported. Received: {name!r}"
            )
        fields = _typed(kinds[name], fields)
        missing = [
            field.name
            for field in dataclasses.fields(kinds[name])
            if field.default is dataclasses.MISSING and field.name not in fields
        ]
        if missing:
            raise ValueError(f"The recipe has no {' and no '.join(missing)}.")
        return kinds[name](**fields)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recipe":
        """Reads a recipe that `save` wrote.

        Raises:
            ValueError: if the file holds no such recipe.
        """
        data = pathlib.Path(path).read_bytes()
        try:
            fields = json.loads(data.decode("utf-8"))
            if not isinstance(fields, dict):
                raise ValueError("Expected an object.")
            return cls.from_dict(fields)
        except (RecursionError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{path} holds no recipe: {reason}") from error


def _typed(kind: type["Recipe"], values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of fields as their types, refusing unknown ones."""
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"A recipe has no field {name!r}.{hint} Expected one of "
                f"{known}."
            )
    return {
        name: _as_type(name, value, hints[name])
        for name, value in values.items()
    }


def _as_type(name, value, hint):
    """Returns `value` as the type that the field is declared to have."""
    options = typing.get_args(hint) or (hint,)
    if value is None or value == "None":
        if types.NoneType in options:
            return None
    for option in options:
        if option is bool and str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        if option is str and isinstance(value, str):
            return value
        if option in (int, float) and not isinstance(value, bool):
            try:
                converted = option(value)
                if converted == float(value):
                    return converted
            except (TypeError, ValueError, OverflowError):
                continue
    expected = " or ".join(getattr(o, "__name__", str(o)) for o in options)
    raise ValueError(
        f"The field {name!r} of a recipe takes {expected}. Received: {value!r}"
    )
