"""Log-determinants of second moments: how many directions features fill.

Measures of information that need no negatives: that of a normal distribution
grows with the logarithm of the determinant of its covariance.
"""

from keras import ops

from keras_dim import distribution


def log_determinant(matrix):
    """Returns the log-determinant of a symmetric positive matrix, float32.

    Args:
        matrix: tensor `(size, size)`.
    """
    factor = ops.cholesky(ops.cast(matrix, "float32"))
    return 2.0 * ops.sum(ops.log(ops.diagonal(factor)))


def coding_rate(vectors, distortion=0.2):
    """Returns the rate of coding vectors up to a distortion, in nats.

    `0.5 logdet(I + units / (images distortion) V^T V)`, for the vectors `V`,
    one to a row. Under a `tf.distribute` strategy, over those of all replicas;
    all replicas return the same.

    Args:
        vectors: tensor `(images, units)`.
        distortion: float. The squared error that is allowed. Defaults to 0.2.

    Returns:
        Scalar, to be maximised.

    Reference: [Ma et al., 2007](https://doi.org/10.1109/TPAMI.2007.1085).
    """
    vectors = ops.cast(distribution.concat_replicas(vectors), "float32")
    num_images, units = ops.shape(vectors)
    scale = units / (ops.cast(num_images, "float32") * distortion)
    # Of V^T V and V V^T, which have the same determinants, the smaller one.
    is_wide = isinstance(num_images, int) and num_images < units
    rows = vectors if is_wide else ops.transpose(vectors)
    moments = ops.matmul(rows, ops.transpose(rows))
    identity = ops.eye(num_images if is_wide else units)
    return 0.5 * log_determinant(identity + scale * moments)
