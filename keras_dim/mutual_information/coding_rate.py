"""Log-determinants of second moments, which measure how features spread.

They need no negatives. The entropy of a normal distribution is half the
log-determinant of its covariance plus a constant.
"""

from keras import ops

from keras_dim import distribution


def log_determinant(matrix):
    """Returns the log-determinant of a positive definite matrix.

    Args:
        matrix: symmetric tensor `(size, size)`.

    Returns:
        Float32 scalar.
    """
    factor = ops.cholesky(ops.cast(matrix, "float32"))
    return 2.0 * ops.sum(ops.log(ops.diagonal(factor)))


def coding_rate(vectors, distortion=0.2):
    """Returns the rate of coding vectors up to a distortion, in nats.

    It is `0.5 logdet(I + units / (images distortion) V^T V)`, where the rows of
    `V` are the vectors, under a `tf.distribute` strategy those of all replicas.

    Args:
        vectors: tensor `(images, units)`.
        distortion: float. Squared error that is allowed. Defaults to 0.2.

    Returns:
        Float32 scalar, to be maximised, the same on all replicas.

    Reference: [Ma et al., 2007](https://doi.org/10.1109/TPAMI.2007.1085).
    """
    vectors = ops.cast(distribution.concat_replicas(vectors), "float32")
    num_images, units = ops.shape(vectors)
    scale = units / (ops.cast(num_images, "float32") * distortion)
    # I + V^T V and I + V V^T have the same determinant: take the smaller.
    is_wide = isinstance(num_images, int) and num_images < units
    rows = vectors if is_wide else ops.transpose(vectors)
    moments = ops.matmul(rows, ops.transpose(rows))
    identity = ops.eye(num_images if is_wide else units)
    return 0.5 * log_determinant(identity + scale * moments)
