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
# # Serving
#
# How to export an encoder to files that run without keras_dim, how to use them,
# and how long that takes. The encoder is small and untrained, because its
# features do not matter here.

# %%
import json
import pathlib
import tempfile
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_sample_images

import keras_dim

keras.utils.set_random_seed(0)
folder = pathlib.Path(tempfile.mkdtemp())
encoder = keras_dim.encoders.dim_convnet(
    image_size=32, filters=(16, 32, 64), units=128
)

# %% [markdown]
# ## Export
#
# An export has the layout of TensorFlow Serving: a folder for the model, with a
# folder for each version. Every export is loaded again and compared with the
# encoder.

# %%
keras_dim.export(encoder, folder / "photos")
version = folder / "photos" / "1"
print(sorted(path.name for path in version.iterdir()))
report = json.loads((version / "export_report.json").read_text())
print({name: of["agrees"] for name, of in report["runtimes"].items()})

# %% [markdown]
# ## With TensorFlow alone
#
# `serving_default` takes images of any size and resizes them; `native` takes
# images of the encoder's own size; `encoded_images` takes the bytes of files.
#
# The two photographs are bundled with scikit-learn: by danielbuechele and
# vultilion, Flickr, [CC BY 2.0](https://creativecommons.org/licenses/by/2.0/).

# %%
loaded = tf.saved_model.load(str(version))
print(sorted(loaded.signatures))
photographs = np.stack(load_sample_images().images)
large = loaded.signatures["serving_default"](images=photographs)
files = [tf.io.encode_png(image) for image in photographs]
of_files = loaded.signatures["encoded_images"](encoded_images=tf.stack(files))
print({name: feature.shape for name, feature in large.items()})
print(float(tf.reduce_max(abs(large["global"] - of_files["global"]))))

# %%
figure, axes = plt.subplots(1, 2, figsize=(4, 1.7), dpi=60)
for panel, image in zip(axes, photographs, strict=True):
    panel.imshow(image)
    panel.axis("off")
figure.suptitle("Two images of 427 x 640 pixels", fontsize=8)
figure.tight_layout()

# %%
plt.figure(figsize=(6, 2.5))
for number, name in enumerate(("china", "flower")):
    plt.plot(large["global"][number], ".-", label=name)
plt.xlabel("unit of the feature `global`")
plt.legend()
plt.tight_layout()

# %% [markdown]
# ## The time of a batch
#
# Use full batches for throughput. The times are for the machine that ran this
# notebook, and for this small network.

# %%
native = loaded.signatures["native"]
pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), "uint8")
sizes, rates = (1, 4, 16, 64), []
for size in sizes:
    images = tf.constant(pixels[:size])
    native(images=images)
    start = time.perf_counter()
    for _ in range(20):
        native(images=images)
    rates.append(20 * size / (time.perf_counter() - start))

plt.figure(figsize=(5, 3))
plt.loglog(sizes, rates, "o-")
plt.xticks(sizes, sizes)
plt.xlabel("images in a batch")
plt.ylabel("images a second")
plt.tight_layout()

# %% [markdown]
# ## A server
#
# `MODEL=photos docker compose up` serves it; then
# `keras_dim.serving.Client("localhost:8500", "photos").embed(images)` gives the
# same features: see the page on serving. The next version is written beside the
# first, and a running server loads it.

# %%
keras_dim.export(encoder, folder / "photos")
print(sorted(path.name for path in (folder / "photos").iterdir()))
