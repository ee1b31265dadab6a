"""AMDIM on the unlabelled images of STL-10, as the paper ran it.

    keras-dim pretrain --recipe amdim_stl10 --directory RUN

100,000 images of 96 pixels, of which boxes are resized to 64. Paper, linear
probe after 300 epochs: 93.8. Not measured here.
"""

from keras_dim.training import Recipe

amdim_stl10 = Recipe(
    name="amdim_stl10",
    source="stl10",
    split="unlabelled",
    probe_split="train",
    image_size=96,
    channels=3,
    method="amdim",
    encoder={
        "name": "amdim_resnet",
        "base_width": 256,
        "representation_units": 2048,
        "depth": 10,
    },
    views={"name": "amdim", "image_size": 64},
    optimizer={
        "name": "adam",
        "learning_rate": 2e-4,
        "beta_1": 0.8,
        "l2": 1e-5,
    },
    # The first 500 steps.
    schedule={"name": "steps", "warmup_epochs": 2.4},
    batch_size=480,
    epochs=300,
    dtype_policy="mixed_bfloat16",
    steps_per_execution=16,
)
