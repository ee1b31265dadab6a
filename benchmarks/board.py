"""Correlations of measures without labels with probe accuracy, on the digits.

    python benchmarks/board.py --output RUNS    # trains missing runs
    python benchmarks/board.py --output RUNS --table
    python benchmarks/board.py --per_view RUNS  # of benchmarks/per_view.py

Each method trains one small network on 1,437 digits with several seeds and
learning rates. After 1, 4 and 12 epochs the board's measures of 512 training
images and their views, and the accuracy of probes on 360 test images, are
written to RUNS, a file for each training. `--table` writes Spearman's
correlations, with intervals from resampled trainings, into docs/board.md.

`--per_view` measures the encoders of per_view.py, one of each method, on 2,048
training images of CIFAR-10, and prints the correlations of the measures with
the accuracies in docs/per_view across methods.
"""

import argparse
import itertools
import json
import pathlib
import time

import common  # First: it silences TensorFlow.
import keras
import numpy as np
from scipy import stats

import keras_dim
from keras_dim import evaluation
from keras_dim import files
from keras_dim import views
from keras_dim.data import reading

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "board.md"
MARK = "<!-- python benchmarks/board.py --table writes all below -->\n"
SEEDS = (0, 1)
EPOCHS = (1, 4, 12)
LEARNING_RATES = (1e-4, 1e-3, 1e-2)
BATCH_SIZE = 128
NUM_WATCHED = 512
NUM_RESAMPLED = 1000
# Their encoders differ from those of the other methods, or used labels.
OF_OTHER_KIND = ("cmc", "cpc", "supervised")
MEASURES = (
    "rank_me",
    "effective_rank",
    "lidar",
    "alpha_req",
    "alignment",
    "uniformity",
    "mean_deviation",
)
METHODS = {
    "deep_infomax": lambda net, two, one: keras_dim.DeepInfoMax(
        net, one, critic_units=64
    ),
    "simclr": lambda net, two, one: keras_dim.SimCLR(net, two),
    "byol": lambda net, two, one: keras_dim.BYOL(
        net, two, units=64, hidden_units=256, momentum=0.98
    ),
    "corinfomax": lambda net, two, one: keras_dim.CorInfoMax(
        net, two, units=32, hidden_units=(256,)
    ),
    "alignment_uniformity": lambda net, two, one: keras_dim.AlignmentUniformity(
        net, two, units=64
    ),
}


