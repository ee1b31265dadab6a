"""DIM(L) on STL-10, as in Table 2 of the paper.

    keras-dim pretrain --recipe deep_infomax_stl10 --directory RUN

Random crops of 64 pixels and flips of the 100,000 unlabelled images. Paper,
200-unit probe: conv 72.6, fc 70.0, global 67.1 with InfoNCE. Not measured
here.
"""

from keras_dim.training import Recipe

deep_infomax_stl10 = Recipe(
    name="deep_infomax_stl10",
    source="stl10",
    split="unlabelled",
    probe_split="train",
    image_size=96,
    channels=3,
    probe_image_size=96,
    method={
        "name": "deep_infomax",
        "critic": {"name": "dot_product", "temperature": 1.0},
        "num_local_samples": 64,
    },
    encoder="dim_alexnet",
    views={"name": "dim", "crop_size": 64, "flip": True},
    optimizer={"name": "adam", "learning_rate": 1e-4, "beta_1": 0.5},
    epochs=200,
    dtype_policy="mixed_bfloat16",
)
