"""SimCLR on CIFAR-10, with the settings of the authors' README.

    keras-dim pretrain --recipe simclr_cifar10 --directory RUN

Paper: Chen et al., 2020.

The authors reach about 91 by a linear probe with this ResNet-18 after 1,000
epochs, and 94.0 with a ResNet-50 and batches of 1,024. Not measured here.
"""

from keras_dim.training import Recipe

simclr_cifar10 = Recipe(
    name="simclr_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method="simclr",
    encoder="resnet",
    views="simclr",
    optimizer={"name": "lars", "learning_rate": 2.0, "l2": 1e-4},
    schedule={"name": "cosine", "warmup_epochs": 10},
    batch_size=512,
    epochs=1000,
    dtype_policy="mixed_bfloat16",
)
