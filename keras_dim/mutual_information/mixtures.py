"""InfoNCE where each candidate chooses among several features of an anchor.

Section 3.6 of https://arxiv.org/abs/1906.00910. Of an image, features `j` of a
mixture are scored against target `i` of its other view, by the score of NCE
`s_ij`. A distribution `q` assigns each target to the mixture, and

    sum_j q_ij s_ij + H(q_i) / temperature

is maximised, in `q` by `assignment` and in the features by training.
"""

from keras import ops


def assignment(nce_scores, temperature, axis=-1):
    """Returns how much each target is explained by each feature, in [0, 1].

    Args:
        nce_scores: tensor. Scores of NCE in nats, see `bounds.nce_scores`.
        temperature: float. The higher, the greedier.
        axis: int. The axis of the mixture. Defaults to the last.
    """
    return ops.softmax(temperature * nce_scores, axis=axis)


def value_of_assignment(nce_scores, temperature, axis=-1):
    """Returns the expected score plus the weighted entropy, at its maximum.

    Its slope at each score is the assignment. See `assignment`.
    """
    return ops.logsumexp(temperature * nce_scores, axis=axis) / temperature


def combine(nce_scores, num_mixtures, temperature):
    """Returns the value of each target under its best assignment; Eq. 6.

    Args:
        nce_scores: tensor `(images * num_mixtures, ...)`. Scores of NCE in
            nats, those of an image's features one after the other.
        num_mixtures: int. Number of features of an image.
        temperature: float. See `assignment`.

    Returns:
        Tensor `(images, ...)`, to be maximised.
    """
    shape = (-1, num_mixtures, *nce_scores.shape[1:])
    grouped = ops.reshape(nce_scores, shape)
    return value_of_assignment(grouped, temperature, axis=1)
