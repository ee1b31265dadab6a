r"""AMDIM on tiles of satellite images, of any number of bands.

    keras-dim pretrain --recipe amdim_satellite --source tiles/ \
        --set channels=13 --directory RUN

TIFF files of one band to a page or, with the extra `tiff`, of several bands
to a page, or arrays `(height, width, bands)` in `.npy` files; `channels` is the
number of bands. Paper of the method: Bachman et al., 2019. The network is
small, and the views are not theirs.

docs/your_images.md has its scores on images made from CIFAR-10.
"""

from keras_dim.training import Recipe

amdim_satellite = Recipe(
    name="amdim_satellite",
    source="tiles/",
    image_size=64,
    values="stored",
    method="amdim",
    encoder={
        "name": "amdim_resnet",
        "base_width": 32,
        "representation_units": 256,
        "depth": 1,
        "use_batch_norm": True,
    },
    views={"name": "any_bands", "min_scale": 0.4},
    optimizer={"name": "adam", "learning_rate": 1e-3},
    schedule={"name": "cosine", "warmup_epochs": 1.0},
    epochs=50,
)
