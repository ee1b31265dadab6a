"""AMDIM on Imagenette, ten classes of ImageNet, for a quick look.

    keras-dim pretrain --recipe amdim_imagenette --directory RUN

Images are resized to 96 pixels, and boxes of them to 64. The paper has no
score of this data set. Not measured here.
"""

from keras_dim.training import Recipe

amdim_imagenette = Recipe(
    name="amdim_imagenette",
    source="imagenette/160px-v2",
    test_split="validation",
    image_size=96,
    channels=3,
    method="amdim",
    encoder={
        "name": "amdim_resnet",
        "base_width": 64,
        "representation_units": 512,
    },
    views={"name": "amdim", "image_size": 64},
    optimizer={
        "name": "adam",
        "learning_rate": 8e-4,
        "beta_1": 0.8,
        "l2": 1e-5,
    },
    schedule={"name": "cosine", "warmup_epochs": 1.0},
    batch_size=128,
    epochs=30,
    dtype_policy="mixed_bfloat16",
)
