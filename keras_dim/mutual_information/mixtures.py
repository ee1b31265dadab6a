"""InfoNCE in which each target chooses among several features of an image.

Section 3.6 of https://arxiv.org/abs/1906.00910. `s_ij` is the NCE score, in
nats, of feature `j` of an image's mixture and target `i` of its other view. A
distribution `q_i` over the features is assigned to each target, and

    sum_j q_ij s_ij + H(q_i) / temperature

is maximised: over `q` by `assignment`, over the features by training.
"""

from keras import ops


def assignment(nce_scores, temperature, axis=-1):
    """Returns the distribution over features for each target, in [0, 1].

    Args:
        nce_scores: tensor of NCE scores in nats; see `bounds.nce_scores`.
        temperature: float. High temperatures choose the best feature alone.
        axis: int. The axis of the mixture. Defaults to the last.

    Returns:
        Tensor of the same shape.
    """
    return ops.softmax(temperature * nce_scores, axis=axis)


def value_of_assignment(nce_scores, temperature, axis=-1):
    """Returns the expected score plus weighted entropy, at its maximum.

    Its derivative at each score is the `assignment`. It has the shape of the
    scores without `axis`.
    """
    return ops.logsumexp(temperature * nce_scores, axis=axis) / temperature


def combine(nce_scores, num_mixtures, temperature):
    """Returns the value of each target under its best assignment; Eq. 6.

    Args:
        nce_scores: tensor `(images * num_mixtures, ...)` of NCE scores in nats.
            The features of an image follow each other.
        num_mixtures: int. Number of features of an image.
        temperature: float. See `assignment`.

    Returns:
        Tensor `(images, ...)`, to be maximised.
    """
    shape = (-1, num_mixtures, *nce_scores.shape[1:])
    grouped = ops.reshape(nce_scores, shape)
    return value_of_assignment(grouped, temperature, axis=1)
