"""MoCo: tell an image's key from a queue of the keys of earlier batches."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import distribution
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import bounds
from keras_dim.layers import heads
from keras_dim.layers import memory
from keras_dim.layers import norm
from keras_dim.layers import teacher
from keras_dim.methods import base
from keras_dim.mutual_information import rankings


@keras.saving.register_keras_serializable(package="keras_dim")
class MoCo(base.SelfSupervisedModel):
    """Momentum contrast, versions 1 and 2.

    The encoder and a head make a query of one view of each image, a teacher
    that follows them slowly makes a key of the other. With unit vectors,

        loss = -InfoNCE(query . key / temperature)

    where the key of the same image is the positive, and the keys of earlier
    batches, in a queue, are the negatives. The defaults are version 2; version
    1 is `hidden_units=None, temperature=0.07` with `views.moco_v1`.

    Keys are shuffled between replicas before they pass the teacher, so that
    the statistics of its batch norm do not give the positive away. On one
    device, `num_splits` has the same effect.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`.
        views: layer from images to a dict with `"query"` and `"key"`, or None
            for `keras_dim.views.moco_v2` at the encoder's image size.
        units: int. Width of queries and keys. Defaults to 128.
        hidden_units: int, or None for a linear head. Width of the head's
            hidden layer. Defaults to 2048.
        queue_size: int. Number of negatives. Defaults to 65536. Must not be
            greater than the number of images, as most negatives would be keys
            of the same images.
        momentum: float. Of the teacher. Defaults to 0.999.
        temperature: float. Scores are divided by it. Defaults to 0.2.
        bound: str or object. See `DeepInfoMax`. Defaults to `"info_nce"`.
        symmetric: bool. Whether each view is also the key of the other one: the
            loss is the sum of both directions, and a step stores the keys of
            both views. Defaults to `False`.
        num_splits: int, or None for plain batch norm. Number of parts of a
            batch that the encoder's batch norms normalise separately; see
            `layers.SplitBatchNormalization`.
        seed: int, or None for a random one. Seed of the first queue and of
            the order of keys.

    Views: `"query"`, `"key"`.

    Example:
    ```python
    encoder = keras_dim.encoders.dim_resnet(image_size=32)
    model = keras_dim.MoCo(encoder, queue_size=4096, momentum=0.99)
    model.compile(keras_dim.optimizers.get("sgd", learning_rate=0.03, l2=1e-4))
    model.fit(keras_dim.data.load("cifar10", batch_size=256), epochs=200)
    ```

    Differs from the authors' code in that queue and batch may have any sizes,
    and in that the teacher moves at the start of a step instead of within it,
    which makes no difference.

    Reference: [He et al., 2020](https://arxiv.org/abs/1911.05722) and
    [Chen et al., 2020](https://arxiv.org/abs/2003.04297).
    """

    view_names = ("query", "key")
    min_images = 1

    def __init__(
        self,
        encoder,
        views=None,
        units=128,
        hidden_units=2048,
        queue_size=65536,
        momentum=0.999,
        temperature=0.2,
        bound="info_nce",
        symmetric=False,
        num_splits=None,
        seed=None,
        **kwargs,
    ):
        checks.above(0, temperature=temperature)
        checks.integers(1, **checks.given(num_splits=num_splits))
        width = encoder_features.vector_width(encoder, "global")
        if num_splits is not None:
            encoder = norm.split_batch_norms(encoder, num_splits)
        views = views or views_lib.moco_v2(
            encoder_features.image_size(encoder), seed=seed
        )
        terms = {"contrastive_information": -2.0 if symmetric else -1.0}
        super().__init__(encoder, views, terms, **kwargs)
        self.units = units
        self.hidden_units = hidden_units
        self.queue_size = queue_size
        self.momentum = momentum
        self.temperature = temperature
        self.bound = bounds.get(bound)
        rankings.check_cosines(self.bound, temperature)
        self.symmetric = symmetric
        self.num_splits = num_splits
        self.seed = seed
        self.head = heads.mlp(width, hidden_units, units)
        self.teacher = teacher.Teacher([encoder, self.head], momentum)
        self.queue = memory.FeatureQueue(queue_size, units, seed)
        self.order = keras.random.SeedGenerator(seed)
        self.built = True

    def check_num_images(self, num_images, is_exact=True):
        if self.queue_size > num_images:
            raise ValueError(
                f"A queue of {self.queue_size:,} keys is larger than the data "
                f"set of {num_images:,} images, so that most negatives would "
                "be keys of the same images: set a smaller `queue_size`"
            )

    def ceilings(self, batch_size):
        return {"contrastive_information": self.bound.ceiling(self.queue_size)}

    def before_step(self):
        self.teacher.follow(self.steps_per_update)

    def outputs(self, views, training):
        names = [self.view_names, self.view_names[::-1]][: 1 + self.symmetric]
        queries = [self._query(views[name], training) for name, _ in names]
        keys = [self._key(views[name], training) for _, name in names]
        # The directions of an image follow each other, as on one device.
        return [
            ops.reshape(ops.stack(vectors, axis=1), (-1, self.units))
            for vectors in (queries, keys)
        ]

    def _query(self, images, training):
        features = self.encoder(images, training=training)["global"]
        return heads.normalized(self.head(features, training=training))

    def _key(self, images, training):
        if not training:
            return heads.normalized(self.teacher(images, training=False))
        images, order = distribution.shuffle_rows(images, self.order)
        key = heads.normalized(self.teacher(images, training=True))
        return distribution.unshuffle_rows(key, order)

    def loss_terms(self, outputs):
        query, key = outputs
        own = ops.sum(query * key, axis=-1, keepdims=True)
        queued = ops.matmul(query, ops.transpose(self.queue.read()))
        scores = ops.concatenate([own, queued], axis=1) / self.temperature
        # The own key comes first.
        positives = ops.cast(ops.arange(1 + self.queue_size) == 0, "float32")
        positives = positives[None, :]
        information = self.bound(scores, positives, 1.0 - positives)
        return {"contrastive_information": information}

    def after_loss(self, outputs):
        self.queue.enqueue(distribution.concat_replicas(outputs[1]))
