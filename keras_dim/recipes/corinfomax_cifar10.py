"""CorInfoMax on CIFAR-10, with the settings of the authors' README.

    keras-dim pretrain --recipe corinfomax_cifar10 --directory RUN

Paper: Ozsoy et al., 2022.

The authors reach 93.2 by a linear probe with this ResNet-18 after 1,000
epochs. Not measured here.
"""

from keras_dim.training import Recipe

corinfomax_cifar10 = Recipe(
    name="corinfomax_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method="corinfomax",
    encoder="resnet",
    views="simclr",
    optimizer={
        "name": "sgd",
        "learning_rate": 0.5,
        "momentum": 0.9,
        "l2": 1e-4,
    },
    schedule={"name": "cosine", "warmup_epochs": 10},
    batch_size=512,
    epochs=1000,
    dtype_policy="mixed_bfloat16",
)
