"""MoCo v1 on CIFAR-10, with the optimizer and the views of the paper.

    keras-dim pretrain --recipe moco_v1_cifar10 --directory RUN

Paper: He et al., 2020.

The paper trains a ResNet-50 on ImageNet with a queue of 65,536 and reaches 60.6
by a linear probe; it has no score of CIFAR-10. Here a ResNet-18 for images of
32 pixels has a queue that is smaller than the data set, and batch norm in 8
parts stands for the 8 devices of the paper. Not measured here.
"""

from keras_dim.training import Recipe

moco_v1_cifar10 = Recipe(
    name="moco_v1_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={
        "name": "moco",
        "hidden_units": None,
        "queue_size": 4096,
        "temperature": 0.07,
        "num_splits": 8,
    },
    encoder="resnet",
    views="moco_v1",
    optimizer={
        "name": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
        "l2": 1e-4,
    },
    schedule={"name": "steps", "boundaries": [0.6, 0.8], "factor": 0.1},
    batch_size=256,
    epochs=200,
    dtype_policy="mixed_bfloat16",
)