def network():
    """Returns a small encoder of images of 8 x 8 pixels, with 64 units."""

    def block(x, width, strides):
        x = keras.layers.Conv2D(
            width, 3, strides, padding="same", use_bias=False
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        return keras.layers.ReLU()(x)

    image = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    local = block(block(x, 32, 1), 64, 2)
    pooled = keras.layers.GlobalAveragePooling2D()(block(local, 128, 2))
    features = keras.layers.Dense(64, name="global")(pooled)
    return keras.Model(image, {"local": local, "global": features})


def crops(seed):
    """Returns the augmentations: boxes of half the image or more."""
    return [
        views.RandomResizedCrop(8, scale=(0.5, 1.0), seed=seed),
        views.ColorJitter(0.4, 0.4, 0.0, 0.0, seed=seed + 1),
    ]


def digits(split):
    """Returns the digits of a split as a dict of arrays."""
    batches = keras_dim.data.load(
        "digits", split=split, batch_size=64, shuffle=False
    )
    found = [(batch["image"], batch["label"]) for batch in batches]
    pixels, labels = (np.concatenate(x) for x in zip(*found, strict=True))
    return {"image": pixels, "label": labels}


def train(method, learning_rate, seed):
    """Trains once and returns the measures and accuracies after each stage."""
    keras.utils.set_random_seed(seed)
    train, test = digits("train"), digits("test")
    made = crops(1000 * seed)
    model = METHODS[method](
        network(), views.TwoViews(made), views.SingleView(made)
    )
    model.compile(keras.optimizers.Adam(learning_rate))
    images = train["image"]
    order = np.random.default_rng(0).permutation(len(images))
    watched = images[order[:NUM_WATCHED]]
    # One pair of views for all methods.
    pair = evaluation.two_views(views.TwoViews(crops(7)), watched, (8, 8, 1))
    # One model for all: each new one would be traced again.
    encoder = evaluation.feature_model(model.encoder, "global")
    rows, done = [], 0
    for epochs in (0, *EPOCHS):
        # Only whole batches: contrastive losses depend on their size.
        size = len(images) // BATCH_SIZE * BATCH_SIZE
        draw = np.random.default_rng((seed, epochs))
        for _ in range(epochs - done):
            chosen = draw.permutation(len(images))[:size]
            model.fit(
                images[chosen],
                batch_size=BATCH_SIZE,
                shuffle=False,
                verbose=0,
            )
        done = max(epochs, done)
        row = measured(encoder, "global", watched, pair, BATCH_SIZE)
        of_train, of_test = (
            evaluation.extract(encoder, part, "global", BATCH_SIZE)["global"]
            for part in (images, test["image"])
        )
        columns = of_train, train["label"], of_test, test["label"]
        for name, probe, arguments in (
            ("linear", "linear_probe", {}),
            ("neighbors", "nearest_neighbors", {"k": 20}),
        ):
            result = evaluation.run_probe(*columns, probe, arguments)
            row[name] = result["accuracy"]
        rows.append({"epochs": epochs, **row})
    return rows


def run_all(folder, methods):
    """Trains the runs that have no file yet."""
    for method, rate, seed in itertools.product(methods, LEARNING_RATES, SEEDS):
        path = folder / f"{method}_{rate:g}_seed{seed}.json"
        if path.exists():
            continue
        start = time.monotonic()
        rows = train(method, rate, seed)
        seconds = round(time.monotonic() - start, 1)
        about = {"method": method, "learning_rate": rate, "seed": seed}
        about |= {"seconds": seconds, "machine": common.machine()}
        files.write_json(path, {**about, "rows": rows})
        print(path.stem, f"{seconds:.0f} s", rows[-1]["linear"], flush=True)


def measured(encoder, feature, images, pair, batch_size):
    """Returns the measures of a feature of images and of two views of each."""
    watched, *of_views = (
        evaluation.extract(encoder, part, feature, batch_size)[feature]
        for part in (images, *pair)
    )
    return {
        **evaluation.board(watched, of_views),
        "effective_rank": evaluation.effective_rank(watched),
        "mean_deviation": float(evaluation.deviations(watched).mean()),
    }


def compare_methods(folder):
    """Prints correlations across methods, over the encoders of per_view.py."""
    source = keras_dim.data.open_source("cifar10", "train")
    images = next(reading.Epoch(source, source.num_images).batches())["image"]
    chosen = np.random.default_rng(0).permutation(len(images))[:2048]
    images = images[chosen]
    pair = evaluation.two_views(views.amdim(32, seed=7), images, (32, 32, 3))
    runs = []
    for path in sorted((PAGE.parent / "per_view").glob("*_seed*.json")):
        row = json.loads(path.read_text())
        saved = folder / path.stem / "encoder.keras"
        if row["method"] in OF_OTHER_KIND or not saved.exists():
            continue
        encoder = keras.models.load_model(saved, compile=False)
        row |= measured(encoder, "global", images, pair, 256)
        runs.append([row])
        cells = [f"{name} {row[name]:.3f}" for name in MEASURES]
        print(path.stem, *cells, f"linear {row['linear']}", flush=True)
    for probe in ("linear", "neighbors_20"):
        print("\n".join(table({f"{len(runs)} encoders": runs}, probe)[:3]))


def correlation(runs, measure, probe):
    """Returns Spearman's correlation over the rows of runs, and its interval.

    Rows of one training are not independent: whole trainings are resampled.
    """

    def of(rows):
        x, y = rows[np.isfinite(rows).all(axis=1)].T
        if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
            return np.nan
        return np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]

    pairs = np.array([[(r[measure], r[probe]) for r in run] for run in runs])
    draw = np.random.default_rng(0)
    resampled = [
        of(pairs[draw.integers(0, len(runs), len(runs))].reshape(-1, 2))
        for _ in range(NUM_RESAMPLED)
    ]
    return of(pairs.reshape(-1, 2)), *np.nanpercentile(resampled, (2.5, 97.5))


def table(runs_of, probe):
    """Returns the rows of a table of correlations, methods by measures."""
    lines = [
        f"| method | {' | '.join(MEASURES)} |",
        f"| --- |{' --- |' * len(MEASURES)}",
    ]
    pooled = [run for runs in runs_of.values() for run in runs]
    for name, runs in {**runs_of, "all together": pooled}.items():
        cells = [
            "{:+.2f} ({:+.2f} to {:+.2f})".format(
                *correlation(runs, measure, probe)
            )
            for measure in MEASURES
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def write_page(folder):
    """Writes the tables into the page."""
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    ]
    lines = [f"On: {found[0]['machine']}, shared with other work.", ""]
    of_method = {
        method: [each for each in found if each["method"] == method]
        for method in METHODS
    }
    # The untrained network is left out: each run would have it.
    trained = {
        method: [
            [row for row in each["rows"] if row["epochs"]] for each in runs
        ]
        for method, runs in of_method.items()
    }
    for title, probe in (
        ("Linear probe, after 1, 4 and 12 epochs", "linear"),
        ("20 neighbours, after 1, 4 and 12 epochs", "neighbors"),
    ):
        lines += [f"## {title}", "", *table(trained, probe), ""]
    title = "Accuracy of the linear probe after 12 epochs, in percent"
    lines += [f"## {title}", ""]
    lines += ["| method | trainings | untrained | least | median | most |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for method, runs in of_method.items():
        first = np.mean([each["rows"][0]["linear"] for each in runs])
        ends = [each["rows"][-1]["linear"] for each in runs]
        numbers = first, min(ends), np.median(ends), max(ends)
        cells = " | ".join(f"{100 * number:.1f}" for number in numbers)
        lines.append(f"| {method} | {len(runs)} | {cells} |")
    page = PAGE.read_text(encoding="utf-8").split(MARK)[0]
    text = page + MARK + "\n" + "\n".join(lines) + "\n"
    files.write_text(PAGE, text)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--per_view", type=pathlib.Path)
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.per_view:
        compare_methods(options.per_view)
        return
    if not options.output:
        parser.error("say --output or --per_view")
    options.output.mkdir(parents=True, exist_ok=True)
    if options.table:
        write_page(options.output)
    else:
        run_all(options.output, options.method or METHODS)


if __name__ == "__main__":
    main()
