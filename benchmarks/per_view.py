"""Accuracy on CIFAR-10 against the number of views, for every method.

    python benchmarks/per_view.py --method amdim --views 1000000 --seed 0
    python benchmarks/per_view.py --method amdim --views 60000 --held_out
    python benchmarks/per_view.py --table

A view is one crop that passes the trained network forward and backward. All
methods train the same residual encoder on the same crops, as far as the method
allows, with Adam and a cosine over the whole run. The encoder is scored after
the last step. Settings are chosen with `--held_out`, which trains on 45,000
training images and scores the other 5,000; without it, all 50,000 are trained
on and the 10,000 test images are scored.

`--method supervised` trains the encoder on all labels; `untrained` and
`raw_pixels` do not train.

A run writes `<method>_<views>_seed<seed>.json` to docs/per_view, or to
`--output` with `--held_out`, and its encoder to `--output`. A run that was
stopped continues from its last checkpoint. `--table` writes the tables of
docs/per_view.md and docs/per_view.png; it needs matplotlib.
"""

import argparse
import dataclasses
import functools
import itertools
import json
import pathlib
import resource
import sys
import time
from collections.abc import Callable

import common  # First: it silences TensorFlow.
import keras
import numpy as np

import keras_dim
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import files
from keras_dim import optimizers
from keras_dim import plots
from keras_dim import views
from keras_dim.data import reading
from keras_dim.training import checkpoints

