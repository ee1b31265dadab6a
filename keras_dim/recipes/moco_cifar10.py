"""MoCo v2 on CIFAR-10, with the settings of the authors' notebook.

    keras-dim pretrain --recipe moco_cifar10 --directory RUN

Paper: He et al., 2020, and Chen et al., 2020. The notebook has a ResNet-18 with
split batch norm in 8 parts and reaches 82.6 by weighted neighbours after 200
epochs. This recipe has the residual network of Deep InfoMax. Not measured
here.
"""

from keras_dim.training import Recipe

moco_cifar10 = Recipe(
    name="moco_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={
        "name": "moco",
        "hidden_units": None,
        "queue_size": 4096,
        "momentum": 0.99,
        "temperature": 0.1,
        "num_splits": 8,
    },
    encoder={"name": "dim_resnet", "global_units": 512},
    views="moco_v2",
    optimizer={
        "name": "sgd",
        "learning_rate": 0.06,
        "momentum": 0.9,
        "l2": 5e-4,
    },
    schedule="cosine",
    batch_size=512,
    epochs=200,
    dtype_policy="mixed_bfloat16",
)
