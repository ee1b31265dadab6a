"""Which entries of a score matrix are positive pairs.

Rows are anchors on this replica; columns are candidates from all replicas.
Masks hold 0s and 1s rather than indices, so that shapes stay static for XLA.
"""

from keras import ops

from keras_dim import distribution


def same_image(anchors, candidates):
    """Marks the candidate that comes from the anchor's own image.

    Args:
        anchors: tensor `(images here, ...)`.
        candidates: tensor `(images everywhere, ...)`, gathered with
            `distribution.concat_replicas`.

    Returns:
        Float tensor `(images here, images everywhere)`.
    """
    num_anchors = ops.shape(anchors)[0]
    own = ops.arange(num_anchors) + distribution.first_row(num_anchors)
    columns = ops.arange(ops.shape(candidates)[0])
    return ops.cast(own[:, None] == columns[None, :], "float32")
