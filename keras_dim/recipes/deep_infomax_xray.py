r"""DIM(L) on grey images of any depth, such as X-rays: from 8 to 16 bits.

    keras-dim pretrain --recipe deep_infomax_xray --source scans/ \
        --directory RUN

PNG, TIFF, `.npy` or, with the extra `dicom`, DICOM. Images are not turned or
mirrored: left and right differ in a chest. The network and the objective are
those of the paper (Hjelm et al., 2019); the views are not.

docs/your_images.md has its scores on images made from CIFAR-10.
"""

from keras_dim.training import Recipe

deep_infomax_xray = Recipe(
    name="deep_infomax_xray",
    source="scans/",
    image_size=64,
    channels=1,
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
    views={
        "name": "any_bands",
        "num_views": 1,
        "min_scale": 0.4,
        "flip": False,
        "turns": False,
        "drop_probability": 0.0,
    },
    optimizer={"name": "adam", "learning_rate": 1e-3},
    schedule={"name": "cosine", "warmup_epochs": 1.0},
    batch_size=128,
    epochs=50,
)
