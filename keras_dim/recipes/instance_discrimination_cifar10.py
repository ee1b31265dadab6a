"""Instance discrimination on CIFAR-10, with the settings of the authors' code.

    keras-dim pretrain --recipe instance_discrimination_cifar10 --directory RUN

Paper, weighted neighbours after 200 epochs of this ResNet-18: 80.8. Not
measured here.
"""

from keras_dim.training import Recipe

instance_discrimination_cifar10 = Recipe(
    name="instance_discrimination_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={
        "name": "instance_discrimination",
        "temperature": 0.1,
        "num_noise": None,
    },
    encoder="resnet",
    views="instance_discrimination",
    optimizer={
        "name": "sgd",
        "learning_rate": 0.03,
        "momentum": 0.9,
        "l2": 5e-4,
    },
    schedule={"name": "steps", "boundaries": [0.6, 0.8], "factor": 0.1},
    batch_size=128,
    epochs=200,
    dtype_policy="mixed_bfloat16",
)
