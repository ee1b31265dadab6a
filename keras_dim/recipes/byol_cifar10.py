"""BYOL on CIFAR-10, with the settings of solo-learn.

    keras-dim pretrain --recipe byol_cifar10 --directory RUN

Paper: Grill et al., 2020, without a score of this data set. Solo-learn's
ResNet-18 reaches 92.6 by a linear probe after 1,000 epochs. Not measured here.
"""

from keras_dim.training import Recipe

byol_cifar10 = Recipe(
    name="byol_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={"name": "byol", "momentum": 0.99},
    encoder="resnet",
    views="byol",
    optimizer={
        "name": "lars",
        "learning_rate": 1.0,
        "l2": 1e-5,
        "trust": 0.02,
        "definition": "lightly",
    },
    schedule={"name": "cosine", "warmup_epochs": 10.0},
    batch_size=256,
    epochs=1000,
    dtype_policy="mixed_bfloat16",
)
