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
# # Which part of an image does each feature explain?
#
# AMDIM with mixtures computes several global features of each image, and every
# location of the other view chooses those that predict it best. Nothing else
# determines what they represent. Here four features divide the strokes and the
# background of handwritten digits among themselves.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_dim

keras.utils.set_random_seed(0)

# %% [markdown]
# ## Two views of each digit
#
# The digits are moved by up to four pixels, and made brighter or darker. They
# are not mirrored, because a mirrored digit is no digit.

# %%
images = keras_dim.data.load(
    "digits", split="train", batch_size=128, image_size=32
)
views = keras_dim.views.TwoViews(
    [
        keras_dim.views.RandomTranslation(4, probability=0.8, seed=0),
        keras_dim.views.ColorJitter(brightness=0.4, contrast=0.4, seed=1),
    ]
)
some = next(iter(images))["image"]
plt.figure(figsize=(4, 5))
plt.imshow(keras_dim.views.show_views(views, some, 6))
plt.axis("off")
plt.title("Each digit, and two views of it")
plt.tight_layout()

# %% [markdown]
# ## Training
#
# A narrow network of AMDIM, with one residual layer in each block.

# %%
model = keras_dim.AMDIM(
    keras_dim.encoders.amdim_resnet(
        image_size=32,
        base_width=16,
        representation_units=64,
        depth=1,
        channels=1,
    ),
    views=views,
    mixture=keras_dim.layers.MixtureFeatures(4, temperature=4.0),
    seed=0,
)
model.compile(optimizer=keras.optimizers.Adam(2e-3, beta_1=0.8))
history = model.fit(images, epochs=10, verbose=2)

# %%
plt.figure(figsize=(5, 3))
for source, target in model.pairings:
    name = f"{source}_to_{target}"
    plt.plot(history.epoch, history.history[name], label=name)
plt.xlabel("epoch")
plt.ylabel("information (nats)")
plt.legend()
plt.title("What one view says about the other")
plt.tight_layout()

# %% [markdown]
# ## Which feature explains which location
#
# For each of 7 x 7 locations, the feature that explains it best. A location
# sees 8 x 8 pixels of the image.

# %%
test = keras_dim.data.load(
    "digits", split="test", batch_size=128, image_size=32, shuffle=False
)
digits = next(iter(test))["image"]
shares = np.array(model.assignments(digits))
claimed = shares.argmax(-1)
colours = plt.get_cmap("Set1")

figure, axes = plt.subplots(3, 8, figsize=(9, 4))
for column in range(8):
    pixels = np.array(digits[column])[..., 0]
    axes[0, column].imshow(pixels, cmap="gray")
    axes[1, column].imshow(claimed[column], cmap=colours, vmin=-0.5, vmax=8.5)
    axes[2, column].imshow(pixels, cmap="gray")
    axes[2, column].imshow(
        claimed[column],
        cmap=colours,
        vmin=-0.5,
        vmax=8.5,
        alpha=0.5,
        extent=(-0.5, 31.5, 31.5, -0.5),
    )
for axis in axes.flat:
    axis.axis("off")
figure.suptitle("Digits, and which of four features claims each location")
figure.tight_layout()

# %%
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for feature, axis in enumerate(axes):
    axis.imshow(shares[..., feature].mean(0), vmin=0, vmax=1)
    axis.axis("off")
    axis.set_title(f"feature {feature}: {shares[..., feature].mean():.0%}")
figure.suptitle("Where each feature is chosen, mean over images")
figure.tight_layout()
