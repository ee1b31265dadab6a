"""Small instances of every method, for the conformance tests.

`METHODS` has at least one entry, under any name, for every method of
`keras_dim.methods.METHODS`; a test fails if one is missing. Every value is a
function that makes a new model, to be called inside the scope of a strategy. It
works on any backend: only `batches` needs TensorFlow.
"""

import contextlib

import keras
import numpy as np
from keras import layers

import keras_dim
from keras_dim import layers as layers_lib
from keras_dim.encoders import patches
from keras_dim.mutual_information import bounds

IMAGE_SHAPE = (8, 8, 3)
NUM_IMAGES = 16
BATCH_SIZE = 8


def encoder(image_size=8, variational=False):
    """Pixels to a 4 x 4 map and a vector, with the layers of real encoders."""
    image = keras.Input((image_size, image_size, 3))
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(image)
    x = layers.Conv2D(4, image_size - 6, 2, padding="valid")(x)
    x = local = layers.ReLU()(norm()(x))
    x = layers.Dense(10, use_bias=False)(layers.Flatten()(x))
    fc = layers.ReLU()(norm()(x))
    outputs = {"local": local, "fc": fc, "global": layers.Dense(6)(fc)}
    if variational:
        outputs["global_log_variance"] = layers.Dense(6)(fc)
    return keras.Model(image, outputs)


def amdim_encoder():
    """Pixels to maps of 3 x 3 and 2 x 2 locations and a vector."""
    image = keras.Input(IMAGE_SHAPE)
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(image)
    x = map_3 = layers.Conv2D(4, 4, 2, activation="relu")(x)
    x = map_2 = layers.Conv2D(5, 2, activation="relu")(x)
    x = norm()(layers.Conv2D(6, 2)(x))
    outputs = {"map_3": map_3, "map_2": map_2, "global": layers.Flatten()(x)}
    return keras.Model(image, outputs)


def critic(temperature=1.0):
    return layers_lib.DotProductCritic(units=8, temperature=temperature)


def two_views(names=("view_1", "view_2"), jitter=False):
    """Two views of 8 x 8 pixels; the paper's have 32 and more a side."""
    augmentations = [
        keras_dim.views.RandomTranslation(2, probability=0.8, seed=2)
    ]
    if jitter:
        # It takes seconds to compile: one method with it is enough.
        augmentations.append(
            keras_dim.views.ColorJitter(0.4, 0.4, 0.4, 0.2, 0.8, seed=3)
        )
    return keras_dim.views.TwoViews(
        augmentations,
        shared=[keras_dim.views.RandomFlip(seed=4)],
        names=names,
    )


def amdim(**arguments):
    arguments = {
        "views": two_views(jitter=True),
        "pairings": (
            ("global", "map_2"),
            ("global", "map_3"),
            ("map_2", "map_2"),
        ),
        "seed": 1,
    } | arguments
    model = keras_dim.AMDIM(amdim_encoder(), **arguments)
    # Weights that start at zero block gradients in the first step.
    rng = np.random.default_rng(5)
    for projection in model.critic.projections.values():
        kernel = projection.projection.kernel
        kernel.assign(0.1 * rng.normal(size=kernel.shape))
    return model


def amdim_mixtures(**arguments):
    return amdim(
        pairings=(("global", "map_3"), ("map_2", "global")),
        views=two_views(),
        mixture=layers_lib.MixtureFeatures(3, temperature=2.0),
        score_limit=4.0,
        use_batch_norm=True,
        **arguments,
    )


def norm():
    return layers.BatchNormalization(
        momentum=0.9,
        synchronized=keras_dim.distribution.num_replicas() > 1,
    )


def moco(**arguments):
    return keras_dim.MoCo(
        encoder(),
        views=two_views(("query", "key")),
        units=5,
        # Batches of 8 wrap around the end of the queue.
        queue_size=12,
        momentum=0.9,
        seed=1,
        **arguments,
    )


