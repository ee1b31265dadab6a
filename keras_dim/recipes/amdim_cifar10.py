"""AMDIM on CIFAR-10, in a small network that trains in hours on two cores.

    keras-dim pretrain --recipe amdim_cifar10 --directory RUN

Paper, linear probe after 300 epochs of a network with 111 million parameters:
91.2. That network is

    --set base_width=256 --set representation_units=2048 --set depth=10
    --set batch_size=480 --set epochs=300 --set learning_rate=2e-4
    --set schedule=steps --set schedule.warmup_epochs=5

The card of the preset has the scores of this small network.
"""

from keras_dim.training import Recipe

amdim_cifar10 = Recipe(
    name="amdim_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method="amdim",
    encoder={
        "name": "amdim_resnet",
        "base_width": 64,
        "representation_units": 512,
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
    epochs=11,
    dtype_policy="mixed_bfloat16",
    steps_per_execution=10,
)
