"""The network that takes features to the space of scores, row by row."""

import numpy as np


def projection(features, layer):
    """`Norm(W_2 ReLU(BN(W_1 x)) + b + W_s x)` in training.

    Args:
        features: array `(batch, ..., channels)`.
        layer: built `Projection`, of which the weights and the choice of
            norms are read.
    """
    weights = {
        weight.path.split("/", 1)[-1]: np.array(weight, "float64")
        for weight in layer.weights
    }

    def weight(layer_name, weight_name):
        (value,) = (
            value
            for path, value in weights.items()
            if f"/{path}".endswith(f"/{layer_name}/{weight_name}")
        )
        return value

    def normalized(rows, axis, layer_name):
        mean = rows.mean(axis, keepdims=True)
        rows = (rows - mean) / np.sqrt(rows.var(axis, keepdims=True) + 1e-5)
        return rows * weight(layer_name, "gamma") + weight(layer_name, "beta")

    rows = np.reshape(features, (-1, features.shape[-1])).astype("float64")
    hidden = rows @ weight("hidden", "kernel")
    if layer.hidden_norm:
        hidden = normalized(hidden, 0, "hidden_batch_norm")
    outputs = []
    for row, hidden_row in zip(rows, np.maximum(hidden, 0), strict=True):
        output = hidden_row @ weight("projection", "kernel")
        output = output + row @ weight("shortcut", "kernel")
        outputs.append(output + weight("shortcut", "bias"))
    axis = 1 if layer.output_norm == "layer" else 0
    outputs = normalized(np.array(outputs), axis, "norm")
    return np.reshape(outputs, (*features.shape[:-1], -1))
