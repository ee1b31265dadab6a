"""DIM(L) on scikit-learn's bundled digits: offline, in minutes.

    keras-dim pretrain

1,437 images of 8 x 8 pixels, resized to 28, train the paper's network for
MNIST. The scores that the run prints are measured there and then.
"""

from keras_dim.training import Recipe

deep_infomax_digits = Recipe(
    name="deep_infomax_digits",
    source="digits",
    image_size=28,
    channels=1,
    method={
        "name": "deep_infomax",
        "critic": {"name": "dot_product", "units": 256},
        "num_local_samples": 16,
    },
    encoder="dim_convnet",
    optimizer={"name": "adam", "learning_rate": 5e-4, "beta_1": 0.5},
    schedule="cosine",
    batch_size=128,
    epochs=20,
)
