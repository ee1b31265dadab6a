"""CPC on the unlabelled images of STL-10, as small-image versions have it.

    keras-dim pretrain --recipe cpc_stl10 --directory RUN

Paper: van den Oord et al., 2018.

Random crops of 64 pixels become 7 x 7 patches of 16. Not measured here.
"""

from keras_dim.training import Recipe

cpc_stl10 = Recipe(
    name="cpc_stl10",
    source="stl10",
    split="unlabelled",
    probe_split="train",
    image_size=96,
    channels=3,
    probe_image_size=96,
    method={
        "name": "cpc",
        "steps": [2, 3, 4, 5, 6],
        "units": None,
        "num_negatives": 16,
        "score_scale": 1.0,
    },
    encoder="patch_resnet",
    views={"name": "cpc", "image_size": 64},
    optimizer={"name": "adam", "learning_rate": 2e-4},
    batch_size=32,
    epochs=300,
    dtype_policy="mixed_bfloat16",
)
