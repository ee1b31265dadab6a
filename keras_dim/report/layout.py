"""A map: a point in the plane for each image, with similar images nearby."""

import numpy as np

from keras_dim import neighbors

# t-SNE arranges so many images in well under a minute.
NUM_LANDMARKS = 4000
_UNITS = 50
_NEAREST = 3


def layout(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """Returns a point for each image, float32 `(num_images, 2)` in [0, 1].

    t-SNE arranges up to 4,000 random images by their first 50 principal
    components. Each other image lies at the mean of its 3 nearest of these,
    weighted by `exp(cosine / 0.05)`. Neighbourhoods are meaningful; distances
    between far points are not.

    Args:
        features: array `(num_images, units)`.
        seed: int. Defaults to `0`.

    Reference: L van der Maaten and G Hinton, Visualizing Data using t-SNE,
    JMLR 2008.
    """
    rows = neighbors.unit_vectors(features)
    order = np.random.default_rng(seed).permutation(len(rows))
    chosen = np.sort(order[:NUM_LANDMARKS])
    of_chosen = _arranged(rows[chosen], seed)
    points = np.empty((len(rows), 2), np.float32)
    points[chosen] = of_chosen
    others = np.setdiff1d(np.arange(len(rows)), chosen)
    if len(others):
        found, cosines = neighbors.nearest(rows[chosen], _NEAREST, rows[others])
        weights = np.exp((cosines - cosines[:, :1]) / 0.05)
        weights /= weights.sum(axis=1, keepdims=True)
        points[others] = np.einsum("nk,nkd->nd", weights, of_chosen[found])
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / np.maximum(high - low, 1e-9)


def _arranged(rows, seed):
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    centred = rows - rows.mean(axis=0)
    if len(rows) < 5 or not np.any(np.abs(centred) > 1e-6):
        # Too few or all equal for t-SNE: on a line.
        return np.stack([np.linspace(0, 1, len(rows)), np.zeros(len(rows))], 1)
    units = min(_UNITS, *rows.shape)
    reduced = PCA(units, random_state=seed).fit_transform(rows)
    # The scale of scikit-learn's own initialisation by principal components.
    start = 1e-4 * reduced[:, :2] / max(reduced[:, 0].std(), 1e-9)
    if start.shape[1] < 2:
        start = np.hstack([start, np.zeros_like(start)])
    model = TSNE(
        perplexity=min(30, (len(rows) - 1) / 3), init=start, random_state=seed
    )
    return model.fit_transform(reduced)
