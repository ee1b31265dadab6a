"""Chooses a recipe for a set of images, with a reason for each choice."""

import dataclasses
import os
from typing import Any

from keras_dim import catalog
from keras_dim import distribution
from keras_dim import recipes
from keras_dim.advice.looking import Facts
from keras_dim.training import Recipe

# With fewer images, batches are too small for methods that compare images.
LEAST_IMAGES = 16
# Images that the preset `amdim_cifar10` saw: 11 epochs of 50,000.
IMAGES_SEEN = 550_000
MOST_EPOCHS = 100
# For up to so many images, the training starts from a preset, if one fits.
FEW_IMAGES = 1_000
# Images with a shorter side are resized to 32 pixels, others to 64.
_SMALL_SIDE = 48


@dataclasses.dataclass(frozen=True)
class Choice:
    """One choice of a recipe, and the reason in one sentence."""

    name: str
    value: Any
    reason: str


def choose(
    facts: Facts, probe_source: str | None = None
) -> tuple[Recipe, list[Choice], list[str]]:
    """Returns a recipe, the choices that make it up, and warnings.

    Reasons are measured figures, with the page that has them.

    Args:
        facts: `Facts`.
        probe_source: str or None. See `advise`.

    Raises:
        ValueError: for fewer than 16 images.
    """
    if facts.num_images < LEAST_IMAGES:
        raise ValueError(
            f"{facts.source} has {facts.num_images} image(s). An encoder is "
            f"trained on {LEAST_IMAGES} or more: take a preset "
            "(`keras-dim list`)"
        )
    side = 32 if min(facts.median) < _SMALL_SIDE else 64
    base, choices = _base(facts, side)
    epochs = min(max(1, round(IMAGES_SEEN / facts.num_images)), MOST_EPOCHS)
    batch_size = base.batch_size
    while 4 * batch_size > facts.num_images and batch_size > 8:
        batch_size //= 2
    policy, why_policy = _policy()
    choices += [
        _values(facts),
        Choice("image_size", side, _why_size(facts, side)),
        Choice(
            "batch_size",
            batch_size,
            f"that of {base.name}"
            if batch_size == base.batch_size
            else f"{base.batch_size}, that of {base.name}, would leave fewer "
            f"than four steps to an epoch of {facts.num_images:,} images",
        ),
        Choice("epochs", epochs, _why_epochs(facts, epochs)),
        Choice("dtype_policy", policy, why_policy),
    ]
    start, warnings = _start(facts, base)
    choices += start
    aspect = max(facts.median) / min(facts.median)
    if aspect > 1.5:
        warnings.append(
            "Images are resized to squares, whatever their shape: cut tiles "
            f"out of them first, if {facts.median[0]} x {facts.median[1]} "
            "should not be squeezed"
        )
    fields = {
        choice.name: choice.value
        for choice in choices
        if choice.name not in ("method", "encoder")
    }
    fields |= {"name": "advised", "split": facts.split}
    # Relative paths would depend on where `pretrain` is called.
    fields["source"] = _absolute(facts.source)
    fields |= {"channels": facts.bands, "probe_split": None}
    if probe_source is not None:
        fields["probe_source"] = _absolute(probe_source)
    fields["test_split"] = facts.test_split or "test"
    return dataclasses.replace(base, **fields), choices, warnings


def _base(facts, side):
    """Returns the recipe on which the advice is based, and the reasons."""
    if facts.bands == 3 and facts.values == "8_bit":
        name = "amdim_cifar10" if side == 32 else "amdim_tiny_imagenet"
        why = (
            "the best method after 100,000 views, 58.2 % by 20 neighbours; "
            "Deep InfoMax, 56.1 %, takes half the time (docs/per_view.md)"
        )
        network = f"the network of the preset {name}"
    elif facts.bands == 1:
        name = "deep_infomax_xray"
        why = (
            "one view without changes of colour, and 56.1 % by 20 neighbours "
            "after 100,000 views, next to the best (docs/per_view.md); on grey "
            "images 36.6 % by a linear probe, pixels 16.0 % "
            "(docs/your_images.md)"
        )
        network = f"that of {name}, for one band"
    else:
        name = "amdim_satellite"
        why = (
            "the best method after 100,000 views (docs/per_view.md); on five "
            "bands 45.9 % by a linear probe, pixels 27.4 %, untrained 39.2 % "
            "(docs/your_images.md)"
        )
        network = f"that of {name}, for any number of bands"
    base = recipes.get(name)
    method, encoder = base.method["name"], base.encoder["name"]
    return base, [
        Choice("method", method, why),
        Choice("encoder", encoder, network),
    ]


def _values(facts):
    if facts.values == "8_bit":
        why = "pixels of 8 bits, grey or colour, are read whole"
    else:
        why = (
            f"{facts.bands} band(s) of {facts.dtype} would lose values in 8 "
            "bits; ranges are measured first (docs/your_images.md)"
        )
    return Choice("values", facts.values, why)


def _why_size(facts, side):
    height, width = facts.median
    if side == 32:
        return f"the median image is {height} x {width}; 32 is the least"
    return (
        f"the median image is {height} x {width}; presets were measured at 32 "
        "and 64, and 128 (--set image_size=128) has four times the pixels"
    )


def _why_epochs(facts, epochs):
    seen = (
        f"{epochs * facts.num_images:,} images in all; the preset "
        f"amdim_cifar10 saw {IMAGES_SEEN:,} for its 78.4 % by a linear probe"
    )
    if epochs == MOST_EPOCHS:
        return f"{seen}, but more passes over so few were not measured"
    if epochs == 1 and facts.num_images > IMAGES_SEEN:
        return f"{seen}: one pass is more than that"
    return seen


def _policy():
    """Returns the precision that is fast on this machine, and the reason."""
    if distribution.has_bfloat16_units():
        return "mixed_bfloat16", "this machine has units for bfloat16"
    return "float32", "this processor has no units for bfloat16"


def _start(facts, base):
    """Returns the choice of first weights, if there is one, and warnings."""
    if facts.num_images > FEW_IMAGES:
        return [], []
    warning = (
        f"{facts.num_images:,} images are few: raw pixels or the untrained "
        "encoder may do as well. `pretrain` ends with a comparison where there "
        "are labels, and `keras-dim compare` makes one"
    )
    names = catalog.preset_names(catalog.presets_folder())
    if base.name not in names:
        return [], [warning]
    why = (
        "on 1,000 images of Tiny ImageNet, Deep InfoMax reached 22.4 % by a "
        "linear probe from its preset, 13.1 % from random weights; the preset "
        "as it is had 22.5 %: compare with it (docs/your_images.md)"
    )
    return [Choice("start_from", base.name, why)], [warning]


def _absolute(source):
    return os.path.abspath(source) if os.path.exists(source) else source
