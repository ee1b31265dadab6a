"""Lists the presets and the recipes."""

from keras_dim.cli import messages


def run(options) -> None:
    """Prints the tables."""
    from keras_dim import presets
    from keras_dim import recipes
    from keras_dim.presets import registry

    header = ("preset", "images", "features", "parameters", "best score")
    rows = [
        (
            preset["name"],
            "x".join(map(str, preset["image_shape"])),
            ", ".join(
                f"{name} {width}" for name, width in preset["features"].items()
            ),
            f"{preset['parameters']:,}",
            _best(preset["scores"]),
        )
        for preset in presets.list_pretrained()
    ]
    print(messages.table(header, rows) if rows else "There are no presets.")
    for name, (stand_in, _) in registry.STAND_INS.items():
        if stand_in in (row[0] for row in rows):
            print(f"{name}: {stand_in} is given for it")
    header = ("recipe", "source", "image size", "batch", "epochs", "method")
    rows = [
        (
            recipe.name,
            recipe.source,
            recipe.image_size,
            recipe.batch_size,
            recipe.epochs,
            recipe.method["name"],
        )
        for recipe in recipes.RECIPES.values()
    ]
    print(f"\n{messages.table(header, rows)}")


def _best(scores):
    if not scores:
        return "-"
    best = max(scores, key=lambda score: score["accuracy"])
    return (
        f"{messages.percent(best['accuracy'])} ({best['feature']}, "
        f"{best['probe']})"
    )
