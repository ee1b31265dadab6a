"""Planted copies and wrong labels in CIFAR-10; time and memory of 100,000 rows.

    python -m benchmarks.curation duplicates
    python -m benchmarks.curation labels
    python -m benchmarks.curation coreset
    python -m benchmarks.curation speed --num 100000 --units 512

All seeds are 0. The encoder is the preset amdim_cifar10.
"""

import argparse
import io
import resource
import time

import numpy as np


def planted(images, num, seed=0):
    """Returns changed copies of `num` images, their rows and the changes."""
    from PIL import Image
    from PIL import ImageEnhance

    rng = np.random.default_rng(seed)
    rows = rng.choice(len(images), num, replace=False)
    changes = np.array(["crop", "re-encode", "brightness", "flip"])
    changes = changes[np.arange(num) % 4]
    copies = []
    for row, change in zip(rows, changes, strict=True):
        image = Image.fromarray(images[row])
        if change == "crop":
            left, top = rng.integers(0, 5, 2)
            image = image.crop((left, top, left + 28, top + 28))
            image = image.resize((32, 32), Image.Resampling.BICUBIC)
        elif change == "re-encode":
            file = io.BytesIO()
            image.save(file, "JPEG", quality=60)
            image = Image.open(file)
        elif change == "brightness":
            image = ImageEnhance.Brightness(image).enhance(
                rng.choice([0.7, 1.3])
            )
        else:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        copies.append(np.asarray(image))
    return np.stack(copies), rows, changes


def cifar10(split):
    """Returns the images, labels and features of a split."""
    import keras_dim

    source = keras_dim.data.open_source("cifar10", split)
    found = source.read(np.arange(source.num_images))
    return found["image"], found["label"]


def features_of(images):
    import keras_dim

    encoder = keras_dim.pretrained("amdim_cifar10")
    return keras_dim.evaluation.extract(encoder, images)["global"]


def duplicates(options):
    """Counts pairs in one group: planted ones, and others."""
    from keras_dim import curation

    images, _ = cifar10("test")
    copies, rows, changes = planted(images, 200)
    images = np.concatenate([images, copies])
    greys, features = curation.greys(images), features_of(images)
    for name, given in (("hash and features", features), ("hash alone", None)):
        start = time.perf_counter()
        groups = curation.duplicates(greys, given)
        seconds = time.perf_counter() - start
        others = groups[:10_000]
        found = (groups[10_000:] >= 0) & (groups[10_000:] == others[rows])
        # Images in groups of copies that are neither a copy nor an original.
        mixed = np.isin(others, groups[10_000:][found])
        mixed[rows] = False
        besides = len(set(others[others >= 0]) - set(groups[10_000:]))
        print(
            f"{name}: {found.sum()} of 200 found in {seconds:.0f} s; "
            f"{mixed.sum()} other images in their groups; "
            f"{besides} groups of CIFAR-10's own images"
        )
        for change in sorted(set(changes)):
            print(f"  {change}: {found[changes == change].mean():.1%}")
        numbers, counts = np.unique(others[others >= 0], return_counts=True)
        for number in numbers[counts > 1]:
            print("  group", np.flatnonzero(others == number).tolist())


def labels(options):
    """Measures how well scores rank 5 % wrong labels."""
    from sklearn.metrics import roc_auc_score

    from keras_dim import curation

    images, given = cifar10("train[:20000]")
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(given), len(given) // 20, replace=False)
    given = given.copy()
    given[wrong] = (given[wrong] + rng.integers(1, 10, len(wrong))) % 10
    is_wrong = np.isin(np.arange(len(given)), wrong)
    issues = curation.label_issues(features_of(images), given)
    top = np.argsort(-issues.scores)[: len(wrong)]
    print(f"area under the curve: {roc_auc_score(is_wrong, issues.scores):.3f}")
    print(f"wrong among the {len(top)} highest: {is_wrong[top].mean():.1%}")


def coreset(options):
    """Compares labels of a coreset with as many random ones."""
    from keras_dim import curation
    from keras_dim import evaluation

    images, classes = cifar10("train[:14000]")
    features = features_of(images)
    test = features[10_000:], classes[10_000:]
    features, classes = features[:10_000], classes[:10_000]

    def accuracy(rows):
        fitted = features[rows], classes[rows]
        arguments = {"k": 1}
        return evaluation.run_probe(
            *fitted, *test, "nearest_neighbors", arguments
        )["accuracy"]

    for num in (20, 50, 100, 300):
        draw = np.random.default_rng(0).choice
        random = [accuracy(draw(10_000, num, replace=False)) for _ in range(10)]
        chosen = [
            accuracy(curation.coreset(features, num, seed=seed))
            for seed in range(3)
        ]
        print(
            f"{num} labels: random {np.mean(random):.1%} "
            f"(deviation {np.std(random):.1%}), coreset {np.mean(chosen):.1%}"
        )


def speed(options):
    """Times each function, one after the other, on random rows."""
    from keras_dim import curation
    from keras_dim import neighbors

    rng = np.random.default_rng(0)
    features = rng.normal(size=(options.num, options.units)).astype("f4")
    images = rng.integers(0, 256, (options.num, 32, 32)).astype("u1")
    classes = rng.integers(0, 10, options.num)
    kept = {}

    def timed(name, function):
        start = time.perf_counter()
        kept[name] = function()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{name}: {seconds:.1f} s, peak so far {peak:.2f} GiB", flush=True
        )

    timed("arrays", lambda: None)
    timed("neighbors.nearest", lambda: neighbors.nearest(features, 20))
    near = kept["neighbors.nearest"]
    timed("outliers", lambda: curation.outliers(None, 10, near[1]))
    timed(
        "label_issues",
        lambda: curation.label_issues(None, classes, nearest=near),
    )
    timed("clusters", lambda: curation.clusters(features))
    timed("coreset", lambda: curation.coreset(features, 200))
    timed("duplicates", lambda: curation.duplicates(images, nearest=near[0]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    functions = {f.__name__: f for f in (duplicates, labels, coreset, speed)}
    parser.add_argument("which", choices=functions)
    parser.add_argument("--num", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=512)
    options = parser.parse_args()
    functions[options.which](options)