def byol(**arguments):
    return keras_dim.BYOL(
        encoder(),
        views=two_views(),
        units=5,
        hidden_units=8,
        momentum=0.9,
        seed=1,
        **arguments,
    )


def raft(**arguments):
    return keras_dim.RAFT(
        encoder(),
        views=two_views(),
        beta=0.5,
        units=5,
        hidden_units=8,
        momentum=0.9,
        seed=1,
        **arguments,
    )


def one_view():
    return keras_dim.views.SingleView(
        [keras_dim.views.RandomTranslation(2, seed=2)]
    )


def instance_discrimination(**arguments):
    arguments = {
        "views": one_view(),
        "units": 5,
        "temperature": 0.5,
    } | arguments
    return keras_dim.InstanceDiscrimination(
        encoder(), NUM_IMAGES, seed=1, **arguments
    )


def grid_encoder():
    """Pixels to a 4 x 4 grid of vectors, as of patches, and their mean."""
    image = keras.Input(IMAGE_SHAPE)
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(image)
    local = layers.Conv2D(4, 2, 2)(x)
    pooled = layers.GlobalAveragePooling2D()(local)
    return keras.Model(image, {"local": local, "global": pooled})


def patch_encoder():
    """Pixels to a 3 x 3 grid of overlapping patches of 4 x 4."""
    patch = keras.Input((4, 4, 3))
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(patch)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    vector = layers.Dense(5)(layers.Flatten()(x))
    network = keras.Model(patch, vector, name="patch_network")
    image = keras.Input(IMAGE_SHAPE)
    vectors = network(patches.unfold(image, 4))[:, None, None, :]
    local = patches.fold(vectors, 8, 4)
    pooled = layers.GlobalAveragePooling2D()(local)
    return keras.Model(image, {"local": local, "global": pooled})


def three_networks():
    """One network for each channel, as CMC has for colours."""
    image = keras.Input(IMAGE_SHAPE)
    pixels = layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(image)
    features = {}
    for channel, name in enumerate(("first", "second", "third")):
        x = layers.Conv2D(3, 4, 2)(pixels[..., channel : channel + 1])
        x = layers.Flatten()(layers.ReLU()(norm()(x)))
        features[name] = layers.Dense(4)(x)
    features["global"] = layers.Concatenate()(list(features.values()))
    return keras.Model(image, features)


def simclr(**arguments):
    return keras_dim.SimCLR(
        encoder(), views=two_views(), units=5, seed=1, **arguments
    )


def distillation(**arguments):
    """A student of 8 x 8 pixels and a teacher of 10 x 10, with batch norm."""
    arguments = {"teacher": encoder(10), "hidden_units": 7} | arguments
    return keras_dim.Distillation(encoder(), seed=1, **arguments)


