"""RAFT on CIFAR-10, with the optimizer of `byol_cifar10`. Experimental.

    keras-dim pretrain --recipe raft_cifar10 --directory RUN

The paper's settings were not found. Not measured here.
"""

from keras_dim.training import Recipe

raft_cifar10 = Recipe(
    name="raft_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={"name": "raft", "momentum": 0.99},
    encoder="resnet",
    views="byol",
    optimizer={
        "name": "lars",
        "learning_rate": 1.0,
        "l2": 1e-5,
        "trust": 0.02,
        "definition": "lightly",
    },
    schedule={"name": "cosine", "warmup_epochs": 10},
    batch_size=256,
    epochs=1000,
    dtype_policy="mixed_bfloat16",
)
