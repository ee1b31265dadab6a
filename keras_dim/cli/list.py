"""Lists the presets and the recipes."""

from keras_dim.cli import messages


def run(options) -> None:
    """Prints the tables."""
    from keras_dim import presets
    from keras_dim import recipes
    from keras_dim.presets import registry

    found = presets.list_pretrained()
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
    for name, (stand_in, _) in registry.STAND_INS.items():
        if stand_in in [preset["name"] for preset in found]:
            print(f"{name}: {stand_in} is given for it")
    fields = ("name", "source", "image_size", "batch_size", "epochs")
    header = ("recipe", *fields[1:], "method")
    rows = [
        (*(getattr(recipe, field) for field in fields), recipe.method["name"])
        for recipe in recipes.RECIPES.values()
    ]
    print(f"\n{messages.table(header, rows)}")


def _best(scores):
    if not scores:
        return "-"
    best = max(scores, key=lambda score: score["accuracy"])
    accuracy = messages.percent(best["accuracy"])
    return f"{accuracy} ({best['feature']}, {best['probe']})"
