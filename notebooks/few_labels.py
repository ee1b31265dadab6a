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
# # Few labels
#
# An encoder, trained on 1,437 digits without their labels. How many labels does
# a classifier on its features need, and is it better than one on the pixels?

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import keras_dim

keras.utils.set_random_seed(0)
train = keras_dim.data.load("digits", "train", 128, image_size=28)
new = keras_dim.encoders.dim_convnet(image_size=28, channels=1)
untrained = keras.models.clone_model(new)
untrained.set_weights(new.get_weights())
model = keras_dim.DeepInfoMax(
    new,
    critic=keras_dim.layers.DotProductCritic(units=256),
    num_local_samples=16,
)
model.compile(keras.optimizers.Adam(5e-4))
history = model.fit(train, epochs=6, verbose=2)

# %% [markdown]
# ## Frozen features
#
# A linear probe on 1 to 50 labels of each class, scored on 360 other digits:
# the mean of five random choices of the labels. No setting is chosen by these
# scores.

# %%
images = keras_dim.evaluation.labelled_images("digits", image_shape=(28, 28, 1))
encoders = {
    "raw pixels": keras_dim.evaluation.raw_pixels_encoder((28, 28, 1)),
    "untrained": untrained,
    "trained": model.encoder,
}
counts = (1, 2, 5, 10, 50)
accuracies = {}
for name, encoder in encoders.items():
    feature = None if name == "raw pixels" else "fc"
    accuracies[name] = [
        keras_dim.evaluation.score(
            encoder,
            images,
            feature,
            "linear_probe",
            {"labels_per_class": count, "num_draws": 5},
        )["accuracy"]
        for count in counts
    ]
    print(name, [f"{accuracy:.1%}" for accuracy in accuracies[name]])

# %%
plt.figure(figsize=(5, 3.5))
for name, values in accuracies.items():
    plt.plot(counts, 100 * np.array(values), "o-", label=name)
plt.xscale("log")
plt.xticks(counts, counts)
plt.xlabel("labels of each class")
plt.ylabel("accuracy in percent")
plt.legend()
plt.tight_layout()

# %% [markdown]
# ## Fine-tuning with 144 labels
#
# First a classifier on the frozen encoder, then all weights, at a lower
# learning rate. With so few labels the second stage does not improve the
# accuracy, which only fluctuates: a frozen encoder is the safe choice.

# %%
source = keras_dim.data.open_source("digits", "train", image_size=28)
rows = np.random.default_rng(0).permutation(source.num_images)[:144]
few = source.read(rows)
pairs = keras_dim.data.load(
    (few["image"], few["label"]),
    batch_size=16,
    as_pairs=True,
    drop_remainder=False,
)
test = keras_dim.data.load("digits", "test", 64, image_size=28, as_pairs=True)

classifier = keras_dim.encoders.classifier(
    model.encoder, num_classes=10, feature="fc"
)
loss = "sparse_categorical_crossentropy"
log = []
for rate, epochs in ((1e-3, 10), (1e-4, 5)):
    classifier.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    found = classifier.fit(
        pairs, validation_data=test, epochs=epochs, shuffle=False, verbose=0
    )
    log += found.history["val_accuracy"]
    print(f"{log[-1]:.1%} of the test digits")
    keras_dim.encoders.unfreeze(classifier)

# %%
plt.figure(figsize=(5, 3))
plt.plot(range(1, 16), 100 * np.array(log), "o-")
plt.axvline(10.5, color="0.7", linestyle="--")
plt.xlabel("epoch, unfrozen after 10")
plt.ylabel("accuracy in percent")
plt.tight_layout()

# %% [markdown]
# ## Its mistakes

# %%
pixels, labels = (np.concatenate(x) for x in zip(*test, strict=True))
guesses = classifier.predict(pixels, verbose=0).argmax(axis=1)
figure = keras_dim.plots.confusion_matrix(labels, guesses)
display(figure)
