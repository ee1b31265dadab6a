"""DIM(L) on scikit-learn's bundled digits: the main job, offline, in minutes.

    keras-dim pretrain

1,437 images of 8 x 8 pixels, resized to 28, train the paper's network for
MNIST. The scores that the run prints are measured there and then.
"""

from keras_dim.recipes.deep_infomax import DeepInfoMaxRecipe

deep_infomax_digits = DeepInfoMaxRecipe(
    name="deep_infomax_digits",
    source="digits",
    image_size=28,
    channels=1,
    batch_size=128,
    epochs=20,
    learning_rate=5e-4,
    schedule="cosine",
    bound="info_nce",
    prior="uniform",
    gamma=0.1,
    critic_units=256,
    temperature=16.0,
    num_local_samples=16,
)
