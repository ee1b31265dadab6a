"""Lists the presets and the recipes."""

from keras_dim import catalog
from keras_dim.cli import messages

NEEDS_KERAS = False


def run(options) -> None:
    """Prints the tables."""
    found = catalog.list_pretrained()
    header = ("preset", "images", "features", "parameters", "best score")
    rows = [
        (
            preset["name"],
            "x".join(map(str, preset["image_shape"])),
            ", ".join(f"{n} {w}" for n, w in preset["features"].items()),
            f"{preset['parameters']:,}",
            _best(preset["scores"]),
        )
        for preset in found
    ]
    print(messages.table(header, rows) if rows else "There are no presets.")
    for name, (stand_in, _) in catalog.STAND_INS.items():
        if stand_in in [preset["name"] for preset in found]:
            print(f"{name}: {stand_in} is loaded instead")
    fields = ("name", "source", "image_size", "batch_size", "epochs")
    header = ("recipe", *fields[1:], "method")
    rows = []
    for recipe in catalog.list_recipes():
        method = recipe["method"]
        name = method if isinstance(method, str) else method["name"]
        rows.append((*(recipe.get(field, "-") for field in fields), name))
    print(f"\n{messages.table(header, rows)}")


def _best(scores):
    if not scores:
        return "-"
    best = max(scores, key=lambda score: score["accuracy"])
    accuracy = messages.percent(best["accuracy"])
    return f"{accuracy} ({best['feature']}, {best['probe']})"
