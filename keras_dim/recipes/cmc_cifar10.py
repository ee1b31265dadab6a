"""CMC on the colours of CIFAR-10, with the optimizer of the authors' code.

    keras-dim pretrain --recipe cmc_cifar10 --directory RUN

Paper: Tian et al., 2019.

The authors train on ImageNet and STL-10, and have no score of CIFAR-10. Here
two ResNet-18 of half the width see luminance and chrominance. Not measured.
"""

from keras_dim.training import Recipe

cmc_cifar10 = Recipe(
    name="cmc_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={"name": "cmc", "temperature": 0.1},
    encoder={"name": "lab_pair", "network": {"name": "resnet", "width": 32}},
    views="cmc",
    optimizer={
        "name": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
        "l2": 1e-4,
    },
    schedule={
        "name": "steps",
        "boundaries": [0.5, 0.6667, 0.8333],
        "factor": 0.1,
    },
    batch_size=128,
    epochs=240,
    dtype_policy="mixed_bfloat16",
)
