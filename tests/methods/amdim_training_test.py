"""Sixty training steps of AMDIM equal those of an independent version.

`amdim_training.npz` holds losses and weights of a version in PyTorch that was
written from the description of the authors' code without any of keras_dim, and
run in float64 with `torch.optim.Adam(lr=2e-4, betas=(0.8, 0.999), eps=1e-8,
weight_decay=1e-5)` on the views and locations of `batch`. The same version in
float32 differs from it by 5e-7 of a loss and 6e-6 of the weights' movement.
"""

import itertools
import math
import types

import golden
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_dim
from keras_dim import optimizers
from keras_dim.layers import location_sampler

NUM_STEPS = 60
BATCH_SIZE = 16
# Of each source and target, the term and how many locations the target has.
PAIRINGS = {
    "global_to_map_5": 25,
    "global_to_map_7": 49,
    "map_5_to_map_5": 25,
}


def batch(step):
    """Returns two views of 16 images, and the location drawn of each map.

    The views share blocks of 4 x 4 pixels and differ in noise. NumPy keeps the
    numbers of `RandomState` as they are for all time.
    """
    rng = np.random.RandomState(step)
    shape = (BATCH_SIZE, 8, 8, 3)
    shared = rng.randint(0, 256, shape).repeat(4, 1).repeat(4, 2)
    views = {
        name: ((3 * shared + rng.randint(0, 256, shared.shape)) // 4).astype(
            "float32"
        )
        for name in ("view_1", "view_2")
    }
    return views, rng.randint(0, 25, (2, BATCH_SIZE))


def named_layers(model):
    """Returns the layers with weights, by the names in the file."""
    convolutions = [
        layer
        for layer in model.encoder.layers
        if isinstance(layer, layers.Conv2D)
    ]
    names = ["stem"] + [
        f"residual_{index}/{place}"
        for index in range(6)
        for place in ("first", "second")
    ]
    named = dict(zip(names, convolutions, strict=True))
    (named["top"],) = (
        layer
        for layer in model.encoder.layers
        if isinstance(layer, layers.BatchNormalization)
    )
    for name, projection in model.critic.projections.items():
        for part in ("hidden", "projection", "shortcut", "norm"):
            named[f"{name}/{part}"] = getattr(projection, part)
    return named


def named_weights(model):
    return {
        f"{name}/{weight.name}": weight
        for name, layer in named_layers(model).items()
        for weight in layer.trainable_weights
    }


@pytest.fixture(scope="module")
def published():
    return golden.load("amdim_training")


@pytest.fixture(scope="module")
def trained(published):
    """A model after the steps, and what each step logged."""
    model = keras_dim.AMDIM(
        keras_dim.encoders.amdim_resnet(
            32, base_width=4, representation_units=16, depth=1
        )
    )
    for name, weight in named_weights(model).items():
        weight.assign(published[f"start/{name}"])
    model.compile(optimizers.Adam(2e-4, beta_1=0.8, l2=1e-5), jit_compile=False)
    batches = [batch(step) for step in range(NUM_STEPS)]
    # The sampler takes the location with the highest lot; the model asks for
    # those of the first view and then for those of the second.
    lots = np.eye(25, dtype="float32")[[places for _, places in batches]]
    lots = ops.convert_to_tensor(lots)
    turns = itertools.cycle((0, 1))

    def uniform(shape, seed):
        step = ops.convert_to_tensor(model.optimizer.iterations)
        return ops.take(lots[:, next(turns)], step, axis=0)

    logs = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            location_sampler, "random", types.SimpleNamespace(uniform=uniform)
        )
        for views, _ in batches:
            model.reset_metrics()
            logs.append(model.train_on_batch(views, return_dict=True))
    return model, {name: [log[name] for log in logs] for name in logs[0]}


def losses_of(logs):
    """Returns the authors' four losses of each step.

    An InfoNCE bound is the logarithm of the number of candidates less the
    loss of telling them apart.
    """
    losses = [
        math.log1p((BATCH_SIZE - 1) * num_locations) - np.array(logs[name])
        for name, num_locations in PAIRINGS.items()
    ]
    penalty = np.array(logs["loss"]) + sum(
        np.array(logs[name]) for name in PAIRINGS
    )
    return np.stack([*losses, penalty], axis=1)


def test_losses_equal_the_published_ones_at_every_step(trained, published):
    losses = losses_of(trained[1])
    # Digits that rounding loses when the loss is summed up.
    digits = dict(atol=2e-6)
    np.testing.assert_allclose(
        losses[0], published["losses"][0], rtol=2e-6, **digits
    )
    np.testing.assert_allclose(losses, published["losses"], rtol=2e-5, **digits)


def test_weights_move_as_the_published_ones(trained, published):
    weights = named_weights(trained[0])
    # Batch norm subtracts these biases again: their gradient is rounding
    # alone, and Adam makes whole steps of it.
    left_out = {"map_5/shortcut/bias", "map_7/shortcut/bias"}
    assert set(weights) - left_out == golden.moved_names(published)
    # With CIFAR's statistics rounded to four digits it is 4e-3.
    assert golden.movement_error(published, weights) < 3e-4


@pytest.mark.parametrize(
    ("name", "num_locations"),
    [("top", 1), ("map_5/norm", 25), ("map_7/norm", 49)],
)
def test_batch_norm_keeps_the_published_statistics(
    name, num_locations, trained, published
):
    layer = named_layers(trained[0])[name]
    # Each view is a pass of its own. PyTorch keeps the variance of the
    # population, n / (n - 1) times that of the batch, which Keras keeps.
    of_start = layer.momentum ** (2 * NUM_STEPS)
    num_values = BATCH_SIZE * num_locations
    expected = published[f"variance/{name}"] - of_start
    expected = of_start + expected * (num_values - 1) / num_values
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-4)
    # Those of the projections follow the biases without effect.
    if name == "top":
        np.testing.assert_allclose(
            layer.moving_mean, published["mean/top"], rtol=1e-4, atol=1e-6
        )
