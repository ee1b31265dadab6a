"""Compares encoders with each other and with simple baselines."""

import dataclasses
import functools
import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_dim import batches
from keras_dim import checks
from keras_dim.encoders import features as encoder_features
from keras_dim.encoders import stored_values
from keras_dim.evaluation import fine_tuning
from keras_dim.evaluation import scoring
from keras_dim.evaluation.features import input_shape
from keras_dim.evaluation.features import raw_pixels_encoder

_STRENGTHS = {"candidates": {"c": (0.001, 0.01, 0.1, 1.0, 10.0)}}
_FEW = {"num_draws": 5, **_STRENGTHS}
_RATES = {"candidates": {"learning_rate": (0.1, 1.0, 10.0, 30.0)}}
_CMC = {"epochs": 60, "milestones": (30, 40, 50), "decay": 0.2, **_RATES}
# The authors' code of SimCLR and BYOL has a cosine schedule.
_COSINE = {"nesterov": True, "milestones": None}
_SIMCLR = {"batch_size": 4096, "learning_rate": 1.6, "epochs": 90, **_COSINE}
_BYOL = {"batch_size": 1024, "epochs": 80, **_COSINE}
_BYOL_RATES = {"candidates": {"learning_rate": (0.4, 0.3, 0.2, 0.1, 0.05)}}
_WEIGHTED = {"k": 200, "temperature": 0.07}
# Common protocols: a name of `PROBES`, or `"fine_tune"`, and its arguments.
# `candidates` are compared on held-out training images.
PROTOCOLS = {
    "linear": ("linear_probe", _STRENGTHS),
    "linear_sgd": ("sgd_probe", _RATES),
    "linear_sgd_cmc": ("sgd_probe", _CMC),
    "linear_sgd_simclr": ("sgd_probe", _SIMCLR),
    "linear_sgd_byol": ("sgd_probe", _BYOL | _BYOL_RATES),
    "weighted_200_neighbors": ("nearest_neighbors", _WEIGHTED),
    "linear_1_percent": ("linear_probe", {"label_share": 0.01, **_FEW}),
    "linear_10_percent": ("linear_probe", {"label_share": 0.1, **_FEW}),
    "fine_tuned_1_percent": ("fine_tune", {"label_share": 0.01}),
    "fine_tuned_10_percent": ("fine_tune", {"label_share": 0.1}),
    "fine_tuned": ("fine_tune", {}),
}
DEFAULT = ("linear", "weighted_200_neighbors", "linear_10_percent")
RAW_PIXELS = "raw pixels"
UNTRAINED = "untrained"
SUPERVISED = "supervised from scratch"
_OURS = "Is pre-training worth it here?"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Scores of encoders and baselines; `print` shows a table and a verdict.

    Attributes:
        entries: list of dicts, one for each score: `"encoder"`, `"name"` (of
            the protocol), and the results of `score` or `fine_tune`.
        verdict: str. Whether pre-training is worth it, for each protocol.
    """

    entries: list[dict[str, Any]]
    verdict: str

    def __str__(self):
        names = list(dict.fromkeys(entry["name"] for entry in self.entries))
        cells = {(e["encoder"], e["name"]): e for e in self.entries}
        rows = [["accuracy in percent", *names]]
        for encoder in dict.fromkeys(e["encoder"] for e in self.entries):
            found = [cells.get((encoder, name)) for name in names]
            rows.append([encoder, *map(_percent, found)])
        share = max(entry["majority_class"] for entry in self.entries)
        majority = [f"{100 * share:.1f}"] * len(names)
        rows.append(["the most frequent class", *majority])
        first, *others = (max(map(len, x)) for x in zip(*rows, strict=True))
        form = "  ".join([f"{{:<{first}}}", *(f"{{:>{n}}}" for n in others)])
        lines = [form.format(*row) for row in rows]
        return "\n".join([*lines, "", self.verdict])


def compare(
    encoders: Mapping[str, keras.Model],
    images: Any,
    protocols: Sequence[str] = DEFAULT,
    split: str = "train",
    test_split: str = "test",
    supervised_steps: int = 500,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Comparison:
    """Scores encoders beside raw pixels, an untrained and a supervised network.

    Every encoder is scored by each protocol on its default feature, and so are
    raw pixels and the first encoder with new weights. Its network is also
    trained from scratch on the same labels, on a small budget, as a baseline
    of every protocol except nearest neighbours.

    Args:
        encoders: mapping from names to encoders, the one in question first:
            functional `keras.Model`s from raw pixels to features, such as
            `encoders.from_backbone` makes.
        images: `LabelledImages`, or a source as of `labelled_images`, which is
            opened in the image size of each encoder.
        protocols: sequence of names of `PROTOCOLS`. Defaults to `DEFAULT`.
        split, test_split: see `labelled_images`.
        supervised_steps: int. Batches of 64 images on which a network is
            trained from scratch or fine-tuned; 0 leaves both out. Defaults to
            500.
        report: function that is called with each entry when it is ready.

    Returns:
        `Comparison`. Its verdict gives the margin to the best baseline with a
        95 % interval. The interval covers other test images and other draws of
        labels, as if the two scores were independent, but no other trainings.

    Raises:
        ValueError: for unknown protocols, no encoders, and an encoder with the
            name of a baseline.
    """
    for name in protocols:
        checks.one_of(PROTOCOLS, protocol=name)
    checks.distinct(1, protocols=protocols)
    checks.integers(0, supervised_steps=supervised_steps)
    if not isinstance(encoders, Mapping) or not encoders:
        raise ValueError(
            "`encoders` must be a dict of names and encoders, one or more. "
            f"Received: {encoders!r}"
        )
    if taken := {RAW_PIXELS, UNTRAINED, SUPERVISED} & set(encoders):
        raise ValueError(f"These are names of baselines: {sorted(taken)}")

    @functools.cache
    def opened(shape, values):
        parts = images, split, test_split
        return scoring.labelled_images(*parts, image_shape=shape, values=values)

    def images_of(encoder):
        if isinstance(images, scoring.LabelledImages):
            return images
        return opened(input_shape(encoder), stored_values.how_read(encoder))

    (ours, first), *_ = encoders.items()
    # Refuses a model that is not functional before hours of work.
    encoder_features.features_of(first)
    new = type(first).from_config(first.get_config())
    sample = next(batches.iterate(images_of(first).train, 1))["image"]
    values = stored_values.value_range(first)
    pixels = raw_pixels_encoder(sample.shape[1:], values)
    rows = {**encoders, UNTRAINED: new, RAW_PIXELS: pixels}
    entries = []

    def add(encoder, name, result):
        entries.append({"encoder": encoder, "name": name, **result})
        if report:
            report(entries[-1])

    for who, encoder in rows.items():
        found, labelled = None, images_of(encoder)
        for name in protocols:
            probe, arguments = PROTOCOLS[name]
            if probe != "fine_tune":
                feature = encoder_features.default_feature(encoder)
                found = found or scoring.Extracted(encoder, labelled, feature)
                if "k" in arguments:
                    most = np.count_nonzero(found.train["label"] >= 0)
                    k = min(arguments["k"], int(most))
                    arguments = {**arguments, "k": k}
                add(who, name, found.score(feature, probe, arguments))
            elif who in encoders and supervised_steps:
                steps = {**arguments, "steps": supervised_steps}
                add(
                    who, name, fine_tuning.fine_tune(encoder, labelled, **steps)
                )

    @functools.cache
    def supervised(label_share, num_draws):
        return fine_tuning.fine_tune(
            first,
            images_of(first),
            label_share=label_share,
            num_draws=num_draws,
            steps=supervised_steps,
            from_scratch=True,
        )

    for name in protocols if supervised_steps else ():
        probe, arguments = PROTOCOLS[name]
        if probe != "nearest_neighbors":
            draws = arguments.get("label_share"), arguments.get("num_draws", 1)
            add(SUPERVISED, name, supervised(*draws))
    return Comparison(entries, _verdict(ours, entries))


def _verdict(ours, entries):
    """Returns the margins of `ours` above the best baselines, as a sentence."""
    baselines = (RAW_PIXELS, UNTRAINED, SUPERVISED)
    sentences = []
    for own in (entry for entry in entries if entry["encoder"] == ours):
        others = [
            entry
            for entry in entries
            if entry["name"] == own["name"] and entry["encoder"] in baselines
        ]
        if not others:
            continue
        best = max(others, key=lambda entry: entry["accuracy"])
        margin = 100 * (own["accuracy"] - best["accuracy"])
        half = 100 * 1.96 * math.hypot(_error(own), _error(best))
        answer = "not shown"
        if abs(margin) > half:
            answer = "yes" if margin > 0 else "no"
        sentences.append(
            f"{own['name']}, {own['num_train']:,} labels: {answer}, "
            f"{margin:+.1f} ± {half:.1f} points against {best['encoder']}"
        )
    return f"{_OURS} {'; '.join(sentences) or 'No baseline was scored'}."


def _error(entry):
    """Returns the standard error of an accuracy."""
    share = entry["accuracy"]
    count = entry["num_test"]
    # One right and one wrong image are added: the error is never 0.
    share = (share * count + 1) / (count + 2)
    num_draws = len(entry.get("accuracies", [share]))
    of_draws = entry.get("deviation", 0) ** 2 / num_draws
    return math.sqrt(share * (1 - share) / count + of_draws)


def _percent(entry):
    if entry is None:
        return "-"
    deviation = entry.get("deviation")
    text = f"{100 * entry['accuracy']:.1f}"
    return text if deviation is None else f"{text} ± {100 * deviation:.1f}"
