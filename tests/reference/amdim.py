"""The objective of AMDIM, image by image and location by location."""

import math

import numpy as np


def nce_scores(sources, targets, limit):
    """Scores of NCE of each source with the targets of its own image.

    Args:
        sources: array `(images, units)`.
        targets: array `(images, locations, units)`.
        limit: float. To what scores are clipped.

    Returns:
        Array `(images, locations)`, and the mean of all squared scores.
    """
    num_images, num_locations, units = targets.shape
    raw = np.zeros((num_images, num_images, num_locations))
    for i in range(num_images):
        for j in range(num_images):
            for place in range(num_locations):
                raw[i, j, place] = sum(
                    sources[i, u] * targets[j, place, u] for u in range(units)
                ) / math.sqrt(units)
    clipped = limit * np.tanh(raw / limit)
    values = np.zeros((num_images, num_locations))
    for i in range(num_images):
        rivals = [
            clipped[i, j, place]
            for j in range(num_images)
            for place in range(num_locations)
            if j != i
        ]
        for place in range(num_locations):
            own = clipped[i, i, place]
            total = math.exp(own) + sum(math.exp(s) for s in rivals)
            values[i, place] = own - math.log(total) + math.log(1 + len(rivals))
    return values, np.mean(raw**2)


def mixture_objective(values, assignments, entropy_weight):
    """Expected score plus the weighted entropy, mean over targets; Eq. 6.

    Args:
        values: array `(features, targets)`. Scores of NCE.
        assignments: array `(features, targets)`. Each column adds up to one.
    """
    total = 0.0
    num_features, num_targets = values.shape
    for i in range(num_targets):
        for j in range(num_features):
            q = assignments[j, i]
            total += q * values[j, i]
            if q > 0:
                total -= entropy_weight * q * math.log(q)
    return total / num_targets
