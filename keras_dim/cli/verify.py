"""Measures a preset's scores again and compares them with its card.

The exit code is 0 if all agree, and 1 if one does not, or could not be
measured because its images are not here.
"""

from absl import flags

from keras_dim.cli import messages

ARGUMENTS = ("PRESET",)

_DISAGREES = 1


def define(values: flags.FlagValues) -> None:
    """Defines the flags."""
    flags.DEFINE_float(
        "tolerance",
        None,
        "Most percentage points between card and measurement. Default: the "
        "preset's own, or 0.5.",
        0.0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "presets",
        None,
        "The folder of presets. Default: those that come with keras_dim.",
        flag_values=values,
    )


def run(options, name: str) -> int:
    """Prints both columns and says whether they agree."""
    from keras_dim import training
    from keras_dim.presets import cards

    def tell(result):
        print(
            f"{result['feature']}, {cards.probe_of(result)}: "
            f"{_measured(result)}",
            flush=True,
        )

    results = training.verify(name, options.presets, options.tolerance, tell)
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
    reasons = {result.get("reason"): None for result in results}
    for reason in filter(None, reasons):
        print(f"not measured: {reason}")
    agrees = all(result["agrees"] for result in results)
    return 0 if agrees else _DISAGREES


def _measured(result):
    if result["measured"] is None:
        return "not measured"
    return messages.percent(result["measured"])
