"""Runs everything that JAX must be able to do without TensorFlow.

Started by `jax_test.py` as `jax_worker.py FOLDER`, with `KERAS_BACKEND=jax`.
The folder has the methods that TensorFlow saved; the worker adds its trained
methods, runs, and `results.json`. With the further argument `methods` it only
trains methods.
"""

import json
import pathlib
import signal
import sys

TESTS = pathlib.Path(__file__).parent
NUM_EPOCHS = 2
# Those of `tiny.METHODS` that have most of the parts of the others.
METHODS = ["byol", "deep_infomax_sampled_and_chunked", "moco"]
# The method that TensorFlow also saved under two replicas.
OF_REPLICAS = "byol"


class Block:
    """Makes imports of TensorFlow fail, as if it were not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tensorflow_datasets"):
            raise ImportError(f"{name} is blocked by a test")


if __name__ == "__main__":
    sys.meta_path.insert(0, Block())
    sys.path.insert(0, str(TESTS))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tiny  # noqa: E402
import tiny_bank_method  # noqa: E402
import tiny_images  # noqa: E402
import tiny_optimizers  # noqa: E402

# Those that the slow test trains.
MORE_METHODS = [name for name in tiny.METHODS if name not in METHODS]


def give_draws(set_attribute=setattr):
    """Makes both backends draw equal random numbers; their own differ."""

    def giving(draw):
        return lambda shape, *_, **__: keras.ops.convert_to_tensor(
            draw(np.random.default_rng(0), tuple(shape)).astype("float32")
        )

    def randint(shape, minval, maxval, **_):
        drawn = np.random.default_rng(0).integers(minval, maxval, tuple(shape))
        return keras.ops.convert_to_tensor(drawn.astype("int32"))

    uniform = giving(lambda rng, shape: rng.random(shape))
    normal = giving(lambda rng, shape: rng.normal(size=shape))
    for draw in (
        ("randint", randint),
        ("uniform", uniform),
        ("normal", normal),
    ):
        set_attribute(keras.random, *draw)


def batch(name):
    """The images of a method; for AMDIM two given views of each."""
    images = tiny.images()
    if not name.startswith("amdim"):
        return {"image": images, "index": np.arange(tiny.NUM_IMAGES)}
    noise = np.random.default_rng(1).integers(-20, 20, images.shape)
    views = {"view_1": images, "view_2": np.clip(images + noise, 0, 255)}
    return {name: view.astype("uint8") for name, view in views.items()}


def arguments(name):
    """A method's images as arguments of `fit` and `evaluate` on JAX."""
    return {"x": batch(name), "batch_size": tiny.BATCH_SIZE, "verbose": 0}


def run_methods(folder):
    results = {}
    for path in sorted(folder.glob("*.keras")):
        name = path.stem
        model = keras.models.load_model(path)
        before = model.evaluate(**arguments(name), return_dict=True)
        history = model.fit(
            **arguments(name), epochs=NUM_EPOCHS, shuffle=False
        ).history
        after = model.evaluate(**arguments(name), return_dict=True)
        (folder / "trained").mkdir(exist_ok=True)
        model.save(folder / "trained" / path.name)
        results[name] = {
            "jit_compile": model.jit_compile,
            "before": before,
            "history": history,
            "after": after,
        }
    return results


def run_in_precisions(name):
    """Returns the loss of an epoch in each precision, from equal weights."""
    before = keras.config.dtype_policy()
    losses = {}
    try:
        for policy in ("float32", "mixed_bfloat16"):
            keras.config.set_dtype_policy(policy)
            history = tiny.make(name).fit(**arguments(name), shuffle=False)
            (losses[policy],) = history.history["loss"]
    finally:
        keras.config.set_dtype_policy(before)
    return losses


