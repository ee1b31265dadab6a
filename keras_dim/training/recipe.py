"""Recipes of training runs, as objects, JSON and text."""

import ast
import dataclasses
import inspect
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_dim import checks
from keras_dim import data
from keras_dim import encoders
from keras_dim import files
from keras_dim import methods
from keras_dim import optimizers
from keras_dim import parts
from keras_dim import views
from keras_dim.evaluation import scoring
from keras_dim.layers import bounds
from keras_dim.layers import critics
from keras_dim.layers import priors
from keras_dim.training import run_folder
from keras_dim.training.encoders import load_encoder

DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
# The parts of a recipe, and where their names are found.
PARTS = {
    "method": methods.METHODS,
    "encoder": encoders.ENCODERS,
    "views": views.VIEWS,
    "optimizer": optimizers.OPTIMIZERS,
    "schedule": optimizers.SCHEDULES,
}
# Arguments of methods that are parts themselves.
PARTS_OF_METHODS = {
    "critic": critics.CRITICS,
    "bound": bounds.BOUNDS,
    "prior": priors.PRIORS,
    "patch_views": views.VIEWS,
}
# Arguments of parts that the recipe fills in from fields and other parts.
FROM_RECIPE = {
    "method": ("encoder", "views", "seed", "num_steps", "num_images"),
    "encoder": ("image_size", "channels"),
    "views": ("image_size", "seed"),
    "optimizer": (),
    "schedule": ("learning_rate", "epochs", "steps_per_epoch"),
}
# Fields and arguments that are text, also where it looks like a number.
_OPTIONAL_TEXTS = ("probe_source", "start_from")
_TEXTS = ("name", "source", *_OPTIONAL_TEXTS)
Part = str | Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines the result of a training run.

    A part is a name, or a dict of `"name"` and arguments of the function or
    class of that name, such as `{"name": "adam", "learning_rate": 1e-3}`. An
    argument may be a part itself: `{"name": "deep_infomax", "critic": {...}}`.
    The `teacher` of a method is the name of a preset or a path.

    Args:
        name: str.
        source: str. The name or path that `keras_dim.data.load` reads.
        method: part, of `methods.METHODS`.
        encoder: part, of `encoders.ENCODERS`. Its image size and channels are
            those of the views.
        optimizer: part, of `optimizers.OPTIMIZERS`. Its learning rate is the
            largest of the schedule.
        views: part, of `views.VIEWS`, or None for the method's own views. Its
            `image_size` defaults to that of the images.
        schedule: part, of `optimizers.SCHEDULES`. Defaults to `"constant"`.
        split: str. The split to train on. Defaults to `"train"`.
        probe_source: str, or None for `source`. The labelled images that
            probes are fitted to and scored on.
        probe_split: str, or None for `split`. The split whose labels probes
            are fitted to. A number between 0 and 1 replaces `test_split`, as a
            share of the images of `probe_source`, or of `split` without it.
        test_split: str, or None if there is none. The split on which probes
            are scored. A number between 0 and 1 is the share of the images of
            `probe_split` that is scored; probes are fitted to the others.
            Defaults to `"test"`.
        test_classes: str. `"trained"` leaves out test images of classes that
            are not in the split to which probes are fitted. Defaults to
            `"all"`.
        image_size, channels: int, or None for the images' own.
        values: `"8_bit"` for pixels of 0 to 255; `"stored"` for values of any
            type and range, see `data.open_source`, which a run measures
            first; `(low, high)` to declare the range of such values; or the
            `data.Statistics` of a measurement as a dict. Defaults to
            `"8_bit"`.
        probe_image_size: int, or None for the encoder's. Size at which images
            are loaded to be scored; larger ones are cropped at the centre.
        batch_size: int. Images in a step, over all replicas. Defaults to 64.
        epochs: int. Passes over the split. Defaults to 10.
        dtype_policy: str. `"float32"`, `"mixed_bfloat16"` or
            `"mixed_float16"`. Defaults to `"float32"`.
        steps_per_execution: int. Steps in a call of the compiled function.
            Defaults to 1.
        seed: int. Seed of the weights, the views and the order of the images.
            Defaults to 0.
        start_from: str, or None for random weights. The run, file or preset
            from whose encoder the training starts.

    Raises:
        ValueError: for an unknown name or a value that is not possible.
    """

    name: str
    source: str
    method: Part
    encoder: Part
    optimizer: Part
    views: Part | None = None
    schedule: Part = "constant"
    split: str = "train"
    probe_source: str | None = None
    probe_split: str | float | None = None
    test_split: str | float | None = "test"
    test_classes: str = "all"
    image_size: int | None = None
    channels: int | None = None
    values: str | list | tuple | Mapping = "8_bit"
    probe_image_size: int | None = None
    batch_size: int = 64
    epochs: int = 10
    dtype_policy: str = "float32"
    steps_per_execution: int = 1
    seed: int = 0
    start_from: str | None = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            _check_type(field.name, value, field.type)
            if field.name in PARTS and value is not None:
                part = parts.named(value)
                parts.factory(field.name, PARTS[field.name], part)
                object.__setattr__(self, field.name, part)
        for kind, registry in PARTS_OF_METHODS.items():
            part = self.method.get(kind)
            _check_type(kind, part, Part | None)
            if part is not None:
                parts.factory(kind, registry, part)
        min_images = methods.METHODS[self.method["name"]].min_images
        checks.integers(min_images, batch_size=self.batch_size)
        checks.integers(0, seed=self.seed)
        sizes = "image_size", "channels", "probe_image_size"
        for name in (*sizes, "epochs", "steps_per_execution"):
            checks.integers(1, **checks.given(**{name: getattr(self, name)}))
        if isinstance(self.values, str):
            checks.one_of(("8_bit", "stored"), values=self.values)
        elif isinstance(self.values, Mapping):
            data.Statistics.from_dict(self.values)
        elif len(self.values) != 2:
            raise ValueError(
                "`values` of a recipe declares a range as (low, high). "
                f"Received: {self.values!r}"
            )
        # Otherwise they are refused only after the training.
        splits = {
            "probe_split": self.probe_split,
            "test_split": self.test_split,
        }
        shares = {k: v for k, v in splits.items() if isinstance(v, float)}
        checks.above(0, **shares)
        checks.below(1, **shares)
        checks.one_of(DTYPE_POLICIES, dtype_policy=self.dtype_policy)
        checks.one_of(scoring.TEST_CLASSES, test_classes=self.test_classes)
        # An optimizer that cannot be built is refused before images are read.
        try:
            self.build_optimizer(steps_per_epoch=1)
        except TypeError as error:
            raise ValueError(
                f"An argument of the optimizer or the schedule: {error}"
            ) from error

    def open_source(self) -> data.Source:
        """Opens the images to train on."""
        options = {"image_size": self.image_size, "channels": self.channels}
        options["values"] = self.how_read
        return data.open_source(self.source, self.split, **options)

    @property
    def how_read(self) -> str:
        """The argument `values` of `data.open_source`."""
        return self.values if self.values == "8_bit" else "stored"

    def measured(self, source: data.Source) -> "Recipe":
        """Returns the recipe with statistics of the source's stored values.

        A recipe of 8 bits, or with such statistics, is returned as it is.
        """
        if self.values == "8_bit":
            return self
        if isinstance(self.values, Mapping):
            if self.values["dtype"] != source.dtype:
                raise ValueError(
                    "The values of the recipe were measured as "
                    f"{self.values['dtype']}. Received {source.dtype} in "
                    f"{source.name}: set values=stored to measure again"
                )
            return self
        declared = None if self.values == "stored" else self.values
        found = data.measure(source, declared)
        return dataclasses.replace(self, values=found.to_dict())

    def build_model(
        self,
        image_shape: tuple[int, int, int],
        steps_per_epoch: int = 1,
        num_images: int | None = None,
    ) -> keras.Model:
        """Returns the untrained method for images of a shape.

        Args:
            image_shape: tuple of int. `(height, width, channels)` of images.
            steps_per_epoch: int. For schedules of the method. Defaults to 1.
            num_images: int or None. A method with a memory bank needs it.
        """
        height, width, channels = self.encoder_shape(image_shape)
        if height != width:
            raise ValueError(
                "The encoder takes square images: set image_size. Received: "
                f"views of {height} x {width} pixels"
            )
        prior = parts.named(self.method.get("prior") or "none")["name"]
        sizes = {"image_size": height, "channels": channels}
        variational = prior == "variational"
        encoder = self._build("encoder", variational=variational, **sizes)
        if self.start_from:
            # Before the method is built: a teacher copies the encoder.
            start = load_encoder(self.start_from)
            _copy_weights(start, encoder, self.start_from)
        if self.values != "8_bit":
            if not isinstance(self.values, Mapping):
                raise ValueError(
                    "Stored values must be measured before a model is built: "
                    "recipe.measured(recipe.open_source())"
                )
            found = data.Statistics.from_dict(self.values)
            encoder = encoders.with_range(encoder, found.range)
        made = self._build("views", image_size=image_shape[0])
        num_steps = self.epochs * steps_per_epoch
        return self._build(
            "method",
            encoder=encoder,
            views=made,
            num_steps=num_steps,
            num_images=num_images,
        )

    def build_optimizer(self, steps_per_epoch: int) -> keras.Optimizer:
        """Returns the optimizer with the recipe's schedule."""
        make = optimizers.OPTIMIZERS[self.optimizer["name"]]
        default = inspect.signature(make).parameters["learning_rate"].default
        rate = self.optimizer.get("learning_rate", default)
        steps = {"epochs": self.epochs, "steps_per_epoch": steps_per_epoch}
        schedule = self._build("schedule", learning_rate=rate, **steps)
        return optimizers.get(**self.optimizer | {"learning_rate": schedule})

    def encoder_shape(
        self, image_shape: tuple[int, int, int]
    ) -> tuple[int, int, int]:
        """Returns the shape of the views of images of a shape."""
        layer = self._build("views", image_size=image_shape[0])
        if layer is None:
            return tuple(image_shape)
        smaller = min(image_shape[:2])
        for each in getattr(layer, "augmentations", ()):
            if isinstance(each, views.RandomCrop) and 2 * each.size < smaller:
                raise ValueError(
                    f"Crops of {each.size} pixels show less than a quarter of "
                    f"images of {smaller}: set views.crop_size={smaller}, or "
                    f"image_size={each.size}"
                )
        made = layer(np.zeros((1, *image_shape), "uint8"), training=True)
        return tuple(next(iter(made.values())).shape[1:])

    def replace(self, **changes: Any) -> "Recipe":
        """Returns a copy with some fields or arguments of parts changed.

        Args:
            **changes: by name: a field (`batch_size`), an argument of a part
                (`method.gamma`), one of a part of it (`critic.units`), or just
                the argument if only one part has it (`gamma`). Text, as
                from a command line, is read as a literal.
        """
        fields = self.to_dict()
        for name, value in changes.items():
            place = fields
            *steps, last = _path(fields, name)
            for step in steps:
                part = place.get(step) or _default_part(fields, step)
                if not isinstance(part, Part):
                    raise ValueError(f"{step!r} of {name!r} has no arguments")
                place[step] = parts.named(part)
                place = place[step]
            place[last] = literal(value, last)
        return type(self)(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields."""
        return dataclasses.asdict(self)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the recipe as JSON."""
        files.write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Recipe":
        """Reads a recipe that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file holds no recipe.
        """
        path = pathlib.Path(path)
        if not path.is_file():
            meant = path / run_folder.RECIPE if path.is_dir() else path
            near = checks.did_you_mean_path(meant)
            raise FileNotFoundError(f"There is no recipe {str(path)!r}.{near}")
        content = path.read_bytes()
        try:
            fields = json.loads(content.decode("utf-8"))
            if not isinstance(fields, dict):
                raise ValueError("Expected an object.")
            checks.keywords(cls, fields, "A recipe")
            return cls(**fields)
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"{path} holds no recipe: {reason}") from error

    def _build(self, kind, **defaults):
        part = getattr(self, kind)
        if kind == "method" and isinstance(part.get("teacher"), str):
            part = part | {"teacher": load_encoder(part["teacher"])}
        return parts.build(kind, PARTS[kind], part, seed=self.seed, **defaults)


