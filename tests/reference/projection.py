"""The network of the encode-and-dot critic, location by location."""

import numpy as np


def critic_projection(features, layer):
    """`LN(W_2 ReLU(BN(W_1 x)) + b + W_s x)` in training.

    Args:
        features: array `(batch, ..., channels)`.
        layer: built `CriticProjection`, of which only the weights are read.
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

    rows = np.reshape(features, (-1, features.shape[-1])).astype("float64")
    hidden = rows @ weight("hidden", "kernel")
    hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-5)
    hidden = hidden * weight("hidden_norm", "gamma")
    hidden = hidden + weight("hidden_norm", "beta")
    outputs = []
    for row, hidden_row in zip(rows, np.maximum(hidden, 0), strict=True):
        output = hidden_row @ weight("projection", "kernel")
        output = output + weight("projection", "bias")
        output = output + row @ weight("shortcut", "kernel")
        output = (output - output.mean()) / np.sqrt(output.var() + 1e-5)
        output = output * weight("projection_norm", "gamma")
        outputs.append(output + weight("projection_norm", "beta"))
    return np.reshape(outputs, (*features.shape[:-1], -1))
