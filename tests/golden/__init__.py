"""Inputs and outputs of published code, and the functions that read them.

The files come from running the authors' own networks and losses (PyTorch: maps
are channels first, kernels `(out, in, height, width)` or `(out, in)`).
"""

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
