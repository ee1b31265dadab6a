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
# # Your own folder
#
# From a folder of unlabelled images to an encoder, a classifier and a report.
# The folder is made here from pieces of the two photographs that scikit-learn
# bundles (by danielbuechele and vultilion, Flickr,
# [CC BY 2.0](https://creativecommons.org/licenses/by/2.0/)); replace its path
# by that of your own.

# %%
import json
import pathlib
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from PIL import Image
from sklearn.datasets import load_sample_images

import keras_dim

keras.utils.set_random_seed(0)
folder = pathlib.Path(tempfile.mkdtemp())
draw = np.random.default_rng(0)


def write(place, photograph, count):
    (folder / place).mkdir(parents=True)
    for number in range(count):
        row, column = (draw.integers(0, size - 64) for size in (427, 640))
        piece = photograph[row : row + 64, column : column + 64]
        Image.fromarray(piece).save(folder / place / f"{number}.png")


for name, photograph in zip(
    ("china", "flower"), load_sample_images().images, strict=True
):
    write(f"photos/{name}", photograph, 400)
    write(f"labelled/train/{name}", photograph, 20)
    write(f"labelled/test/{name}", photograph, 100)

# %% [markdown]
# ## Its content

# %%
source = keras_dim.data.open_source(folder / "photos", image_size=32)
print(source.num_images, source.image_shape, source.skipped)

# %% [markdown]
# ## Pre-training
#
# A recipe with changes, as by `keras-dim pretrain --recipe amdim_cifar10
# --source photos/ --set ...`. Two epochs of a small network are enough for a
# demonstration.

# %%
recipe = keras_dim.recipes.get("amdim_cifar10").replace(
    source=str(folder / "photos"),
    image_size=32,
    epochs=2,
    batch_size=50,
    steps_per_execution=1,
    dtype_policy="float32",
    **{"encoder.base_width": 16, "encoder.representation_units": 64},
)
encoder = keras_dim.pretrain(recipe, folder / "run", verbose=0)
print(sorted(path.name for path in (folder / "run").iterdir()))

# %% [markdown]
# Check the views early: two views of one image should be recognisable as such.

# %%
plt.figure(figsize=(4, 4), dpi=60)
plt.imshow(plt.imread(folder / "run" / "views.png"))
plt.axis("off")
plt.tight_layout()

# %% [markdown]
# ## Neighbours
#
# Each image in the first column, and the images with the most similar features.

# %%
batch = source.read(np.arange(0, 800, 4))
features = encoder.predict(batch["image"], verbose=0)["global"]
figure = keras_dim.plots.neighbors(batch["image"], features, (0, 50, 100, 150))
display(figure)

# %%
figure = keras_dim.plots.feature_map(features, batch["label"])
display(figure)

# %% [markdown]
# ## A classifier from 40 labels
#
# As by `keras-dim classify --encoder run --source labelled/ --output
# classifier/ --epochs 0`. The second stage, which trains all weights, is
# skipped: too few of 40 labels can be held out to decide when it helps.

# %%
found = keras_dim.training.classify(
    encoder, folder / "labelled", folder / "classifier", epochs=0
)
for name in ("accuracy", "linear", "frozen_probe", "majority_class"):
    print(f"{name}: {found[name]:.1%}")
print(json.loads((folder / "classifier" / "classes.json").read_text()))

# %% [markdown]
# ## A report
#
# One page to open in a browser, and tables. Pieces of one photograph overlap,
# so it finds near-duplicates.

# %%
counts = keras_dim.report.write_report(
    encoder, folder / "photos", folder / "report", num_labels=10
)
print(counts)
table = (folder / "report" / "labelling.csv").read_text()
print(table.replace(f"{folder}/", ""))
