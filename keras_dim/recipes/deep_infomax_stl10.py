"""DIM(L) on STL-10, as in Table 2 of the paper.

    keras-dim pretrain --recipe deep_infomax_stl10 --directory RUN

Random crops of 64 pixels and flips of the 100,000 unlabelled images. Paper,
200-unit probe: conv 72.6, fc 70.0, global 67.1 with InfoNCE. Not measured
here: the images cannot be had without a network.
"""

from keras_dim.recipes.deep_infomax import DeepInfoMaxRecipe

deep_infomax_stl10 = DeepInfoMaxRecipe(
    name="deep_infomax_stl10",
    source="stl10",
    split="unlabelled",
    probe_split="train",
    image_size=96,
    channels=3,
    encoder="dim_alexnet",
    crop_size=64,
    flip=True,
    batch_size=64,
    epochs=200,
    learning_rate=1e-4,
    dtype_policy="mixed_bfloat16",
    bound="info_nce",
    prior="uniform",
    gamma=0.1,
    critic_units=2048,
    num_local_samples=64,
)
