"""The coding rate of many crops (EMP-SSL) on CIFAR-10, for a short training.

    keras-dim pretrain --recipe coding_rate_cifar10 --directory RUN

Paper: Tong et al., 2023.

The authors reach 90.7 after 10 epochs of 20 crops with this ResNet-18, by a
linear probe of the head's first layer, 4,096 wide, of which they take the mean
over 128 crops; their momentum is Nesterov's. Not measured here.
"""

from keras_dim.training import Recipe

coding_rate_cifar10 = Recipe(
    name="coding_rate_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method="coding_rate",
    encoder="resnet",
    views="multi_crop",
    optimizer={
        "name": "lars",
        "learning_rate": 0.3,
        "l2": 1e-4,
        "trust": 5e-3,
        "definition": "lightly",
    },
    schedule="cosine",
    batch_size=100,
    dtype_policy="mixed_bfloat16",
)
