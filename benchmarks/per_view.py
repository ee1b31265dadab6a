"""Accuracy on CIFAR-10 against the number of views, for every method.

    python benchmarks/per_view.py --method amdim --views 1000000 --seed 0
    python benchmarks/per_view.py --method amdim --views 60000 --held_out
    python benchmarks/per_view.py --table

A view is one crop that passes the trained network forward and backward. All
methods train the same residual encoder on the same crops, where the method
allows it, with Adam and a cosine over the whole run. The encoder is scored at
the last step. Settings are chosen with `--held_out`, which trains on 45,000
training images and scores the other 5,000; without it, all 50,000 are trained
on and the 10,000 test images are scored.

A run leaves `<method>_<views>_seed<seed>.json` in docs/per_view, or in
`--output` with `--held_out`, and its encoder in `--output`. A run that was
stopped goes on from its last checkpoint. `--table` writes docs/per_view.md.
"""

import argparse
import dataclasses
import itertools
import json
import pathlib
import resource
import sys
import time
from collections.abc import Callable

import common  # First: it quiets TensorFlow.
import keras
import numpy as np

import keras_dim
from keras_dim import encoders
from keras_dim import evaluation
from keras_dim import files
from keras_dim import optimizers
from keras_dim import views
from keras_dim.data import reading
from keras_dim.training import checkpoints
from keras_dim.training import termination

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
    """How a method is trained.

    `make` returns the model from the number of images, of steps, and a seed.
    Of each image, `num_views` crops pass the trained network, and
    `num_forward` more a teacher, forward only.
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


def byol(num_images, num_steps, seed):
    return keras_dim.BYOL(
        encoder(),
        two_views(seed),
        units=128,
        hidden_units=512,
        momentum=0.99,
        num_steps=num_steps,
        seed=seed,
    )


def raft(num_images, num_steps, seed):
    return keras_dim.RAFT(
        encoder(),
        two_views(seed),
        units=128,
        hidden_units=512,
        momentum=0.99,
        num_steps=num_steps,
        seed=seed,
    )


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
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=SETTINGS)
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
    setting = SETTINGS[arguments.method]
    given = {
        name: getattr(arguments, name)
        for name in ("learning_rate", "batch_size")
        if getattr(arguments, name) is not None
    }
    run(dataclasses.replace(setting, **given), arguments)


def run(setting, arguments):
    """Trains and scores one encoder, and writes its figures."""
    name = f"{arguments.method}_{arguments.views}_seed{arguments.seed}"
    if arguments.held_out:
        rate, size = setting.learning_rate, setting.batch_size
        name += f"_rate{rate:g}_batch{size}_held_out"
    train, scored = load_images(arguments.held_out)
    trained, minutes = pretrain(
        setting, train, arguments, arguments.output / name
    )
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
    """Returns arrays to train on and to score, of CIFAR-10."""
    train, test = (
        next(
            reading.batches(
                keras_dim.data.open_source("cifar10", split), 50_000
            )
        )
        for split in ("train", "test")
    )
    if not held_out:
        return train, test
    # Those with the last of a random order, the same in all runs.
    order = np.random.default_rng(0).permutation(len(train["label"]))
    chosen = np.split(order, [len(order) - NUM_HELD_OUT])
    train, scored = (
        {name: values[rows] for name, values in train.items()}
        for rows in chosen
    )
    train["index"] = np.arange(len(train["label"]))
    return train, scored


def pretrain(setting, images, arguments, folder):
    """Returns the trained encoder, and the minutes that training took."""
    num_images = len(images["label"])
    per_step = setting.num_views * setting.batch_size
    num_steps = arguments.views // per_step // NUM_PARTS * NUM_PARTS
    steps = num_steps // NUM_PARTS
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
        optimizer = optimizers.get("adam", learning_rate=rate, l2=1e-5)
        model.compile(optimizer, steps_per_execution=min(steps, 10))
        folder.mkdir(parents=True, exist_ok=True)

    def batches():
        for epoch in itertools.count():
            order = np.random.default_rng((arguments.seed, epoch))
            rows = order.permutation(num_images)
            for first in range(
                0, num_images - setting.batch_size + 1, setting.batch_size
            ):
                chosen = rows[first : first + setting.batch_size]
                # Keras takes only tuples from a generator.
                yield ({n: images[n][chosen] for n in ("image", "index")},)

    start = time.monotonic()

    class Clock(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seconds = earlier.get(str(done), 0.0) + time.monotonic() - start
            files.write_json(clock, {str(epoch + 1): seconds})
            terms = {name: round(float(v), 3) for name, v in logs.items()}
            print(f"{arguments.method} {epoch + 1}: {seconds:.0f} s {terms}")
            sys.stdout.flush()

    with termination.noticed() as sigterm:
        model.fit(
            itertools.islice(batches(), done * steps, None),
            epochs=NUM_PARTS,
            initial_epoch=done,
            steps_per_epoch=steps,
            callbacks=[
                Clock(),
                checkpoints.Checkpoint(folder, steps, keep=1, sigterm=sigterm),
            ],
            verbose=0,
        )
    minutes = json.loads(clock.read_text())[str(NUM_PARTS)] / 60
    with files.atomic_path(folder / "encoder.keras") as temporary:
        model.encoder.save(temporary)
    return model.encoder, minutes


def score(trained, train, scored):
    """Returns accuracies, and the effective rank of features of one view."""
    found = [
        evaluation.extract(trained, images, "global")
        for images in (train, scored)
    ]
    rows = [part[name] for part in found for name in ("global", "label")]
    scores = {
        name: evaluation.run_probe(*rows, probe, settings)["accuracy"]
        for name, (probe, settings) in PROBES.items()
    }
    return scores, evaluation.effective_rank(found[1]["global"])


def write_table():
    """Writes docs/per_view.md from the files in docs/per_view."""


if __name__ == "__main__":
    main()