def _copy_weights(start, encoder, name):
    shapes = [[w.shape for w in each.weights] for each in (start, encoder)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`start_from` must be of the recipe's encoder. {name!r} has "
            f"{start.count_params():,} parameters in {len(shapes[0])} arrays, "
            f"the recipe's encoder {encoder.count_params():,} in "
            f"{len(shapes[1])}. Use the recipe by which it was trained"
        )
    encoder.set_weights(start.get_weights())


def _check_type(name, value, expected):
    if not isinstance(value, expected):
        expected = getattr(expected, "__name__", expected)
        raise ValueError(
            f"{name!r} of a recipe must be {expected}. Received: {value!r}"
        )


def literal(value: Any, name: str = "") -> Any:
    """Returns text as the number, list, dict or word that it spells.

    Values that are not text are returned as they are, and so is the text of
    names and paths, except for `none` where the argument is optional. (A folder
    of that name is `./none`.)
    """
    if not isinstance(value, str):
        return value
    if name in _OPTIONAL_TEXTS and value.lower() in ("none", "null"):
        return None
    if name in _TEXTS:
        return value
    words = {"true": True, "false": False, "none": None, "null": None}
    if value.lower() in words:
        return words[value.lower()]
    try:
        return ast.literal_eval(value)
    except (MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
        return value


def _path(fields, name):
    """Returns the keys that lead to a name in a recipe's dict of fields."""
    path = name.split(".")
    if path[0] in fields:
        return path
    known = {}
    for kind, registry in PARTS.items():
        if fields[kind]:
            make, _ = parts.factory(kind, registry, fields[kind])
            known[kind] = set(checks.keywords_of(make)) - set(FROM_RECIPE[kind])
    owners = [kind for kind, names in known.items() if path[0] in names]
    if len(owners) > 1:
        options = " or ".join(f"{owner}.{name}" for owner in owners)
        raise ValueError(
            f"Several parts of the recipe have {path[0]!r}: write {options}"
        )
    if not owners:
        near = checks.did_you_mean(path[0], set(fields).union(*known.values()))
        raise ValueError(
            f"A recipe has no field {path[0]!r}.{near} Expected one of "
            f"{list(fields)}, or an argument of one of its parts"
        )
    return [owners[0], *path]


def _default_part(fields, step):
    """Returns a part that the recipe leaves to its method."""
    method, _ = parts.factory("method", PARTS["method"], fields["method"])
    parameter = inspect.signature(method).parameters.get(step)
    is_part = step in PARTS_OF_METHODS and parameter is not None
    return {"name": parameter.default} if is_part else {}
