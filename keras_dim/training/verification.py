"""A preset's scores, measured again and compared with its card."""

import os
from collections.abc import Callable
from typing import Any

from keras_dim import presets
from keras_dim.presets import registry
from keras_dim.training import scoring

# Percentage points: another processor rounds, and a probe learns, a little
# differently.
TOLERANCE = 0.5


def verify(
    name: str,
    directory: str | os.PathLike | None = None,
    tolerance: float | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Runs every score of a preset's card again, and compares.

    The metadata's entry `"data"` names the images: `"source"`, `"split"`,
    `"test_split"` and, where images are larger than the encoder takes,
    `"image_size"`. Each of its `"scores"` has `"feature"`, `"probe"`,
    `"arguments"` (see `run_probe`) and `"accuracy"`, and `"data"` of its own
    where it was measured on other images.

    Args:
        name: str. A preset's name.
        directory: str or path. The folder of presets. Defaults to those that
            come with keras_dim.
        tolerance: float. Most percentage points between card and measurement.
            Defaults to the metadata's `"tolerance"`, or 0.5.
        report: function that is called with each result as it comes.

    Returns:
        list of dicts: `"feature"`, `"probe"`, `"arguments"`, `"card"` and
        `"measured"` (in `[0, 1]`), `"agrees"`.

    Raises:
        ValueError: for an unknown preset, one that is not whole, and one
            whose metadata does not say how to repeat its scores.
    """
    encoder = presets.pretrained(name, directory)
    root = registry.presets_folder(directory)
    metadata = registry.read_json(root / name / registry.METADATA)
    if tolerance is None:
        tolerance = float(metadata.get("tolerance", TOLERANCE))
    scores, about = _repeatable(name, metadata)
    results = []
    extracted = parts = None
    for score in scores:
        feature = score["feature"]
        of = score.get("data", about)
        if extracted != (of, feature):
            # One at a time: those of a map are large.
            parts = None
            images = scoring.labelled_images(
                of["source"],
                of["split"],
                of["test_split"],
                image_shape=encoder.input_shape[1:],
                image_size=of.get("image_size"),
            )
            parts = scoring.extract_parts(encoder, images, feature)
            extracted = (of, feature)
        measured = scoring.score_features(
            feature, *parts, images.note, score["probe"], score["arguments"]
        )["accuracy"]
        difference = abs(measured - score["accuracy"])
        results.append(
            {
                "feature": score["feature"],
                "probe": score["probe"],
                "arguments": score["arguments"],
                "card": score["accuracy"],
                "measured": measured,
                # The tolerance itself is still within it.
                "agrees": 100 * difference <= tolerance + 1e-9,
            }
        )
        if report:
            report(results[-1])
    return results


def _repeatable(name, metadata):
    about = metadata.get("data")
    scores = metadata.get("scores") or []
    needed = ("source", "split", "test_split")
    for data in (about, *(s["data"] for s in scores if "data" in s)):
        if not isinstance(data, dict) or not set(needed) <= set(data):
            raise ValueError(
                f"The metadata of {name} do not name the images of its "
                f"scores. Expected an entry 'data' with {list(needed)}. "
                f"Received: {data!r}"
            )
    if not scores:
        raise ValueError(f"The metadata of {name} hold no score to repeat.")
    for score in scores:
        if "arguments" not in score:
            raise ValueError(
                f"A score of {name} does not say how to repeat it. Expected "
                f"the entry 'arguments'. Received: {sorted(score)}"
            )
        scoring.check_arguments(score["probe"], score["arguments"])
    return scores, about