DOCS = pathlib.Path(__file__).parents[1] / "docs"
NUM_HELD_OUT = 5000
# Parts of a run, after each of which it can be resumed.
NUM_PARTS = 10
PROBES = {
    "neighbors_20": ("nearest_neighbors", {"k": 20, "temperature": None}),
    "neighbors_200": ("nearest_neighbors", {"k": 200, "temperature": 0.07}),
    "linear": ("linear_probe", {"c": 0.1}),
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """The settings of a method.

    `make` returns the model from the number of images, of steps, and a seed.
    `num_views` crops of each image pass the trained network, and `num_forward`
    more pass a teacher, forward only.
    """

    make: Callable
    num_views: int = 2
    num_forward: int = 0
    learning_rate: float = 1e-3
    batch_size: int = 64


def encoder(local=None):
    """Returns the encoder of all methods; CMC and CPC have versions of it."""
    made = encoders.amdim_resnet(
        base_width=32, representation_units=256, depth=1, use_batch_norm=True
    )
    if local is None:
        return made
    outputs = {"local": made.output[local], "global": made.output["global"]}
    return keras.Model(made.input, outputs)


def two_views(seed, names=("view_1", "view_2")):
    """Returns the crops of AMDIM."""
    made = views.amdim(32, seed)
    return views.TwoViews(made.augmentations, made.shared, names=names)


def one_view(seed):
    """Returns one of the crops of AMDIM."""
    made = views.amdim(32, seed)
    return views.SingleView([*made.shared, *made.augmentations])


def deep_infomax(num_images, num_steps, seed):
    return keras_dim.DeepInfoMax(
        encoder(local="map_7"), one_view(seed), critic_units=256, seed=seed
    )


def amdim(num_images, num_steps, seed):
    return keras_dim.AMDIM(
        encoder(), two_views(seed), use_batch_norm=True, seed=seed
    )


def cpc(num_images, num_steps, seed):
    # Without batch norm, a location of the map sees a patch of 8 x 8 pixels,
    # 4 pixels from the next, and no other.
    whole = encoders.amdim_resnet(
        base_width=32, representation_units=256, depth=1
    )
    local = whole.output["map_7"]
    features = {
        "local": local,
        "global": keras.layers.GlobalAveragePooling2D()(local),
    }
    return keras_dim.CPC(
        keras.Model(whole.input, features),
        num_directions=2,
        context_units=128,
        num_blocks=3,
        seed=seed,
    )


def cmc(num_images, num_steps, seed):
    network = {
        "name": "amdim_resnet",
        "base_width": 24,
        "representation_units": 128,
        "depth": 1,
        "use_batch_norm": True,
    }
    pair = encoders.lab_pair(network=network)
    return keras_dim.CMC(pair, num_images, temperature=0.1, seed=seed)


def instance_discrimination(num_images, num_steps, seed):
    return keras_dim.InstanceDiscrimination(
        encoder(), num_images, one_view(seed), temperature=0.1, seed=seed
    )


def moco(num_images, num_steps, seed):
    return keras_dim.MoCo(
        encoder(),
        two_views(seed, ("query", "key")),
        hidden_units=512,
        queue_size=4096,
        momentum=0.99,
        temperature=0.1,
        seed=seed,
    )


def simclr(num_images, num_steps, seed):
    return keras_dim.SimCLR(
        encoder(), two_views(seed), temperature=0.2, seed=seed
    )


def byol(num_images, num_steps, seed, method=keras_dim.BYOL):
    return method(
        encoder(),
        two_views(seed),
        units=128,
        hidden_units=512,
        momentum=0.99,
        num_steps=num_steps,
        seed=seed,
    )


raft = functools.partial(byol, method=keras_dim.RAFT)


def alignment_uniformity(num_images, num_steps, seed):
    return keras_dim.AlignmentUniformity(
        encoder(), two_views(seed), hidden_units=512, seed=seed
    )


def corinfomax(num_images, num_steps, seed):
    return keras_dim.CorInfoMax(
        encoder(), two_views(seed), hidden_units=(512, 512), seed=seed
    )


def coding_rate(num_images, num_steps, seed):
    return keras_dim.CodingRate(
        encoder(),
        views.multi_crop(32, num_crops=20, seed=seed),
        units=256,
        hidden_units=512,
        seed=seed,
    )


def supervised(num_images, num_steps, seed):
    trained = encoder()
    image = keras.Input((32, 32, 3))
    features = trained(one_view(seed)(image)["image"])["global"]
    return keras.Model(image, keras.layers.Dense(10)(features))


SETTINGS = {
    "amdim": Setting(amdim),
    "deep_infomax": Setting(deep_infomax, num_views=1),
    "simclr": Setting(simclr),
    "moco": Setting(moco, num_views=1, num_forward=1),
    "byol": Setting(byol, num_forward=2),
    "corinfomax": Setting(corinfomax),
    "coding_rate": Setting(coding_rate, num_views=20, batch_size=16),
    "alignment_uniformity": Setting(alignment_uniformity),
    "instance_discrimination": Setting(instance_discrimination, num_views=1),
    "cmc": Setting(cmc, num_views=1),
    "cpc": Setting(cpc, num_views=1),
    "raft": Setting(raft, num_forward=2),
    "supervised": Setting(supervised, num_views=1),
}
# These have no views.
BASELINES = {
    "untrained": encoder,
    "raw_pixels": lambda: evaluation.raw_pixels_encoder((32, 32, 3)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=[*SETTINGS, *BASELINES])
    parser.add_argument("--views", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--learning_rate", type=float)
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--held_out", action="store_true")
    parser.add_argument(
        "--output", type=pathlib.Path, default=pathlib.Path("runs/per_view")
    )
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        write_table()
        return
    if not arguments.method:
        parser.error("say --method or --table")
    if arguments.method in BASELINES:
        arguments.views = 0
    setting = SETTINGS.get(arguments.method, Setting(None))
    given = {
        name: getattr(arguments, name)
        for name in ("learning_rate", "batch_size")
        if getattr(arguments, name) is not None
    }
    run(dataclasses.replace(setting, **given), arguments)


def run(setting, arguments):
    """Trains and scores one encoder, and writes its results."""
    name = f"{arguments.method}_{arguments.views}_seed{arguments.seed}"
    if arguments.held_out:
        rate, size = setting.learning_rate, setting.batch_size
        name += f"_rate{rate:g}_batch{size}_held_out"
    train, scored = load_images(arguments.held_out)
    if setting.make:
        folder = arguments.output / name
        trained, minutes = pretrain(setting, train, arguments, folder)
    else:
        keras.utils.set_random_seed(arguments.seed)
        trained, minutes = BASELINES[arguments.method](), 0.0
    weights = [np.array(each) for each in trained.get_weights()]
    scores, rank = score(trained, train, scored)
    for before, after in zip(weights, trained.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    row = {
        "method": arguments.method,
        "views": arguments.views,
        "forward_only": arguments.views
        * setting.num_forward
        // setting.num_views,
        "seed": arguments.seed,
        "learning_rate": setting.learning_rate,
        "batch_size": setting.batch_size,
        "scored_on": f"{len(scored['label'])} "
        + ("held-out training images" if arguments.held_out else "test images"),
        **scores,
        "effective_rank": round(rank, 1),
        "parameters": trained.count_params(),
        "minutes": round(minutes, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // 1024,
        "machine": common.machine(),
    }
    folder = arguments.output if arguments.held_out else DOCS / "per_view"
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / f"{name}.json", row)
    print(json.dumps(row), flush=True)


def load_images(held_out):
    """Returns arrays of CIFAR-10 to train on and to score."""
    train, test = (
        next(reading.Epoch(source, source.num_images).batches())
        for source in (
            keras_dim.data.open_source("cifar10", split)
            for split in ("train", "test")
        )
    )
    if not held_out:
        return train, test
    # The last ones in a random order, which is the same in all runs.
    order = np.random.default_rng(0).permutation(len(train["label"]))
    chosen = np.split(order, [len(order) - NUM_HELD_OUT])
    train, scored = (
        {name: values[rows] for name, values in train.items()}
        for rows in chosen
    )
    train["index"] = np.arange(len(train["label"]))
    return train, scored


def pretrain(setting, images, arguments, folder):
    """Returns the trained encoder, and the minutes of training."""
    num_images = len(images["label"])
    per_step = setting.num_views * setting.batch_size
    num_steps = arguments.views // per_step // NUM_PARTS * NUM_PARTS
    steps = num_steps // NUM_PARTS
    needs_labels = arguments.method == "supervised"
    losses = None
    if needs_labels:
        losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    keras.utils.set_random_seed(arguments.seed)
    model, (done, _) = checkpoints.load_latest(folder)
    clock = folder / "seconds.json"
    earlier = json.loads(clock.read_text()) if model else {}
    if model is None:
        model = setting.make(num_images, num_steps, arguments.seed)
        rate = optimizers.Schedule(
            setting.learning_rate,
            kind="cosine",
            warmup_steps=num_steps // 20,
            total_steps=num_steps,
        )
        model.compile(
            optimizers.get("adam", learning_rate=rate, l2=1e-5),
            loss=losses,
            steps_per_execution=min(steps, 10),
        )
        folder.mkdir(parents=True, exist_ok=True)

    def batches():
        for epoch in itertools.count():
            order = np.random.default_rng((arguments.seed, epoch))
            rows = order.permutation(num_images)
            for first in range(
                0, num_images - setting.batch_size + 1, setting.batch_size
            ):
                chosen = rows[first : first + setting.batch_size]
                batch = {name: images[name][chosen] for name in images}
                # Keras takes only tuples from a generator.
                pair = batch["image"], batch.pop("label")
                yield pair if needs_labels else (batch,)

    start = time.monotonic()

    class Clock(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seconds = earlier.get(str(done), 0.0) + time.monotonic() - start
            files.write_json(clock, {str(epoch + 1): seconds})
            terms = {name: round(float(v), 3) for name, v in logs.items()}
            print(f"{arguments.method} {epoch + 1}: {seconds:.0f} s {terms}")
            sys.stdout.flush()

    model.fit(
        # A plain Keras model takes a generator, but no other iterator.
        (batch for batch in itertools.islice(batches(), done * steps, None)),
        epochs=NUM_PARTS,
        initial_epoch=done,
        steps_per_epoch=steps,
        callbacks=[
            Clock(),
            checkpoints.Checkpoint(folder, steps, keep=1),
        ],
        verbose=0,
    )
    minutes = json.loads(clock.read_text())[str(NUM_PARTS)] / 60
    trained = model.layers[-2] if needs_labels else model.encoder
    with files.atomic_path(folder / "encoder.keras") as temporary:
        trained.save(temporary)
    return trained, minutes


def score(trained, train, scored):
    """Returns accuracies, and the effective rank of features of one view."""
    feature = encoders.default_feature(trained)
    found = [
        evaluation.extract(trained, images, feature)
        for images in (train, scored)
    ]
    rows = [part[name] for part in found for name in (feature, "label")]
    scores = {
        name: evaluation.run_probe(*rows, probe, settings)["accuracy"]
        for name, (probe, settings) in PROBES.items()
    }
    return scores, evaluation.effective_rank(found[1][feature])


def write_table():
    """Writes tables and a plot of the results in docs/per_view."""
    rows = [
        json.loads(path.read_text())
        for path in sorted((DOCS / "per_view").glob("*.json"))
    ]
    by_views = {}
    for row in rows:
        of_method = by_views.setdefault(row["views"], {})
        of_method.setdefault(row["method"], []).append(row)
    baselines = by_views.pop(0, {})
    text = []
    for budget, methods in sorted(by_views.items()):
        ranked = sorted(
            {**methods, **baselines}.items(),
            key=lambda item: -mean_of(item[1], "neighbors_20")[0],
        )
        text += [f"\n## {budget:,} views\n", HEADER]
        text += [table_row(name, runs) for name, runs in ranked]
    page = DOCS / "per_view.md"
    before = page.read_text().split(MARK)[0] if page.exists() else ""
    with files.atomic_path(page) as temporary:
        temporary.write_text(before + MARK + "\n".join(text) + "\n")
    draw(by_views, baselines, DOCS / "per_view.png")


MARK = "<!-- python benchmarks/per_view.py --table writes all below -->\n"
HEADER = (
    "| method | 20 neighbours | weighted 200 | linear | effective rank | "
    "minutes | peak MiB | seeds |\n" + "| --- " * 8 + "|"
)


def mean_of(runs, name):
    """Returns mean and standard deviation over seeds, and their number."""
    values = np.array([run[name] for run in runs], float)
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return values.mean(), deviation, len(values)


def table_row(name, runs):
    """Returns the row of a method's runs, accuracies in percent."""
    cells = []
    for probe in PROBES:
        mean, deviation, count = mean_of(runs, probe)
        spread = f" +- {100 * deviation:.1f}" if count > 1 else ""
        cells.append(f"{100 * mean:.1f}{spread}")
    rank = mean_of(runs, "effective_rank")[0]
    minutes = mean_of(runs, "minutes")[0]
    memory = max(run["peak_memory_mib"] for run in runs)
    seeds = ", ".join(str(run["seed"]) for run in runs)
    cells += [f"{rank:.0f}", f"{minutes:.0f}", f"{memory:,}", seeds]
    return f"| {name} | {' | '.join(cells)} |"


# Views and linear accuracy of ResNet-18 on CIFAR-10, as published: SimCLR,
# BYOL, VICReg and EMP-SSL in the table of the authors of EMP-SSL
# (github.com/tsb0601/EMP-SSL), the latter by the mean of 128 crops.
PUBLISHED = {
    "SimCLR": {1e5: 0.282, 1e6: 0.565, 3e6: 0.663},
    "BYOL": {1e5: 0.249, 1e6: 0.489, 3e6: 0.684},
    "VICReg": {1e5: 0.406, 1e6: 0.697, 3e6: 0.781},
    "EMP-SSL (128 crops)": {1e6: 0.806, 1e7: 0.907},
}


def draw(by_views, baselines, path):
    """Plots linear accuracy against views, with published results."""
    lines = {}
    for budget, methods in by_views.items():
        for name, runs in methods.items():
            lines.setdefault(name, {})[budget] = mean_of(runs, "linear")[0]
    figure = plots.accuracy_against_views(
        lines,
        {name: mean_of(runs, "linear")[0] for name, runs in baselines.items()},
        {f"{name}, published": points for name, points in PUBLISHED.items()},
    )
    figure.axes[0].set_ylabel("linear probe on CIFAR-10, percent")
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


if __name__ == "__main__":
    main()
