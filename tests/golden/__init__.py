"""Inputs and outputs of published code, and the functions that read them.

The files come from running the authors' own networks and losses (PyTorch: maps
are channels first, kernels `(out, in, height, width)` or `(out, in)`). Those
named `*_training` come from versions of our own; see the tests that read them.
"""

import math
import pathlib

import numpy as np


def load(name):
    """Returns the arrays of `name`.npz as a dict."""
    path = pathlib.Path(__file__).with_name(f"{name}.npz")
    with np.load(path) as arrays:
        return dict(arrays)


def channels_last(maps):
    """`(batch, channels, height, width)` to `(batch, height, width, c)`."""
    return np.moveaxis(maps, 1, -1)


def convolution_kernel(kernel):
    """`(out, in, height, width)` to `(height, width, in, out)`."""
    return np.transpose(kernel, (2, 3, 1, 0))


def moved_names(published):
    """Returns the names of the weights whose movement is published."""
    return {
        name.removeprefix("moved/")
        for name in published
        if name.startswith("moved/")
    }


def movement_error(published, weights):
    """Returns how far weights ended from published ones, after training.

    Args:
        published: dict from `start/NAME` to an array, and from `moved/NAME` to
            what training added to it.
        weights: dict from each `NAME` to the weight after training.

    Returns:
        The length of the difference of all weights, divided by that of their
        published movement.
    """
    difference, movement = 0.0, 0.0
    for name in moved_names(published):
        expected = published[f"moved/{name}"]
        moved = np.array(weights[name], "float64") - published[f"start/{name}"]
        difference += np.sum((moved - expected) ** 2)
        movement += np.sum(expected**2)
    return math.sqrt(difference / movement)
