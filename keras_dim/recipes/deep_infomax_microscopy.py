r"""DIM(L) on images of several bands that have no orientation.

    keras-dim pretrain --recipe deep_infomax_microscopy --source cells/ \
        --set channels=3 --directory RUN

One band to a page of a TIFF file, or arrays `(height, width, bands)` in `.npy`
files; `channels` is the number of bands. Images are turned and mirrored. The
network and the objective are those of the paper (Hjelm et al., 2019); the views
are not.

docs/your_images.md has its scores on images made from CIFAR-10.
"""

from keras_dim.training import Recipe

deep_infomax_microscopy = Recipe(
    name="deep_infomax_microscopy",
    source="cells/",
    image_size=64,
    values="stored",
    method={
        "name": "deep_infomax",
        "critic": {
            "name": "dot_product",
            "units": 256,
            "temperature": 22.6,
        },
        "num_local_samples": 16,
    },
    encoder="dim_convnet",
    views={"name": "any_bands", "num_views": 1, "min_scale": 0.4},
    optimizer={"name": "adam", "learning_rate": 1e-3},
    schedule={"name": "cosine", "warmup_epochs": 1.0},
    batch_size=128,
    epochs=50,
)
