"""Measures a preset's scores again and compares them with its card.

The exit code is 0 if all agree, and 1 if one does not or could not be measured
because its images are missing.
"""

from keras_dim.cli import flags
from keras_dim.cli import messages


def define(parser: flags.Parser) -> None:
    """Adds the arguments."""
    parser.add_argument("preset", metavar="PRESET", help="A preset's name.")
    parser.add("data_dir")
    help = "In percentage points. Default: the preset's, or 0.5."
    parser.add("tolerance", help, type=float)
    parser.add("presets", "The folder of presets. Default: keras_dim's.")


def run(options) -> int:
    """Prints the scores of card and measurement, and whether they agree."""
    from keras_dim import training
    from keras_dim.presets import saving

    def row(result):
        measured = "not measured"
        if result["measured"] is not None:
            measured = messages.percent(result["measured"])
        card = messages.percent(result["card"])
        agrees = "yes" if result["agrees"] else "no"
        probe = saving.probe_of(result)
        return result["feature"], probe, card, measured, agrees

    def report(result):
        feature, probe, _, measured, _ = row(result)
        print(f"{feature}, {probe}: {measured}", flush=True)

    results = training.verify(
        options.preset, options.presets, options.tolerance, report
    )
    header = ("feature", "probe", "card", "measured", "agrees")
    print(f"\n{messages.table(header, list(map(row, results)))}")
    reasons = [each["reason"] for each in results if "reason" in each]
    for reason in dict.fromkeys(reasons):
        print(f"not measured: {reason}")
    return int(not all(result["agrees"] for result in results))
