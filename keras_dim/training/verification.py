"""A preset's scores, measured again and compared with its card."""

import json
import os
from collections.abc import Callable
from typing import Any

from keras_dim import evaluation
from keras_dim import presets
from keras_dim.evaluation import scoring
from keras_dim.presets import registry

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
        `"measured"` (in `[0, 1]`), `"agrees"`. Of images that are not here,
        `"measured"` is None, and `"reason"` says why.

    Raises:
        ValueError: for an unknown preset, one that is not whole, one whose
            metadata does not say how to repeat its scores, and where none of
            the images are here.
    """
    encoder = presets.pretrained(name, directory)
    root = registry.presets_folder(directory)
    name, _ = registry.resolve(name, root)
    metadata = registry.read_json(root / name / registry.METADATA)
    if tolerance is None:
        tolerance = float(metadata.get("tolerance", TOLERANCE))
    scores, about = _repeatable(name, metadata)
    # Missing data sets are reported before hours of work, not after.
    images, reasons = _opened(
        [score.get("data", about) for score in scores], encoder
    )
    results = []
    extracted = parts = None
    for score in scores:
        feature = score["feature"]
        of = score.get("data", about)
        result = {
            "feature": feature,
            "probe": score["probe"],
            "arguments": score["arguments"],
            "card": score["accuracy"],
        }
        if _key(of) in reasons:
            reason = reasons[_key(of)]
            result |= {"measured": None, "agrees": False, "reason": reason}
        else:
            opened = images[_key(of)]
            if extracted != (of, feature):
                # One at a time: those of a map are large.
                parts = None
                parts = scoring.extract_parts(encoder, opened, feature)
                extracted = (of, feature)
            measured = scoring.score_features(
                feature,
                *parts,
                opened.note,
                score["probe"],
                score["arguments"],
            )["accuracy"]
            difference = abs(measured - score["accuracy"])
            result |= {
                "measured": measured,
                # The tolerance itself is still within it.
                "agrees": 100 * difference <= tolerance + 1e-9,
            }
        results.append(result)
        if report:
            report(result)
    return results


def _key(about):
    return json.dumps(about, sort_keys=True)


def _opened(descriptions, encoder):
    """Returns the labelled images that are here, and why others are not."""
    images, reasons = {}, {}
    for about in descriptions:
        if _key(about) in images or _key(about) in reasons:
            continue
        try:
            images[_key(about)] = evaluation.labelled_images(
                about["source"],
                about["split"],
                about["test_split"],
                image_shape=encoder.input_shape[1:],
                image_size=about.get("image_size"),
            )
        except (ValueError, FileNotFoundError) as error:
            reasons[_key(about)] = str(error)
            if len(reasons) == len({_key(one) for one in descriptions}):
                raise
    return images, reasons


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
