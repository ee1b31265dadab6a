"""SimCLR: tell the other view of an image from the views of all others."""

import keras
from keras import ops

from keras_dim import checks
from keras_dim import distribution
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.layers import bounds
from keras_dim.layers import heads
from keras_dim.methods import base
from keras_dim.mutual_information import pairs
from keras_dim.mutual_information import rankings
from keras_dim.views import pipelines


@keras.saving.register_keras_serializable(package="keras_dim")
class SimCLR(base.SelfSupervisedModel):
    """Simple framework for contrastive learning of visual representations.

    The encoder and a head make a unit vector of each view. With the two views
    of each of N images,

        loss = -InfoNCE(vector_i . vector_j / temperature)

    which is the paper's NT-Xent less its constant, log(2 N - 1). The positive
    of a view is the other view of its image, and the 2 N - 2 views of the
    other images, on all replicas, are the negatives. A view is not paired with
    itself. All views pass the networks in one batch.

    Where `views` has more than two views, each view of an image is a positive
    of each other one, and is told apart from the negatives alone.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"global"`, a
            vector, which is the representation.
        views: layer from images to a dict of two or more views, such as
            `views.TwoViews` or `views.MultiCrop`, with its `names`; or None
            for `keras_dim.views.simclr` at the encoder's image size.
        units: int. Width of the vectors. Defaults to 128.
        num_layers: int. Layers of the head, of which all but the last are as
            wide as the representation, batch-normalised and rectified; the
            last one is batch-normalised, too. 2 in the paper, 3 in version 2,
            1 for a linear head. Defaults to 2.
        temperature: float. Scores are divided by it. Defaults to 0.5, the
            authors' for CIFAR-10; 0.1 for ImageNet.
        bound: str or object. See `DeepInfoMax`. Defaults to `"info_nce"`;
            `"gan"` is the paper's NT-Logistic, and `"margin"` with
            `temperature=1` its margin loss. `"noise_contrastive"` learns a
            normaliser.
        sum_directions: bool. Whether the loss is the sum over both views of
            the means over images, as in the authors' code, which is twice the
            paper's mean over all views. Defaults to `False`.
        negatives_from: str. See `layers.DotProductCritic`.
        seed: int, or None for a random one. Seed of the default views.

    Views: `"view_1"`, `"view_2"`, or the names of `views`.

    Example:
    ```python
    model = keras_dim.SimCLR(keras_dim.encoders.resnet(image_size=32))
    model.compile(keras_dim.optimizers.get("lars", learning_rate=1.0))
    model.fit(keras_dim.data.load("cifar10", batch_size=512), epochs=100)
    ```

    Differs from the authors' code in the first weights of the head, which they
    draw from N(0, 0.01). Batch norm spans all replicas in the encoders of
    keras_dim; others must do so themselves.

    Reference: [Chen et al., 2020](https://arxiv.org/abs/2002.05709); version
    2, [Chen et al., 2020](https://arxiv.org/abs/2006.10029).
    """

    view_names = ("view_1", "view_2")

    def __init__(
        self,
        encoder,
        views=None,
        units=128,
        num_layers=2,
        temperature=0.5,
        bound="info_nce",
        sum_directions=False,
        negatives_from=distribution.ALL_REPLICAS,
        seed=None,
        **kwargs,
    ):
        checks.integers(1, num_layers=num_layers)
        checks.above(0, temperature=temperature)
        checks.one_of(distribution.NEGATIVES, negatives_from=negatives_from)
        width = encoder_features.vector_width(encoder, "global")
        views = views or views_lib.simclr(
            encoder_features.image_size(encoder), seed=seed
        )
        weight = -2.0 if sum_directions else -1.0
        terms = {"contrastive_information": weight}
        super().__init__(encoder, views, terms, **kwargs)
        self.view_names = pipelines.names_of(views, self.view_names)
        self.units = units
        self.num_layers = num_layers
        self.temperature = temperature
        self.bound = bounds.get(bound)
        rankings.check_cosines(self.bound, temperature)
        is_ranking = isinstance(self.bound, rankings.Ranking)
        if is_ranking and len(self.view_names) > 2:
            raise ValueError(
                f"{self.bound} takes one positive to a view: take two views. "
                f"Received: {len(self.view_names)}"
            )
        self.sum_directions = sum_directions
        self.negatives_from = negatives_from
        self.seed = seed
        self.head = heads.mlp(
            width,
            (width,) * (num_layers - 1),
            units,
            batch_norm=True,
            output_bias=False,
            output_norm=True,
        )
        self.built = True

    def ceilings(self, batch_size):
        negatives = len(self.view_names) * (batch_size - 1)
        return {"contrastive_information": self.bound.ceiling(negatives)}

    def outputs(self, views, training):
        images = ops.concatenate([views[name] for name in self.view_names])
        features = self.encoder(images, training=training)["global"]
        vectors = heads.normalized(self.head(features, training=training))
        return ops.split(vectors, len(self.view_names))

    def loss_terms(self, outputs):
        of_views = pairs.view_pairs(
            outputs, self.temperature, self.negatives_from
        )
        return {"contrastive_information": self.bound(*of_views)}
