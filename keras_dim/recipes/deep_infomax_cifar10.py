"""DIM(L) on CIFAR-10, for two processor cores and two hours.

    keras-dim pretrain --recipe deep_infomax_cifar10 --directory RUN

Paper, after 1,000 epochs, 200-unit probe: conv 75.2, fc 75.6, global 69.1 with
InfoNCE; 73.3, 73.6 and 67.0 with the Jensen-Shannon bound (Table 1 of Hjelm et
al., 2019). The card in `saved_models/deep_infomax_cifar10` has the scores of
this recipe.

It differs from the paper's, which would take days here: narrower critics on 16
of 64 locations, larger batches, a higher learning rate that falls to zero, and
images moved by up to four pixels or mirrored. The temperature is about the
square root of the units: with other `critic.units`, set
`critic.temperature=None`, which is the root.
"""

from keras_dim.training import Recipe

deep_infomax_cifar10 = Recipe(
    name="deep_infomax_cifar10",
    source="cifar10",
    image_size=32,
    channels=3,
    method={
        "name": "deep_infomax",
        "critic": {"name": "dot_product", "units": 512, "temperature": 22.6},
        "num_local_samples": 16,
    },
    encoder="dim_convnet",
    views={"name": "dim", "crop_size": 32, "crop_padding": 4, "flip": True},
    optimizer={"name": "adam", "learning_rate": 1e-3},
    schedule={"name": "cosine", "warmup_epochs": 1.0},
    batch_size=128,
    epochs=70,
    dtype_policy="mixed_bfloat16",
    steps_per_execution=13,
)
