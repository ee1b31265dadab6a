"""Pairs of anchors and candidates: their scores, and which are positive."""

import math
import typing

from keras import ops

from keras_dim import distribution

_NO_NEGATIVES = (
    "A batch of one image has no negatives: use batches of two or more, and "
    "leave out a last batch of one (drop_remainder=True)"
)


class DotProductScores(typing.NamedTuple):
    """Inner products of all anchors with all candidates, not yet computed.

    Bounds compute them all at once, or for a few anchors at a time. Under a
    `tf.distribute` strategy, the anchors may be those of all replicas and the
    candidates those of this one: each replica then holds a part of every row.

    Attributes:
        anchors: tensor `(anchors, units)`.
        candidates: tensor `(candidates, ..., units)`.
        own_anchors: tensor `(own anchors, units)`, the anchors of this
            replica's images, in the order of its candidates; several anchors of
            an image follow each other. None if `anchors` are those.
        limit: float or None. Limit of `soft_clip`.
        products: tensor `(anchors, candidates, ...)`, the inner products, or
            None if they are not computed yet.
    """

    anchors: typing.Any
    candidates: typing.Any
    own_anchors: typing.Any = None
    limit: float | None = None
    products: typing.Any = None

    @property
    def shape(self):
        """Shape of the scores, with scalar tensors for unknown sizes."""
        sizes = ops.shape(self.candidates)[:-1]
        return (ops.shape(self.anchors)[0], *sizes)

    @property
    def rows_are_split(self):
        """Whether other replicas hold the rest of each row."""
        return self.own_anchors is not None

    def computed(self):
        """Returns a copy that holds the inner products, to reuse them."""
        if self.products is not None:
            return self
        products = dot_products(self.anchors, self.candidates)
        return self._replace(products=products)

    def whole(self):
        """Returns the scores, shape `(anchors, candidates, ...)`, float32."""
        return soft_clip(self.computed().products, self.limit)

    def of_own_images(self):
        """Returns this replica's positive scores, `(own anchors, ...)`."""
        anchors = self.own_anchors if self.rows_are_split else self.anchors
        *locations, units = self.candidates.shape[1:]
        num_images = ops.shape(self.candidates)[0]
        # i: images, m: anchors of an image, l: locations, u: units
        products = ops.einsum(
            "imu,ilu->iml",
            ops.reshape(anchors, (num_images, -1, units)),
            ops.reshape(self.candidates, (-1, math.prod(locations), units)),
        )
        products = ops.reshape(ops.cast(products, "float32"), (-1, *locations))
        return soft_clip(products, self.limit)

    def mean_square(self):
        """Returns the mean of all squared scores before clipping."""
        if self.products is not None:
            return ops.mean(ops.square(self.products))
        # By second moments, whose memory does not grow with the batch.
        moments = []
        for factor in (self.anchors, self.candidates):
            flat = ops.reshape(factor, (-1, factor.shape[-1]))
            flat = ops.cast(flat, "float32")
            num_rows = ops.cast(ops.shape(flat)[0], "float32")
            moments.append(ops.matmul(ops.transpose(flat), flat) / num_rows)
        return ops.sum(moments[0] * moments[1])


class Pairs(typing.NamedTuple):
    """A critic's scores of a batch, for a bound: `bound(*pairs)`.

    Attributes:
        scores: tensor `(anchors, candidates, ...)` or `DotProductScores`.
        positives: mask, broadcastable to the scores. See `bounds`.
        negatives: mask, broadcastable to the scores.
    """

    scores: typing.Any
    positives: typing.Any
    negatives: typing.Any

    def clipped(self, limit, chunk_size=None):
        """Returns pairs whose scores are clipped; see `soft_clip`.

        Without a `chunk_size`, the scores are computed now, once for the bound
        and for a penalty.
        """
        scores = self.scores if chunk_size else self.scores.computed()
        return self._replace(scores=scores._replace(limit=limit))


def dot_product_pairs(
    anchors, candidates, temperature=1.0, negatives_from="all_replicas"
):
    """Pairs the vectors of a batch with each other by their inner products.

    A pair is positive if both come from one image, and negative otherwise.

    Args:
        anchors: tensor `(images, units)` or, with several anchors per image,
            `(images, ..., units)`.
        candidates: tensor `(images, ..., units)`.
        temperature: float. Scores are divided by it. Defaults to 1.
        negatives_from: str. `"all_replicas"` pairs the anchors of all replicas
            with this replica's candidates, `"own_replica"` only its own
            anchors. Anchors are exchanged because there are fewer of them.
            Defaults to `"all_replicas"`.

    Returns:
        `Pairs` with `DotProductScores`: one row per anchor; the anchors of an
        image follow each other.
    """
    own = flat_locations(anchors) / temperature
    candidates = flat_locations(candidates)
    own_ids = distribution.row_numbers(ops.shape(own)[0])
    anchors, ids = _gathered(negatives_from, own, own_ids)
    rows_are_split = (
        negatives_from == distribution.ALL_REPLICAS
        and not distribution.is_alone()
    )
    ids = distribution.require_rows(ids, 2, _NO_NEGATIVES)
    positives = same_id(ops.repeat(ids, anchors.shape[1]), own_ids)
    positives = positives[:, :, None]
    scores = DotProductScores(
        _rows(anchors), candidates, _rows(own) if rows_are_split else None
    )
    return Pairs(scores, positives, 1.0 - positives)


