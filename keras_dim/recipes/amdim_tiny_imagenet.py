"""AMDIM on Tiny ImageNet, in the paper's network for images of 64 pixels.

    keras-dim pretrain --recipe amdim_tiny_imagenet --directory RUN

The paper has no score of this data set; its network, made for STL-10, is wider.
The card of the preset has the scores of this one.
"""

from keras_dim.training import Recipe

amdim_tiny_imagenet = Recipe(
    name="amdim_tiny_imagenet",
    source="tiny_imagenet",
    test_split="validation",
    test_classes="trained",
    image_size=64,
    channels=3,
    method="amdim",
    encoder={
        "name": "amdim_resnet",
        "base_width": 48,
        "representation_units": 768,
        "depth": 1,
    },
    views="amdim",
    optimizer={
        "name": "adam",
        "learning_rate": 8e-4,
        "beta_1": 0.8,
        "l2": 1e-5,
    },
    schedule={"name": "cosine", "warmup_epochs": 0.5},
    batch_size=128,
    epochs=5,
    dtype_policy="mixed_bfloat16",
    steps_per_execution=10,
)
