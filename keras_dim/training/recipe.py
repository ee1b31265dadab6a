"""Everything that decides how a training run comes out."""

import ast
import dataclasses
import inspect
import json
import os
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_dim import checks
from keras_dim import encoders
from keras_dim import files
from keras_dim import methods
from keras_dim import optimizers
from keras_dim import parts
from keras_dim import views
from keras_dim.layers import critics
from keras_dim.layers import priors
from keras_dim.mutual_information import bounds
from keras_dim.training import schedules

DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
TEST_CLASSES = ("all", "trained")
# The parts of a recipe, and where their names are found.
PARTS = {
    "method": methods.METHODS,
    "encoder": encoders.ENCODERS,
    "views": views.VIEWS,
    "optimizer": optimizers.OPTIMIZERS,
    "schedule": schedules.SCHEDULES,
}
# Arguments of methods that are parts themselves.
PARTS_OF_METHODS = {
    "critic": critics.CRITICS,
    "bound": bounds.BOUND_OBJECTS,
    "prior": priors.PRIORS,
}
# Arguments of parts that come from the recipe's fields or its other parts.
FROM_RECIPE = {
    "method": ("encoder", "views", "seed", "num_steps"),
    "encoder": ("image_size", "channels"),
    "views": ("image_size", "seed"),
    "optimizer": (),
    "schedule": ("learning_rate", "epochs", "steps_per_epoch"),
}
Part = str | Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run, to the last number.

    Two runs of equal recipes on one machine are equal. A part is a name, or a
    dict of `"name"` and arguments of the function or class of that name, such
    as `{"name": "adam", "learning_rate": 1e-3}`. An argument may be a part
    itself: `{"name": "deep_infomax", "critic": {"name": "dot_product",
    "units": 512}}`.

    Args:
        name: str. Name of the recipe.
        source: str. The name or path that `keras_dim.data.load` reads.
        method: part, of `methods.METHODS`. Its encoder, views, seed and number
            of steps come from the recipe.
        encoder: part, of `encoders.ENCODERS`. Its image size and channels are
            those of the views.
        optimizer: part, of `optimizers.OPTIMIZERS`. Its learning rate is the
            highest one of the schedule.
        views: part, of `views.VIEWS`, or None for the images as they are or
            the method's own views. Its `image_size` defaults to that of the
            images.
        schedule: part, of `schedules.SCHEDULES`. Defaults to `"constant"`.
        split: str. The split to train on. Defaults to `"train"`.
        probe_split: str, or None for `split`. The split whose labels probes
            are fitted to.
        test_split: str, or None if there is none. The split on which probes
            are scored. Defaults to `"test"`.
        test_classes: str. `"trained"` leaves out the classes of the test split
            that the other one lacks. Defaults to `"all"`.
        image_size: int, or None for the images' own.
        channels: int, or None for the images' own.
        probe_image_size: int, or None for the encoder's. Size at which images
            are loaded to be scored; a larger one is cropped at the centre.
        batch_size: int. Images to a step, over all replicas.
        epochs: int. Passes over the split.
        dtype_policy: str. `"float32"`, `"mixed_bfloat16"` or
            `"mixed_float16"`.
        steps_per_execution: int. Steps to a call of the compiled function.
        seed: int. Seed of the weights, the views and the order of the images.

    Raises:
        ValueError: for a value out of range, and for an unknown name or
            argument of a part, with the nearest one.
    """

    name: str
    source: str
    method: Part
    encoder: Part
    optimizer: Part
    views: Part | None = None
    schedule: Part = "constant"
    split: str = "train"
    probe_split: str | None = None
    test_split: str | None = "test"
    test_classes: str = "all"
    image_size: int | None = None
    channels: int | None = None
    probe_image_size: int | None = None
    batch_size: int = 64
    epochs: int = 10
    dtype_policy: str = "float32"
    steps_per_execution: int = 1
    seed: int = 0

    def __post_init__(self):
        checks.integers(
            1,
            batch_size=self.batch_size,
            epochs=self.epochs,
            steps_per_execution=self.steps_per_execution,
            **checks.given(
                image_size=self.image_size,
                channels=self.channels,
                probe_image_size=self.probe_image_size,
            ),
        )
        checks.integers(0, seed=self.seed)
        checks.one_of(DTYPE_POLICIES, dtype_policy=self.dtype_policy)
        checks.one_of(TEST_CLASSES, test_classes=self.test_classes)
        for kind, registry in PARTS.items():
            part = getattr(self, kind)
            if part is not None:
                part = parts.named(part)
                parts.factory(kind, registry, part)
                object.__setattr__(self, kind, part)
        for kind, registry in PARTS_OF_METHODS.items():
            if self.method.get(kind) is not None:
                parts.factory(kind, registry, self.method[kind])
        min_images = methods.METHODS[self.method["name"]].min_images
        checks.integers(min_images, batch_size=self.batch_size)
        # An optimizer that cannot be built is refused before images are read.
        self.build_optimizer(steps_per_epoch=1)

    def build_model(
        self, image_shape: tuple[int, int, int], steps_per_epoch: int = 1
    ) -> keras.Model:
        """Returns the untrained method for images of that shape."""
        height, width, channels = self.encoder_shape(image_shape)
        if height != width:
            raise ValueError(
                "The encoder takes square images: set image_size. Received "
                f"views of {height} x {width} pixels"
            )
        prior = parts.named(self.method.get("prior") or "none")["name"]
        encoder = self._build(
            "encoder",
            image_size=height,
            channels=channels,
            variational=prior == "variational",
        )
        return self._build(
            "method",
            encoder=encoder,
            views=self._build_views(image_shape),
            num_steps=self.epochs * steps_per_epoch,
        )

    def build_optimizer(self, steps_per_epoch: int) -> keras.Optimizer:
        """Returns the optimizer with the recipe's schedule."""
        make, arguments = parts.factory(
            "optimizer", optimizers.OPTIMIZERS, self.optimizer
        )
        default = inspect.signature(make).parameters["learning_rate"].default
        rate = arguments.pop("learning_rate", default)
        schedule = self._build(
            "schedule",
            learning_rate=rate,
            epochs=self.epochs,
            steps_per_epoch=steps_per_epoch,
        )
        return optimizers.get(
            self.optimizer["name"], learning_rate=schedule, **arguments
        )

    def encoder_shape(
        self, image_shape: tuple[int, int, int]
    ) -> tuple[int, int, int]:
        """Returns the shape of the views of images of that shape."""
        if None in image_shape:
            raise ValueError(
                "The images have different sizes: set image_size. Received "
                f"images of shape {tuple(image_shape)}"
            )
        layer = self._build_views(image_shape)
        if layer is None:
            return tuple(image_shape)
        _refuse_small_crops(layer, image_shape)
        made = layer(np.zeros((1, *image_shape), "uint8"), training=True)
        return tuple(next(iter(made.values())).shape[1:])

    def replace(self, **changes: Any) -> "Recipe":
        """Returns a copy with some fields or arguments of parts changed.

        Args:
            **changes: by name: a field (`batch_size`), an argument of a part
                (`method.gamma`), one of a part of it (`critic.units`), or just
                the argument where one part alone has it (`gamma`). Text, as
                from a command line, is read as a literal.

        Raises:
            ValueError: for an unknown name, with the nearest one, or a value
                of the wrong type.
        """
        fields = self.to_dict()
        for name, value in changes.items():
            _set(fields, name, value)
        return type(self)(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields."""
        return dataclasses.asdict(self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the recipe as JSON."""
        files.write_json(path, self.to_dict())

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Recipe":
        """Returns the recipe that `to_dict` described.

        Raises:
            ValueError: for a field that is unknown, missing or of the wrong
                type.
        """
        checks.keywords(cls, fields, "A recipe")
        missing = [
            field.name
            for field in dataclasses.fields(cls)
            if field.default is dataclasses.MISSING and field.name not in fields
        ]
        if missing:
            raise ValueError(f"The recipe has no {' and no '.join(missing)}.")
        return cls(**{name: _typed(name, v) for name, v in fields.items()})

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

    def _build_views(self, image_shape):
        return self._build("views", image_size=image_shape[0])

    def _build(self, kind, **defaults):
        return parts.build(
            kind, PARTS[kind], getattr(self, kind), seed=self.seed, **defaults
        )


def _refuse_small_crops(layer, image_shape):
    """Refuses crops of a fixed size that show less than a quarter."""
    for augmentation in getattr(layer, "augmentations", ()):
        size = getattr(augmentation, "size", None)
        if isinstance(augmentation, views.RandomCrop) and (
            2 * size < min(image_shape[:2])
        ):
            raise ValueError(
                f"Crops of {size} pixels show less than a quarter of images of "
                f"{image_shape[0]} x {image_shape[1]} pixels: set "
                f"views.crop_size={min(image_shape[:2])}, or image_size={size}"
            )


def _set(fields, name, value):
    """Changes a field, or an argument of a part, of a recipe's dict."""
    if name in fields:
        fields[name] = _typed(name, _literal(name, value))
        if name in PARTS and fields[name] is not None:
            fields[name] = parts.named(fields[name])
        return
    first, _, rest = name.partition(".")
    if first not in PARTS:
        owners = [kind for kind in PARTS if first in _arguments(fields, kind)]
        if len(owners) > 1:
            options = " or ".join(f"{owner}.{name}" for owner in owners)
            raise ValueError(
                f"Several parts of the recipe have {first!r}: say {options}"
            )
        if not owners:
            known = set(fields)
            for kind in PARTS:
                known |= set(_arguments(fields, kind))
            raise ValueError(
                f"A recipe has no field {first!r}."
                f"{checks.did_you_mean(first, known)} Expected one of "
                f"{list(fields)}, or an argument of one of its parts"
            )
        first, rest = owners[0], name
    part = fields[first] = parts.named(fields[first] or {})
    *path, last = rest.split(".")
    for step in path:
        part[step] = parts.named(part.get(step) or {})
        part = part[step]
        if step in PARTS_OF_METHODS and "name" not in part:
            default = (
                inspect.signature(methods.METHODS[fields["method"]["name"]])
                .parameters[step]
                .default
            )
            part["name"] = default
    part[last] = _literal(last, value)


def _arguments(fields, kind):
    """Returns the arguments of a part that the recipe does not set itself."""
    if fields[kind] is None:
        return []
    known = checks.keywords_of(PARTS[kind][fields[kind]["name"]])
    return [name for name in known if name not in FROM_RECIPE[kind]]


def _literal(name, value):
    """Returns text as the number, list, dict or word that it spells."""
    if not isinstance(value, str) or name in ("name", "source"):
        return value
    words = {"true": True, "false": False, "none": None, "null": None}
    if value.lower() in words:
        return words[value.lower()]
    try:
        return ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return value


def _typed(name, value):
    """Returns a field's value as the type that the field is declared with."""
    hint = typing.get_type_hints(Recipe)[name]
    options = typing.get_args(hint) or (hint,)
    if value is None and types.NoneType in options:
        return None
    if isinstance(value, Mapping) and Mapping[str, Any] in options:
        return dict(value)
    if isinstance(value, str) and str in options:
        return value
    if int in options and not isinstance(value, bool):
        try:
            if int(value) == float(value):
                return int(value)
        except (TypeError, ValueError, OverflowError):
            pass
    expected = " or ".join(getattr(o, "__name__", str(o)) for o in options)
    raise ValueError(
        f"The field {name!r} of a recipe takes {expected}. Received: {value!r}"
    )
