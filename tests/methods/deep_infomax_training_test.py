"""Twenty training steps of DIM(L) equal those of an independent version.

`dim_training.npz` holds losses and weights of a version in PyTorch that was
written from the description of the authors' code without any of keras_dim, but
for the gradient penalty, which is the mean over all samples. It ran in float64
with one `torch.optim.Adam(lr=1e-4, betas=(0.5, 0.999))` for the discriminator
and one for all else, on the images and draws of `batch`. The same version in
float32 differs from it by 2e-6 of a loss and 2e-5 of the weights' movement.
"""

import math
import types

import golden
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_dim
from keras_dim import optimizers
from keras_dim.layers import priors
from keras_dim.mutual_information import bounds

NUM_STEPS = 20
BATCH_SIZE = 16
NUM_LOCATIONS = 64
GLOBAL_UNITS = 6
GAMMA = 0.1


def batch(step):
    """Returns 16 images and as many draws of the uniform prior.

    NumPy keeps the numbers of `RandomState` as they are for all time.
    """
    rng = np.random.RandomState(step)
    images = rng.randint(0, 256, (BATCH_SIZE, 8, 8, 3))
    images = images.repeat(4, 1).repeat(4, 2)
    images = (3 * images + rng.randint(0, 256, images.shape)) // 4
    draws = rng.uniform(size=(BATCH_SIZE, GLOBAL_UNITS))
    return images.astype("float32"), draws.astype("float32")


def named_weights(model):
    """Returns the trainable weights by their names in the file."""

    def of_kind(kind):
        return [layer for layer in model.encoder.layers if type(layer) is kind]

    names = ["conv_0", "conv_1", "conv_2", "fc"]
    norms = of_kind(layers.BatchNormalization)
    named = {
        f"{name}_norm": layer for name, layer in zip(names, norms, strict=True)
    }
    weighted = of_kind(layers.Conv2D) + of_kind(layers.Dense)
    named |= dict(zip([*names, "global"], weighted, strict=True))
    critic = model.critics["local_information"]
    for name in ("map", "summary"):
        projection = getattr(critic, f"{name}_projection")
        named[f"{name}/hidden_norm"] = projection.hidden_batch_norm
        for part in ("hidden", "projection", "shortcut", "norm"):
            named[f"{name}/{part}"] = getattr(projection, part)
    named["prior"] = model.prior
    return {
        f"{name}/{weight.name}": weight
        for name, layer in named.items()
        for weight in layer.trainable_weights
    }


@pytest.fixture(scope="module")
def published():
    return golden.load("dim_training")


@pytest.fixture(scope="module")
def trained(published):
    """A model after the steps, and what each step logged."""
    batches = [batch(step) for step in range(NUM_STEPS)]
    all_draws = ops.convert_to_tensor(np.stack([draws for _, draws in batches]))

    def uniform(shape, seed):
        step = ops.convert_to_tensor(model.optimizer.iterations)
        return ops.take(all_draws, step, axis=0)

    logs = []
    with pytest.MonkeyPatch.context() as patch:
        # The published discriminator has 200,000 weights.
        patch.setattr(priors, "HIDDEN_UNITS", (20, 10))
        model = keras_dim.DeepInfoMax(
            keras_dim.encoders.dim_convnet(
                filters=(4, 8, 8), units=16, global_units=GLOBAL_UNITS
            ),
            gamma=GAMMA,
            critic={"name": "dot_product", "units": 16, "temperature": 1.0},
            bound=bounds.InfoNCE(own_image_score=-10.0),
        )
        for name, weight in named_weights(model).items():
            weight.assign(published[f"start/{name}"])
        model.compile(optimizers.Adam(1e-4, beta_1=0.5), jit_compile=False)
        patch.setattr(priors, "random", types.SimpleNamespace(uniform=uniform))
        for images, _ in batches:
            model.reset_metrics()
            logs.append(model.train_on_batch(images, return_dict=True))
    return model, {name: [log[name] for log in logs] for name in logs[0]}


def test_losses_equal_the_published_ones_at_every_step(trained, published):
    logs = {name: np.array(values) for name, values in trained[1].items()}
    # An InfoNCE bound is the logarithm of the number of candidates less the
    # loss of telling them apart.
    num_negatives = (BATCH_SIZE - 1) * NUM_LOCATIONS
    losses = np.stack(
        [
            math.log1p(num_negatives) - logs["local_information"],
            logs["prior_discrimination"],
            logs["prior_gradient_penalty"],
            logs["prior_fooling"],
        ],
        axis=1,
    )
    np.testing.assert_allclose(losses[0], published["losses"][0], rtol=2e-6)
    np.testing.assert_allclose(losses, published["losses"], rtol=2e-5)


def test_weights_move_as_the_published_ones(trained, published):
    weights = named_weights(trained[0])
    # It adds one number to all scores of a summary, which InfoNCE does not see
    # but for the fixed scores of the summary's own image: its gradient is
    # rounding alone, and Adam makes whole steps of it.
    left_out = {"map/norm/beta"}
    assert set(weights) - left_out == golden.moved_names(published)
    assert golden.movement_error(published, weights) < 3e-4
