"""Alignment and uniformity of vectors of length 1.

Reference: [Wang and Isola, 2020](https://arxiv.org/abs/2005.10242), who show
that contrastive losses optimise both.
"""

from keras import ops

from keras_dim import checks
from keras_dim import distribution
from keras_dim.mutual_information import pairs
from keras_dim.mutual_information import rows


def alignment(vectors, others, exponent=2.0):
    """Returns the mean of positive pairs' distances, to the power `exponent`.

    Args:
        vectors, others: tensors `(images, units)`. Equal rows of both are two
            views of one image.
        exponent: float. Defaults to 2.

    Returns:
        Float32 scalar, to be minimised: 0 for equal views.
    """
    checks.shape(tuple(vectors.shape), others=others)
    gap = ops.cast(vectors, "float32") - ops.cast(others, "float32")
    squares = ops.sum(ops.square(gap), axis=-1)
    # The slope of a root is infinite at 0, for equal views.
    is_apart = squares > 0
    powers = ops.power(ops.where(is_apart, squares, 1.0), exponent / 2)
    return ops.mean(ops.where(is_apart, powers, 0.0))


def uniformity(vectors, t=2.0):
    """Returns the log mean of `exp(-t |x - y|^2)` over all pairs of images.

    Under a `tf.distribute` strategy, the images are those of all replicas.

    Args:
        vectors: tensor `(images, units)` of two images or more.
        t: float. Defaults to 2.

    Returns:
        Float32 scalar, to be minimised, the same on all replicas: 0 if all
        vectors are equal, about `-2 t` if they are uniform on a sphere of many
        dimensions.
    """
    vectors = ops.cast(vectors, "float32")
    own_ids = distribution.row_numbers(ops.shape(vectors)[0])
    others = distribution.concat_replicas(vectors)
    ids = distribution.concat_replicas(own_ids)
    ids = distribution.require_rows(
        ids, 2, "Uniformity compares images: use batches of two or more"
    )
    # |x - y|^2 = 2 - 2 x . y
    scores = 2.0 * t * (pairs.dot_products(vectors, others) - 1.0)
    mask = 1.0 - pairs.same_id(own_ids, ids)
    here = ops.logsumexp(rows.log_sum_exp_rows(scores, mask)[0])
    everywhere = ops.logsumexp(distribution.stack_replicas(here))
    num_images = ops.cast(ops.shape(others)[0], "float32")
    return everywhere - ops.log(num_images) - ops.log(num_images - 1.0)