def view_pairs(views, temperature=1.0, negatives_from="all_replicas"):
    """Pairs all views of all images of a batch with each other.

    A pair is positive if two views come from one image, and negative if they
    come from two images. A view with itself is neither.

    Args:
        views: list of tensors `(images, units)`, one for each view.
        temperature: float. Scores are divided by it. Defaults to 1.
        negatives_from: str. See `dot_product_pairs`. With `"all_replicas"`,
            this replica's views are paired with those of all replicas.

    Returns:
        `Pairs` with scores `(anchors, candidates)`; along both axes, the views
        of an image follow each other. The positives of an anchor are the other
        views of its image.
    """
    own = ops.stack(views, axis=1)
    images, num_views = distribution.row_numbers(ops.shape(own)[0]), len(views)
    # Each view of each image has its own number.
    numbers = num_views * images[:, None] + ops.arange(num_views)
    candidates, others = _gathered(negatives_from, own, numbers)
    others = distribution.require_rows(others, 2, _NO_NEGATIVES)
    numbers, others = (ops.reshape(each, (-1,)) for each in (numbers, others))
    same_view = same_id(numbers, others)
    same_image = same_id(numbers // num_views, others // num_views)
    scores = dot_products(_rows(own) / temperature, _rows(candidates))
    return Pairs(scores, same_image - same_view, 1.0 - same_image)


def row_pairs(predictions, targets, step, negatives_from="all_replicas"):
    """Pairs predictions of a grid with the locations `step` rows below.

    Args:
        predictions: tensor `(images, rows, columns, units)`, of which the last
            `step` rows have no target.
        targets: tensor of the same shape. The negatives of a prediction are
            all other locations of all images, including its own image.
        step: int. Rows from a prediction to its target, 1 or more.
        negatives_from: str. See `dot_product_pairs`.

    Returns:
        `Pairs` with scores `(predictions, locations)`.
    """
    images = distribution.row_numbers(ops.shape(targets)[0])
    num_rows, num_columns = targets.shape[1:3]
    size = num_rows * num_columns
    numbers = size * images[:, None] + ops.arange(size)
    own = ops.reshape(numbers, (-1, num_rows, num_columns))[:, step:]
    numbers, targets = _gathered(negatives_from, numbers, targets)
    # Half precision would round the products of long vectors.
    anchors, candidates = (
        ops.cast(_rows(each), "float32")
        for each in (predictions[:, : num_rows - step], targets)
    )
    scores = dot_products(anchors, candidates)
    positives = same_id(ops.reshape(own, (-1,)), ops.reshape(numbers, (-1,)))
    return Pairs(scores, positives, 1.0 - positives)


def drawn_row_pairs(
    predictions, targets, step, draws, negatives_from="all_replicas"
):
    """Pairs predictions with their targets and with random other locations.

    Args:
        predictions, targets, step: see `row_pairs`.
        draws: float tensor `(images, rows - step, columns, negatives)`,
            uniform in [0, 1). Each stands for a location of the rows from
            `step` on, of any image, possibly of the target itself.
        negatives_from: str. See `dot_product_pairs`.

    Returns:
        `Pairs` with scores `(predictions, 1 + negatives)`, the target first.
    """
    below = targets[:, step:]
    (pool,) = _gathered(negatives_from, below)
    below, pool = _rows(below), _rows(pool)
    anchors = _rows(predictions[:, : targets.shape[1] - step])
    num_locations = ops.cast(ops.shape(pool)[0], "float32")
    drawn = ops.cast(ops.floor(draws * num_locations), "int32")
    drawn = ops.reshape(drawn, (-1, draws.shape[-1]))
    negatives = ops.take(pool, drawn, axis=0)
    candidates = ops.concatenate([below[:, None, :], negatives], axis=1)
    scores = ops.einsum(
        "au,acu->ac", *(ops.cast(x, "float32") for x in (anchors, candidates))
    )
    positives = ops.cast(ops.arange(1 + draws.shape[-1]) == 0, "float32")
    return Pairs(scores, positives[None, :], 1.0 - positives[None, :])


def same_id(anchor_ids, candidate_ids):
    """Returns a mask `(anchors, candidates)` of the pairs with equal ids."""
    return ops.cast(anchor_ids[:, None] == candidate_ids[None, :], "float32")


def soft_clip(scores, limit):
    """Returns `limit tanh(scores / limit)`, or the scores if `limit` is None.

    Section 3.3 of https://arxiv.org/abs/1906.00910.
    """
    return scores if limit is None else limit * ops.tanh(scores / limit)


def dot_products(anchors, candidates):
    """Returns all inner products in float32, `(anchors, candidates, ...)`."""
    # A single matrix product is the fastest.
    products = ops.matmul(anchors, ops.transpose(_rows(candidates)))
    products = ops.cast(products, "float32")
    return ops.reshape(products, (-1, *ops.shape(candidates)[:-1]))


def flat_locations(features):
    """Returns a map or vectors as `(images, locations, channels)`."""
    num_locations = math.prod(features.shape[1:-1])
    return ops.reshape(features, (-1, num_locations, features.shape[-1]))


def _gathered(negatives_from, *tensors):
    """Returns tensors with the rows of all replicas that give negatives."""
    if negatives_from != distribution.ALL_REPLICAS:
        return tensors
    return tuple(map(distribution.concat_replicas, tensors))


def _rows(vectors):
    return ops.reshape(vectors, (-1, vectors.shape[-1]))
