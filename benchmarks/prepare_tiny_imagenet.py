"""Makes the data set `tiny_imagenet`, which recipes and cards use.

tensorflow-datasets has no Tiny ImageNet. This makes one from the folder in the
official archive, tiny-imagenet-200.zip:

    python benchmarks/prepare_tiny_imagenet.py tiny-imagenet-200

Then `tiny_imagenet` can be used as a source. Classes are numbered in the order
of their WordNet names. Split `train` has the 50,000 training images of
the 100 even classes, split `validation` the 10,000 validation images of all
200: few-shot probes need classes on which no encoder was trained.
"""

import argparse
import pathlib

import tensorflow_datasets as tfds

NAME = "tiny_imagenet"
VERSION = "1.0.0"


def classes_of(folder):
    """Returns the WordNet names, in the order of their labels."""
    names = sorted(path.name for path in (folder / "train").iterdir())
    if len(names) % 2 or not (folder / "val" / "images").is_dir():
        raise SystemExit(
            f"{folder} is not what tiny-imagenet-200.zip unpacks to. Expected "
            "train/<class>/images, an even number of classes, and val/images."
        )
    return names


def training_images(folder, classes):
    """Yields the files of the even classes, and their labels."""
    for label in range(0, len(classes), 2):
        images = folder / "train" / classes[label] / "images"
        for path in sorted(images.glob("*.JPEG")):
            yield path, label


def validation_images(folder, classes):
    """Yields the files of all classes, and their labels."""
    lines = (folder / "val" / "val_annotations.txt").read_text().splitlines()
    for line in lines:
        name, class_name, *_ = line.split("\t")
        yield folder / "val" / "images" / name, classes.index(class_name)


def examples(images):
    """Yields pairs of a key and an example."""
    for path, label in images:
        yield path.name, {"id": path.name, "image": path, "label": label}


def prepare(folder, data_dir=None):
    """Writes both splits to the folder in which `tfds.load` looks for them."""
    classes = classes_of(folder)
    features = tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(
                shape=(64, 64, 3), encoding_format="jpeg"
            ),
            "label": tfds.features.ClassLabel(names=classes),
        }
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name=NAME,
        version=VERSION,
        data_dir=data_dir or pathlib.Path.home() / "tensorflow_datasets",
        features=features,
        split_datasets={
            "train": examples(training_images(folder, classes)),
            "validation": examples(validation_images(folder, classes)),
        },
        description="Tiny ImageNet; train has the classes of even labels.",
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--data_dir", type=pathlib.Path)
    arguments = parser.parse_args()
    prepare(arguments.folder, arguments.data_dir)


if __name__ == "__main__":
    main()
