"""AMDIM on Imagenette, ten classes of ImageNet, for a quick look.

    keras-dim pretrain --recipe amdim_imagenette --directory RUN

Images are resized to 96 pixels, and boxes of them to 64. The paper has no
score of this data set. Not measured here yet.
"""

from keras_dim.recipes.amdim import AMDIMRecipe

amdim_imagenette = AMDIMRecipe(
    name="amdim_imagenette",
    source="imagenette/160px-v2",
    test_split="validation",
    image_size=96,
    channels=3,
    batch_size=128,
    epochs=30,
    learning_rate=8e-4,
    schedule="cosine",
    warmup_epochs=1.0,
    dtype_policy="mixed_bfloat16",
    encoder_size=64,
    base_width=64,
    representation_units=512,
    depth=3,
)
