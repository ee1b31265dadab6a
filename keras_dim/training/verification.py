"""A preset's scores, measured again and compared with its card."""

import json
import os
from collections.abc import Callable
from typing import Any

from keras_dim import checks
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
    `"image_size"`. A score may have `"data"` of its own.

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
        ValueError: for an unknown or damaged preset, one whose metadata does
            not say how to repeat its scores, and where none of the images are
            here.
    """
    checks.at_least(0, **checks.given(tolerance=tolerance))
    encoder = presets.pretrained(name, directory)
    root = registry.presets_folder(directory)
    name, _ = registry.resolve(name, root)
    metadata = registry.read_json(root / name / registry.METADATA)
    if tolerance is None:
        tolerance = float(metadata.get("tolerance", TOLERANCE))
    scores = _repeatable(name, metadata)
    # Missing data sets are reported before hours of work, not after.
    opened = _opened([score["data"] for score in scores], encoder)
    results = []
    extracted = features = None
    for score in scores:
        names = ("feature", "probe", "arguments")
        feature, *probe = (score[name] for name in names)
        result = {name: score[name] for name in names}
        result["card"] = score["accuracy"]
        images = opened[_key(score["data"])]
        if isinstance(images, Exception):
            result |= {"measured": None, "agrees": False, "reason": str(images)}
        else:
            if extracted != (score["data"], feature):
                # One at a time: those of a map are large.
                features = None
                features = scoring.extract_parts(encoder, images, feature)
                extracted = (score["data"], feature)
            found = scoring.score_features(
                feature, *features, images.note, *probe
            )
            difference = 100 * abs(found["accuracy"] - score["accuracy"])
            result["measured"] = found["accuracy"]
            # The tolerance itself is still within it.
            result["agrees"] = difference <= tolerance + 1e-9
        results.append(result)
        if report:
            report(result)
    return results


def _key(about):
    return json.dumps(about, sort_keys=True)


def _opened(descriptions, encoder):
    """Returns labelled images, or the error where they are not here, by key."""
    found = {}
    for about in descriptions:
        if _key(about) in found:
            continue
        try:
            found[_key(about)] = evaluation.labelled_images(
                about["source"],
                about["split"],
                about["test_split"],
                image_shape=encoder.input_shape[1:],
                image_size=about.get("image_size"),
            )
        except (ValueError, FileNotFoundError) as error:
            found[_key(about)] = error
    if all(isinstance(images, Exception) for images in found.values()):
        raise next(iter(found.values()))
    return found


def _repeatable(name, metadata):
    """Returns the scores of a card, each with the images it was measured on."""
    scores = [
        {"data": metadata.get("data"), **score}
        for score in metadata.get("scores") or []
    ]
    if not scores:
        raise ValueError(f"The metadata of {name} hold no score to repeat.")
    needed = {"source", "split", "test_split"}
    for score in scores:
        data = score["data"]
        if not isinstance(data, dict) or not needed <= set(data):
            raise ValueError(
                f"The metadata of {name} do not name the images of its "
                f"scores. Expected an entry 'data' with {sorted(needed)}. "
                f"Received: {data!r}"
            )
        if "arguments" not in score:
            raise ValueError(
                f"A score of {name} does not say how to repeat it. Expected "
                f"the entry 'arguments'. Received: {sorted(score)}"
            )
        scoring.check_arguments(score["probe"], score["arguments"])
    return scores
