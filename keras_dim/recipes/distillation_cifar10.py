"""The preset amdim_cifar10, distilled into a network of a quarter its size.

    keras-dim pretrain --recipe distillation_cifar10 --directory RUN

Another teacher: --set teacher=NAME_OR_PATH, a preset, a run or a .keras file.
The loss is that of the paper. docs/methods/distillation.md has scores of
shorter trainings.
"""

from keras_dim.training import Recipe

distillation_cifar10 = Recipe(
    name="distillation_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={"name": "distillation", "teacher": "amdim_cifar10"},
    encoder={
        "name": "amdim_resnet",
        "base_width": 32,
        "representation_units": 256,
        "depth": 1,
    },
    optimizer={"name": "adam", "learning_rate": 2e-3},
    schedule={"name": "cosine", "warmup_epochs": 0.25},
    batch_size=128,
    epochs=4,
    steps_per_execution=10,
)
