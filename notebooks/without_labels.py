# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How good is it without labels?
#
# Two encoders of handwritten digits, trained without labels: the loss of one
# demands alignment and uniformity, the loss of the other only alignment. Both
# losses fall. A board of measures distinguishes them without any label. How
# reliable such measures are: `docs/board.md`.

# %%
# %matplotlib inline
import keras
import numpy as np

import keras_dim
from keras_dim import evaluation
from keras_dim import plots
from keras_dim import views

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Images, and a small network

# %%
batches = keras_dim.data.load(
    "digits", split="train", batch_size=64, shuffle=False
)
found = [(batch["image"], batch["label"]) for batch in batches]
images, labels = (np.concatenate(part) for part in zip(*found, strict=True))
print(images.shape)


def network():
    image = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    for width in (32, 64):
        x = keras.layers.Conv2D(width, 3, 2, padding="same")(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, {"global": keras.layers.Dense(32)(x)})


# %% [markdown]
# ## Two runs, each with a board
#
# The board uses 300 images and two views of each. At the end of each epoch it
# measures the features, compares them with random and with collapsed ones, and
# warns of a collapse.


# %%
def train(beta):
    crops = [views.RandomResizedCrop(8, scale=(0.5, 1.0), seed=0)]
    model = keras_dim.AlignmentUniformity(
        network(), views.TwoViews(crops), units=32, beta=beta, seed=0
    )
    model.compile(keras.optimizers.Adam(3e-3))
    board = evaluation.Board(images[:300])
    history = model.fit(
        images, batch_size=128, epochs=8, verbose=0, callbacks=[board]
    )
    rows = [
        {"epoch": epoch + 1}
        | {name: history.history[name][epoch] for name in SHOWN}
        for epoch in history.epoch
    ]
    return model, rows, board.references


SHOWN = (
    "loss",
    "alignment_global",
    "uniformity_global",
    "rank_me_global",
    "lidar_global",
    "alpha_req_global",
    "effective_rank_global",
    "mean_deviation_global",
)
healthy, rows, references = train(beta=1.0)
plots.curves(rows, references)

# %% [markdown]
# With alignment alone, all views of all images may become one point, and the
# loss still falls.

# %%
collapsing, rows, references = train(beta=0.0)
plots.curves(rows, references)

# %% [markdown]
# RankMe and uniformity are at the line of collapsed features: nearly all of a
# feature is the same for every image. LiDAR and the effective rank subtract the
# mean first, measure the small rest, and hardly show the collapse. No single
# measure is enough.

# %% [markdown]
# ## Looking at features
#
# Neighbours of a few images, and all images by the first two principal
# components. The labels are only used for the colours.

# %%
features = evaluation.extract(healthy.encoder, images)["global"]
plots.neighbors(images, features, queries=range(4))

# %%
plots.feature_map(features, labels)

# %% [markdown]
# ## And with labels
#
# The accuracy of 20 nearest neighbours on test images shows whether the board
# was right about these two. A training of seconds need not beat raw pixels.

# %%
scored = evaluation.labelled_images("digits", image_shape=(8, 8, 1))
for name, encoder in (
    ("healthy", healthy.encoder),
    ("collapsing", collapsing.encoder),
    ("raw pixels", evaluation.raw_pixels_encoder((8, 8, 1))),
):
    score = evaluation.score(encoder, scored, probe="nearest_neighbors")
    print(f"{name}: {score['accuracy']:.1%}")
