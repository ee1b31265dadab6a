"""Advice on a training, and the recipe that follows from it."""

import dataclasses
import textwrap
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_dim import checks
from keras_dim.advice import choosing
from keras_dim.advice import looking
from keras_dim.advice.timing import Timing
from keras_dim.advice.timing import measure
from keras_dim.data import reading
from keras_dim.training import Recipe

# For longer trainings, the number of epochs that fit this many hours is named.
_NIGHT = 8


@dataclasses.dataclass(frozen=True)
class Advice:
    """A recipe for a set of images, with reasons; `print` shows all of it.

    Attributes:
        facts: `Facts` about the images.
        recipe: `training.Recipe`, for `pretrain` or `recipe.save(path)`.
        choices: list of `Choice`: a name, a value and the reason.
        warnings: list of str.
        timing: `Timing` on this machine, or None.
    """

    facts: looking.Facts
    recipe: Recipe
    choices: list[choosing.Choice]
    warnings: list[str]
    timing: Timing | None = None

    @property
    def hours(self) -> float | None:
        """Hours that all epochs take at the measured rate, or None."""
        if self.timing is None:
            return None
        rate = self.timing.images_per_second
        if not self._is_held:
            # Images are read again in every epoch.
            rate = min(rate, self.facts.images_per_second)
        return self.recipe.epochs * self.facts.num_images / rate / 3600

    def __str__(self):
        width = max(len(choice.name) for choice in self.choices)
        choices = []
        for choice in self.choices:
            choices.append(f"{choice.name:<{width}}  {choice.value}")
            choices.append(f"{'':<{width}}    {choice.reason}")
        notes = [f"Note: {warning}." for warning in self.warnings]
        times = [] if self.timing is None else self._times()
        parts = [str(self.facts).splitlines(), choices, notes, times]
        return "\n\n".join(
            "\n".join(map(_wrapped, lines)) for lines in parts if lines
        )

    @property
    def _is_held(self):
        return self._held_bytes <= reading.HELD_BYTES

    @property
    def _held_bytes(self):
        side = self.recipe.image_size
        shape = (side, side) if side else self.facts.median
        size = np.prod([*shape, self.facts.bands, self.facts.num_images])
        return int(size) * np.dtype(self.facts.dtype).itemsize

    def _times(self):
        found = self.timing
        lines = [
            f"Measured here, {found.num_steps} step(s): "
            f"{found.views_per_second:,.0f} views or "
            f"{found.images_per_second:,.0f} images a second; encoder of "
            f"{found.num_parameters:,} parameters",
            f"{self.recipe.epochs} epoch(s): {self.hours:.1f} hours at that "
            "rate, without scores",
        ]
        num_epochs = int(_NIGHT * self.recipe.epochs / max(self.hours, 1e-9))
        if 1 <= num_epochs < self.recipe.epochs:
            lines.append(
                f"{_NIGHT} hours are enough for {num_epochs} epoch(s): --set "
                f"epochs={num_epochs}"
            )
        if not self._is_held:
            lines.append(
                f"Images are read at {self.facts.images_per_second:,.0f} a "
                "second, in every epoch: they are too large to be held"
            )
        if found.peak_mib is not None:
            line = f"Memory of this process: {found.peak_mib:,.0f} MiB at most"
            if self._is_held:
                held = self._held_bytes / 2**20
                line += f", and {held:,.0f} more for the images"
            lines.append(line)
        return lines


def _wrapped(line):
    text = line.lstrip()
    indent = " " * (len(line) - len(text))
    return textwrap.fill(
        text,
        79,
        initial_indent=indent,
        subsequent_indent=indent,
        # Paths and commands stay whole.
        break_long_words=False,
        break_on_hyphens=False,
    )


def advise(
    source: str,
    split: str = "train",
    probe_source: str | None = None,
    changes: Mapping[str, Any] | None = None,
    seconds: float = 60.0,
    report: Callable[[str], None] | None = None,
) -> Advice:
    """Looks at images, chooses a recipe and times it on this machine.

    Headers of up to 10,000 images are read, and up to 2,000 images in at most
    20 seconds are decoded and searched for copies.

    Args:
        source, split: see `data.open_source`; no arrays.
        probe_source: str or None. Labelled images on which the encoder is
            scored, if not those of `source`.
        changes: mapping. Fields of the recipe that you have chosen already, as
            for `Recipe.replace`. Files of several pages need `channels`.
        seconds: float. No training step is begun after so many seconds; 0
            leaves the measurement out. Defaults to `60.0`.
        report: function that is called with the name of each step, a str.

    Returns:
        `Advice`.

    Raises:
        ValueError: for a source that cannot be opened, fewer than 16 images,
            and changes that a recipe cannot take.
        FileNotFoundError: if there is no such source.

    Example:
    ```python
    advice = keras_dim.advise("photos/")
    print(advice)
    keras_dim.pretrain(advice.recipe, "runs/photos")
    ```
    """
    checks.at_least(0, seconds=seconds)
    report = report or (lambda step: None)
    changes = dict(changes or {})
    channels = changes.get("channels")
    channels = int(channels) if channels is not None else None
    report("Looking at the images")
    facts = looking.look(source, split, channels, probe_source)
    recipe, choices, warnings = choosing.choose(facts, probe_source)
    if changes:
        recipe = recipe.replace(**changes)
        choices = [c for c in choices if c.name not in changes]
        choices += [
            choosing.Choice(name, value, "given")
            for name, value in changes.items()
        ]
    found = None
    if seconds:
        report("Timing a few training steps")
        found = measure(recipe, seconds)
    return Advice(facts, recipe, choices, warnings, found)
