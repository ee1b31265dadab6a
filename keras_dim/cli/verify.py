"""Measures a preset's scores again and compares them with its card.

The exit code is 0 if all agree, and 1 if one does not, or could not be
measured because its images are not here.
"""

import argparse

from keras_dim.cli import flags
from keras_dim.cli import messages

_DISAGREES = 1


def define(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.add_argument("preset", metavar="PRESET", help="A preset's name.")
    flags.add(
        parser,
        "tolerance",
        "Most percentage points between card and measurement. Default: the "
        "preset's own, or 0.5.",
        type=float,
    )
    flags.add(
        parser,
        "presets",
        "The folder of presets. Default: those that come with keras_dim.",
    )


def run(options) -> int:
    """Prints both columns and says whether they agree."""
    from keras_dim import training
    from keras_dim.presets import cards

    results = training.verify(
        options.preset,
        options.presets,
        options.tolerance,
        lambda result: print(
            f"{result['feature']}, {cards.probe_of(result)}: "
            f"{_measured(result)}",
            flush=True,
        ),
    )
    header = ("feature", "probe", "card", "measured", "agrees")
    rows = [
        (
            result["feature"],
            cards.probe_of(result),
            messages.percent(result["card"]),
            _measured(result),
            "yes" if result["agrees"] else "no",
        )
        for result in results
    ]
    print(f"\n{messages.table(header, rows)}")
    for reason in dict.fromkeys(result.get("reason") for result in results):
        if reason:
            print(f"not measured: {reason}")
    return 0 if all(result["agrees"] for result in results) else _DISAGREES


def _measured(result):
    if result["measured"] is None:
        return "not measured"
    return messages.percent(result["measured"])
