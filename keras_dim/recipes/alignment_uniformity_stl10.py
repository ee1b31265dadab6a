"""Alignment and uniformity on STL-10, with the settings of the authors' code.

    keras-dim pretrain --recipe alignment_uniformity_stl10 --directory RUN

Paper: Wang and Isola, 2020.

The authors train on labelled and unlabelled images of 64 pixels and reach 83.2
by a linear probe of this network's last layer. Not measured here.
"""

from keras_dim.training import Recipe

alignment_uniformity_stl10 = Recipe(
    name="alignment_uniformity_stl10",
    source="stl10",
    split="unlabelled",
    probe_split="train",
    image_size=96,
    channels=3,
    method="alignment_uniformity",
    encoder="small_alexnet",
    views={"name": "alignment_uniformity", "image_size": 64},
    optimizer={
        "name": "sgd",
        "learning_rate": 0.36,
        "momentum": 0.9,
        "l2": 1e-4,
    },
    schedule={
        "name": "steps",
        "boundaries": [0.775, 0.85, 0.925],
        "factor": 0.1,
    },
    batch_size=768,
    epochs=200,
    dtype_policy="mixed_bfloat16",
)
