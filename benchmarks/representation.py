"""Measures without labels of a preset's features, as in Deep InfoMax's paper.

    python benchmarks/representation.py --preset deep_infomax_cifar10

On CIFAR-10: NDM, the total correlation of the test images' features, with and
without a sigmoid, and MS-SSIM of images that a decoder makes from the features.
Prints a JSON line for each feature, of the preset and of the same
network without training.
"""

import argparse
import json
import time

import keras
import numpy as np

import keras_dim
from keras_dim import evaluation


def images_of(split, number):
    """Returns the first images of a split."""
    batches = keras_dim.data.load(
        "cifar10", split=f"{split}[:{number}]", batch_size=256, shuffle=False
    )
    return np.concatenate([batch["image"] for batch in batches])


def measures(encoder, feature, train, test, steps, epochs):
    """Returns the measures of one feature."""
    start = time.time()
    found = evaluation.extract(encoder, test, feature)[feature]
    # In the range of each unit, like the paper's outputs.
    sigmoid = 1 / (1 + np.exp(-found))
    result = {
        "units": found.shape[1],
        "effective_rank": evaluation.effective_rank(found),
        "rank_me": evaluation.rank_me(found),
        "uniformity": evaluation.uniformity(found),
    }
    for name, values in (("ndm", found), ("ndm_of_sigmoid", sigmoid)):
        score = evaluation.total_correlation(values, steps=steps)
        result[name] = score["nats"]
        result[f"{name}_error"] = score["error"]
        result[f"{name}_ceiling"] = score["ceiling"]
    if epochs:
        score = evaluation.reconstruct(
            encoder, train, test[:1000], feature, epochs=epochs
        )
        for name in ("ms_ssim", "ms_ssim_of_mean", "mean_squared_error"):
            result[name] = score[name]
    return {**result, "minutes": (time.time() - start) / 60}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="deep_infomax_cifar10")
    parser.add_argument("--features", nargs="+", default=["global"])
    parser.add_argument("--train", type=int, default=5000)
    parser.add_argument("--test", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1000, help="Of NDM.")
    parser.add_argument("--epochs", type=int, default=4, help="0: no decoder")
    options = parser.parse_args()
    keras.utils.set_random_seed(0)
    trained = keras_dim.pretrained(options.preset)
    untrained = type(trained).from_config(trained.get_config())
    images = [
        images_of(split, number)
        for split, number in (("train", options.train), ("test", options.test))
    ]
    for who, encoder in (("trained", trained), ("untrained", untrained)):
        for feature in options.features:
            found = measures(
                encoder, feature, *images, options.steps, options.epochs
            )
            named = {"preset": options.preset, "encoder": who}
            print(
                json.dumps({**named, "feature": feature, **found}), flush=True
            )


if __name__ == "__main__":
    main()