METHODS = {
    "amdim": amdim,
    "distillation": distillation,
    "amdim_mixtures": amdim_mixtures,
    "amdim_mixtures_chunked": lambda: amdim_mixtures(
        bound=bounds.InfoNCE(chunk_size=3)
    ),
    "byol": lambda: byol(num_steps=6),
    "moco": lambda: moco(hidden_units=7),
    "moco_symmetric": lambda: moco(hidden_units=None, symmetric=True),
    "simclr": simclr,
    "simclr_noise_contrastive": lambda: simclr(bound="noise_contrastive"),
    "raft": lambda: raft(num_steps=6),
    "alignment_uniformity": lambda: keras_dim.AlignmentUniformity(
        encoder(), views=two_views(), units=5, hidden_units=7, seed=1
    ),
    "corinfomax": lambda: keras_dim.CorInfoMax(
        encoder(),
        views=two_views(),
        units=4,
        hidden_units=(7, 6),
        alpha=10.0,
        decay=0.3,
        seed=1,
    ),
    "coding_rate": lambda: keras_dim.CodingRate(
        encoder(),
        views=keras_dim.views.MultiCrop(
            [keras_dim.views.RandomTranslation(2, seed=2)], 3
        ),
        units=5,
        hidden_units=7,
        alpha=10.0,
        seed=1,
    ),
    "instance_discrimination": lambda: instance_discrimination(
        num_noise=5, normalizer="moving_average", proximal=0.5
    ),
    "instance_discrimination_softmax": lambda: instance_discrimination(
        num_noise=None
    ),
    "cmc": lambda: keras_dim.CMC(
        three_networks(),
        NUM_IMAGES,
        views=one_view(),
        features=("first", "second", "third"),
        units=5,
        temperature=0.5,
        num_noise=4,
        seed=1,
    ),
    "cpc_patches": lambda: keras_dim.CPC(
        patch_encoder(),
        views=one_view(),
        patch_views=keras_dim.views.SingleView(
            [keras_dim.views.ColorJitter(0.4, 0.4, seed=3)]
        ),
        steps=(1, 2),
        score_scale=1.0,
        units=3,
        context_units=4,
        num_blocks=2,
        seed=1,
    ),
    "cpc": lambda: keras_dim.CPC(
        grid_encoder(),
        views=one_view(),
        steps=(1, 2),
        num_directions=2,
        score_scale=1.0,
        units=3,
        context_units=4,
        num_blocks=2,
        seed=1,
    ),
    "deep_infomax_local": lambda: keras_dim.DeepInfoMax(
        encoder(), critic=critic(), seed=1
    ),
    "deep_infomax_global_and_local": lambda: keras_dim.DeepInfoMax(
        encoder(),
        alpha=0.5,
        beta=1.0,
        gamma=0.1,
        bound="jensen_shannon",
        prior="normal",
        critic=critic(),
        seed=1,
    ),
    "deep_infomax_concatenate": lambda: keras_dim.DeepInfoMax(
        encoder(),
        alpha=0.5,
        bound="jensen_shannon",
        critic=layers_lib.ConcatenateCritic(units=8, num_negatives=2),
        prior=None,
        seed=1,
    ),
    "deep_infomax_donsker_varadhan": lambda: keras_dim.DeepInfoMax(
        encoder(),
        bound="donsker_varadhan",
        critic=critic(temperature=3.0),
        gamma=0.0,
        seed=1,
    ),
    "deep_infomax_variational": lambda: keras_dim.DeepInfoMax(
        encoder(variational=True),
        alpha=0.5,
        global_pairing="summary",
        prior="variational",
        critic=critic(),
        bound=bounds.InfoNCE(own_image_score=-10.0),
        seed=1,
    ),
    "deep_infomax_sampled_and_chunked": lambda: keras_dim.DeepInfoMax(
        encoder(),
        views=keras_dim.views.dim(
            crop_size=8, crop_padding=2, flip=True, seed=2
        ),
        critic=critic(),
        alpha=0.5,
        gamma=0.1,
        prior="normal",
        num_local_samples=5,
        bound=bounds.InfoNCE(chunk_size=3),
        seed=1,
    ),
}


def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (NUM_IMAGES, *IMAGE_SHAPE), "uint8")


def batches():
    """Batches as from `keras_dim.data.load`, in a fixed order."""
    import tensorflow as tf

    indices = np.arange(NUM_IMAGES)
    dataset = tf.data.Dataset.from_tensor_slices(
        {"image": images(), "index": indices, "label": indices % 3}
    )
    dataset = dataset.batch(BATCH_SIZE, drop_remainder=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return dataset.with_options(options)


def make(name, strategy=None, learning_rate=0.02, **compile_arguments):
    """Returns a compiled model whose weights depend only on the name."""
    keras.utils.set_random_seed(1)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = METHODS[name]()
        optimizer = keras.optimizers.SGD(learning_rate, momentum=0.5)
        model.compile(optimizer, **compile_arguments)
    return model
