"""DIM(L) on Tiny ImageNet, as in Table 2 of the paper.

    keras-dim pretrain --recipe deep_infomax_tiny_imagenet --directory RUN

Paper, 200-unit probe: conv 34.2, fc 38.1, global 33.3 with InfoNCE (200
classes). Not measured here.
"""

from keras_dim.training import Recipe

deep_infomax_tiny_imagenet = Recipe(
    name="deep_infomax_tiny_imagenet",
    source="tiny_imagenet",
    test_split="validation",
    test_classes="trained",
    image_size=64,
    channels=3,
    method={
        "name": "deep_infomax",
        "critic": {"name": "dot_product", "temperature": 1.0},
        "num_local_samples": 64,
    },
    encoder="dim_alexnet",
    optimizer={"name": "adam", "learning_rate": 1e-4, "beta_1": 0.5},
    epochs=200,
    dtype_policy="mixed_bfloat16",
)