def run_data(folder):
    """Trains on a folder of images that does not fit into memory."""
    from keras_dim import data
    from keras_dim import evaluation
    from keras_dim.data import reading

    reading.HELD_BYTES = 0
    source = data.open_source(folder / "photos")
    model = tiny.make("deep_infomax_donsker_varadhan")
    seen = []

    def note(batch):
        seen.append(batch["index"].tolist())
        return batch

    images = data.load(source, batch_size=8, seed=5, first_epoch=2).map(note)
    labelled = tiny.images(), np.arange(tiny.NUM_IMAGES) % 2
    probe = evaluation.OnlineProbe(labelled, labelled, 2, batch_size=8)
    history = model.fit(images, epochs=2, verbose=0, callbacks=[probe]).history
    refused = {}
    records = folder / "images.tfrecord"
    records.touch()
    for given, name in (
        ("cifar10", "cifar10"),
        (str(folder / "*.tfrecord"), str(records)),
        (str(TESTS / "jax_worker.py"), str(TESTS / "jax_worker.py")),
    ):
        try:
            data.open_source(given)
        except ModuleNotFoundError as error:
            refused[name] = str(error)
    reading.HELD_BYTES = 2**20
    return {
        "batches": seen,
        "online": history["online_linear_global"],
        "skipped": source.skipped,
        "refused": refused,
        "predicted": model.predict(
            data.load(source, "test", 8), verbose=0
        ).shape,
    }


def run_training(folder):
    """An unbroken and a resumed run, and commands that use them."""
    from tiny_recipe import tiny_recipe

    from keras_dim import training
    from keras_dim.cli import main

    recipe = tiny_recipe(epochs=2, schedule="constant")
    whole, broken = folder / "whole", folder / "broken"
    training.pretrain(recipe, whole, verbose=0)
    terminate = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: (
            batch == 4 and signal.raise_signal(signal.SIGTERM)
        )
    )
    try:
        training.pretrain(recipe, broken, callbacks=[terminate], verbose=0)
    except training.Terminated as error:
        stopped_at = error.checkpoint.name
    training.pretrain(recipe, broken, resume=True, verbose=0)
    scores = training.score_run(whole)
    encoder = training.load_encoder(whole)
    embedded = training.embed(
        encoder, folder / "grey", folder / "embedded", "fc"
    )
    training.embed(
        encoder, folder / "grey", folder / "sharded", "fc", num_shards=3
    )
    probed = main.run(
        ["probe", f"--encoder={whole}", "--source=digits", "--probe=neighbors"]
    )
    return {
        "files": sorted(path.name for path in whole.iterdir()),
        "stopped_at": stopped_at,
        "scores": scores,
        "embedded": embedded,
        "exit_code_of_probe": probed,
    }


def run_optimizers():
    """Returns the weights after compiled steps of each optimizer."""
    weights = {}
    for name, make in tiny_optimizers.EACH.items():
        model = tiny_optimizers.model(make(tiny_optimizers.schedule()))
        weights[name] = [w.tolist() for w in tiny_optimizers.fit(model, 2)]
    return weights


def run_bank(folder):
    """Trains a method with a memory bank and a moving average."""
    model = keras.models.load_model(folder / "bank" / "bank.keras")
    losses = tiny_bank_method.fit(model)
    model.save(folder / "bank" / "trained.keras")
    return losses


def write_photos(folder):
    """Folders of colour images, one of them truncated, and of grey images."""
    for name, channels in (("photos", 3), ("grey", 1)):
        for number in range(20):
            path = folder / name / "ab"[number % 2] / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = tiny_images.pixels(number, (8, 8, channels))
            path.write_bytes(tiny_images.encode(image))
    path = folder / "photos" / "b" / "19.png"
    path.write_bytes(path.read_bytes()[:60])


def main(folder):
    import keras_dim.recipes  # noqa: F401  # What recipes can be read again.
    from keras_dim import distribution

    results = {
        "bank": run_bank(folder),
        "data": run_data(folder),
        "optimizers": run_optimizers(),
        "training": run_training(folder),
        "has_bfloat16_units": distribution.has_bfloat16_units(),
        "precisions": run_in_precisions("deep_infomax_donsker_varadhan"),
    }
    give_draws()
    results["methods"] = run_methods(folder)
    path = folder / "of_replicas" / f"{OF_REPLICAS}.keras"
    results["of_replicas"] = keras.models.load_model(path).evaluate(
        **arguments(OF_REPLICAS), return_dict=True
    )
    results["modules"] = [
        name for name in sys.modules if name.partition(".")[0] == "tensorflow"
    ]
    (folder / "results.json").write_text(json.dumps(results))


def methods_alone(folder):
    give_draws()
    results = {"methods": run_methods(folder)}
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    run = methods_alone if sys.argv[2:] == ["methods"] else main
    run(pathlib.Path(sys.argv[1]))
