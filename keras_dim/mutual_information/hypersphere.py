"""Alignment and uniformity of unit vectors.

Of [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242): the two properties
that the contrastive loss asks for, each on its own. All vectors have length 1.
"""

from keras import ops

from keras_dim import distribution
from keras_dim.mutual_information import pairs
from keras_dim.mutual_information import rows


def alignment(vectors, others, exponent=2.0):
    """Returns the mean distance of positive pairs, to the power `exponent`.

    Args:
        vectors, others: tensors `(images, units)`: two views, row by row.
        exponent: float. Defaults to 2.

    Returns:
        Scalar, to be minimised: 0 for equal views.
    """
    gap = ops.cast(vectors, "float32") - ops.cast(others, "float32")
    squares = ops.sum(ops.square(gap), axis=-1)
    # The slope of a root is infinite at 0, where views are equal.
    is_apart = squares > 0
    powers = ops.power(ops.where(is_apart, squares, 1.0), exponent / 2)
    return ops.mean(ops.where(is_apart, powers, 0.0))


def uniformity(vectors, t=2.0):
    """Returns the log mean of `exp(-t |x - y|^2)` over all pairs of images.

    Under a `tf.distribute` strategy, over those of all replicas; all replicas
    return the same.

    Args:
        vectors: tensor `(images, units)`, of two images or more.
        t: float. Defaults to 2.

    Returns:
        Scalar, to be minimised: 0 where all vectors are equal, about `-2 t`
        where they are uniform on a sphere of many dimensions.
    """
    vectors = ops.cast(vectors, "float32")
    own_ids = distribution.row_numbers(ops.shape(vectors)[0])
    others = distribution.concat_replicas(vectors)
    ids = distribution.concat_replicas(own_ids)
    ids = distribution.require_rows(
        ids, 2, "Uniformity compares images: take batches of two or more"
    )
    # |x - y|^2 = 2 - 2 x . y
    scores = 2.0 * t * (pairs.dot_products(vectors, others) - 1.0)
    mask = 1.0 - pairs.same_id(own_ids, ids)
    here = ops.logsumexp(rows.log_sum_exp_rows(scores, mask)[0])
    everywhere = ops.logsumexp(distribution.stack_replicas(here))
    num_images = ops.cast(ops.shape(others)[0], "float32")
    return everywhere - ops.log(num_images) - ops.log(num_images - 1.0)
