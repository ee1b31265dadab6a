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
# # An encoder from unlabelled images
#
# Deep InfoMax learns an encoder from 1,437 handwritten digits without labels.
# Then we look at images that it finds similar, and at a map of its features.

# %%
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE

import keras_dim

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Images
#
# `load` takes a name, a folder, TFRecord files or arrays. These digits come
# with scikit-learn; each batch is a dict of images, labels and indices.

# %%
images = keras_dim.data.load(
    "digits", split="train", batch_size=128, image_size=28
)
print(images.element_spec)

# %% [markdown]
# ## Training
#
# The batches contain labels, but the model does not use them. It is a Keras
# model with the usual `compile` and `fit`.

# %%
model = keras_dim.DeepInfoMax(
    keras_dim.encoders.dim_convnet(image_size=28, channels=1),
    critic=keras_dim.layers.DotProductCritic(units=256),
    num_local_samples=16,
)
model.compile(optimizer=keras.optimizers.Adam(5e-4))
history = model.fit(images, epochs=8, verbose=2)

# %%
plt.figure(figsize=(5, 3))
plt.plot(history.epoch, history.history["local_information"], marker="o")
plt.xlabel("epoch")
plt.ylabel("local information (nats)")
plt.title("What a digit's summary says about its parts")
plt.tight_layout()

# %% [markdown]
# ## Neighbours
#
# Test images in the first column; beside each, the five training images whose
# features have the most similar directions.


# %%
def features_of(split):
    batches = keras_dim.data.load(
        "digits", split=split, batch_size=256, image_size=28, shuffle=False
    )
    pixels = np.concatenate([batch["image"] for batch in batches])
    found = keras_dim.evaluation.extract(model.encoder, batches, ("fc",))
    features = found["fc"]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return pixels, features, found["label"]


train_pixels, train_features, train_labels = features_of("train")
test_pixels, test_features, test_labels = features_of("test")

queries = np.arange(6)
nearest = np.argsort(-test_features[queries] @ train_features.T)[:, :5]
figure, axes = plt.subplots(6, 6, figsize=(6, 6))
for row, query in enumerate(queries):
    shown = [test_pixels[query], *train_pixels[nearest[row]]]
    for column, pixels in enumerate(shown):
        axes[row, column].imshow(pixels[..., 0], cmap="gray")
        axes[row, column].axis("off")
axes[0, 0].set_title("query")
figure.suptitle("The nearest training images")
figure.tight_layout()

# %%
votes = train_labels[np.argsort(-test_features @ train_features.T)[:, :20]]
guesses = np.array([np.bincount(row).argmax() for row in votes])
print(f"20 nearest neighbours, majority: {np.mean(guesses == test_labels):.1%}")

# %% [markdown]
# ## A map
#
# The features in two dimensions. Colours show the labels, which neither the
# encoder nor the map has used.

# %%
places = TSNE(random_state=0, perplexity=20).fit_transform(test_features)
plt.figure(figsize=(6, 5))
points = plt.scatter(*places.T, c=test_labels, cmap="tab10", s=12)
plt.colorbar(points, label="digit")
plt.axis("off")
plt.title("Test digits, placed by their features")
plt.tight_layout()

# %% [markdown]
# ## Export
#
# The encoder is a plain Keras model: raw pixels in, named features out. As a
# SavedModel it needs neither keras_dim nor Keras.

# %%
folder = tempfile.mkdtemp()
keras_dim.export(model.encoder, f"{folder}/digits")
model.encoder.save(f"{folder}/digits.keras")
