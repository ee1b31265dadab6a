"""AMDIM on the unlabelled images of STL-10, as the paper ran it.

    keras-dim pretrain --recipe amdim_stl10 --directory RUN

100,000 images of 96 pixels, of which boxes are resized to 64. Paper, linear
probe after 300 epochs: 93.8. Not measured here: the images cannot be had
without a network, and the paper's network wants a GPU.
"""

from keras_dim.recipes.amdim import AMDIMRecipe

amdim_stl10 = AMDIMRecipe(
    name="amdim_stl10",
    source="stl10",
    split="unlabelled",
    probe_split="train",
    image_size=96,
    channels=3,
    batch_size=480,
    epochs=300,
    learning_rate=2e-4,
    schedule="steps",
    # The first 500 steps.
    warmup_epochs=2.4,
    dtype_policy="mixed_bfloat16",
    steps_per_execution=16,
    encoder_size=64,
    base_width=256,
    representation_units=2048,
    depth=10,
)
