"""CPC: predict the lower patches of an image from the upper ones."""

import warnings

import keras
from keras import ops
from keras import random

from keras_dim import checks
from keras_dim import distribution
from keras_dim import parts
from keras_dim import views as views_lib
from keras_dim.encoders import features as encoder_features
from keras_dim.encoders import patches
from keras_dim.layers import bounds
from keras_dim.layers import context as context_lib
from keras_dim.layers import initializers
from keras_dim.methods import base
from keras_dim.mutual_information import pairs
from keras_dim.mutual_information import rankings
from keras_dim.views import pipelines

NOT_APART = (
    "The encoder has batch norm, by which patches see each other: CPC may "
    "recognise them by the statistics of their image. Take another norm, as "
    "encoders.patch_resnet does."
)
OVERLAPPING = (
    "Locations of the encoder's map see the same pixels as those {step} rows "
    "below: CPC may recognise them by these alone. Take larger `steps`, or an "
    "encoder of separate patches, such as encoders.patch_resnet."
)


@keras.saving.register_keras_serializable(package="keras_dim")
class CPC(base.SelfSupervisedModel):
    """Contrastive predictive coding of images, versions 1 and 2.

    The encoder turns an image into a grid of vectors `z`, one for each patch.
    A masked network makes a context `c` of each location from its own row and
    those above. From the context at row `r`, the patch `k` rows below is told
    from other patches,

        loss = - mean over k of InfoNCE(scale W_k c_r . V z_{r + k})

    The defaults are version 2 with two steps: targets are projected by `V`, and
    all patches of the batch are negatives. Version 1 is `units=None,
    num_negatives=16, score_scale=1.0`, without `V`.

    Args:
        encoder: `keras.Model` from raw pixels to a dict with `"local"`, a
            square map whose locations do not see each other, such as
            `encoders.patch_resnet`.
        views: layer from images to a dict with `"image"`, or None for
            `keras_dim.views.cpc` at the encoder's image size.
        steps: tuple of int. Rows from a context to its targets. Neighbouring
            patches that overlap share pixels: begin with 2. Defaults to
            `(2, 3)`.
        num_directions: int. 1 predicts downwards, 2 upwards too, 4 also to
            both sides. All share one context network. Defaults to 1.
        units: int, or None for version 1. Width of projected targets. Defaults
            to 64.
        context_units: int. See `layers.context.row_context`. Defaults to 256.
        num_blocks: int. Likewise. Defaults to 5.
        num_negatives: int, or None for all patches of the batch. Number of
            random patches that are drawn, with replacement, for each
            prediction.
        score_scale: float. Scores are multiplied by it. Defaults to 0.1.
        bound: str or object. See `DeepInfoMax`. Defaults to `"info_nce"`.
        negatives_from: str. See `layers.DotProductCritic`.
        patch_views: layer from patches to a dict with `"image"`, or the name of
            one of `keras_dim.views`: `"cpc_patches"`, of version 2. It changes
            each patch of a training batch on its own, before
            `encoders.patch_resnet` encodes it. Defaults to None.
        seed: int, or None for a random one. Seed of the default views and of
            the patches drawn.

    Views: `"image"`.

    Example:
    ```python
    encoder = keras_dim.encoders.patch_resnet(image_size=64)
    model = keras_dim.CPC(encoder)
    model.compile(keras_dim.optimizers.get("adam", learning_rate=2e-4))
    model.fit(keras_dim.data.load("stl10", "unlabelled", batch_size=32))
    ```

    Differs from version 1 in the context network, which is version 2's.
    Patches are drawn as in public versions; the paper takes all others.

    Reference: [van den Oord et al., 2018](https://arxiv.org/abs/1807.03748);
    version 2, [Henaff et al., 2020](https://arxiv.org/abs/1905.09272).
    """

    view_names = ("image",)
    min_images = 1

    def __init__(
        self,
        encoder,
        views=None,
        steps=(2, 3),
        num_directions=1,
        units=64,
        context_units=256,
        num_blocks=5,
        num_negatives=None,
        score_scale=0.1,
        bound="info_nce",
        negatives_from=distribution.ALL_REPLICAS,
        patch_views=None,
        seed=None,
        **kwargs,
    ):
        rows, columns, channels = patches.grid_shape(encoder)
        checks.distinct(1, steps=steps)
        for step in steps:
            checks.integers(1, min(rows, columns) - 1, steps=step)
        checks.one_of((1, 2, 4), num_directions=num_directions)
        optional = {"num_negatives": num_negatives, "units": units}
        checks.integers(1, **checks.given(**optional))
        checks.above(0, score_scale=score_scale)
        if any(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in encoder._flatten_layers()
        ):
            warnings.warn(NOT_APART, stacklevel=2)
        elif not patches.is_of_patches(encoder) and patches.overlap(
            encoder, min(steps)
        ):
            message = OVERLAPPING.format(step=min(steps))
            warnings.warn(message, stacklevel=2)
        checks.one_of(distribution.NEGATIVES, negatives_from=negatives_from)
        views = views or views_lib.cpc(
            encoder_features.image_size(encoder), seed=seed
        )
        if patch_views is not None:
            size = patches.network_of(encoder).input.shape[1]
            patch_views = parts.build(
                "patch_views",
                views_lib.VIEWS,
                patch_views,
                image_size=size,
                seed=pipelines.seeds_from(seed, 1)[0],
            )
        steps = list(steps)
        terms = {f"information_{k}": -1.0 / len(steps) for k in steps}
        super().__init__(encoder, views, terms, **kwargs)
        self.steps = steps
        self.num_directions = num_directions
        self.units = units
        self.context_units = context_units
        self.num_blocks = num_blocks
        self.num_negatives = num_negatives
        self.score_scale = score_scale
        self.bound = bounds.get(bound)
        rankings.check_cosines(self.bound, None)
        self.negatives_from = negatives_from
        self.patch_views = patch_views
        self.seed = seed
        self.context = context_lib.row_context(
            channels, context_units, num_blocks
        )
        width = units or channels
        self.predictors = [
            {f"information_{k}": _linear(channels, width) for k in steps}
            for _ in range(num_directions)
        ]
        self.target = _linear(channels, width) if units else None
        self.seed_generator = random.SeedGenerator(seed)
        self.built = True

    def ceilings(self, batch_size):
        rows, columns = self.encoder.output["local"].shape[1:3]
        negatives = self.num_negatives or batch_size * rows * columns - 1
        return dict.fromkeys(self.term_weights, self.bound.ceiling(negatives))

    def outputs(self, views, training):
        if self.patch_views is not None and training:
            grid = patches.encode(
                self.encoder, views["image"], self.patch_views
            )
        else:
            grid = self.encoder(views["image"], training=training)["local"]
        of_steps = {name: [] for name in self.term_weights}
        for turn, predictors in enumerate(self.predictors):
            # The turned grid is read downwards: down, up, to both sides.
            turned = ops.transpose(grid, (0, 2, 1, 3)) if turn > 1 else grid
            turned = ops.flip(turned, axis=1) if turn % 2 else turned
            context = self.context(turned, training=training)
            targets = self.target(turned) if self.target else turned
            for step, name in zip(self.steps, predictors, strict=True):
                predicted = self.score_scale * predictors[name](context)
                of_steps[name].append(self._pairs(predicted, targets, step))
        return of_steps

    def loss_terms(self, outputs):
        return {
            name: sum(self.bound(*of_turn) for of_turn in turns) / len(turns)
            for name, turns in outputs.items()
        }

    def _pairs(self, predictions, targets, step):
        given = predictions, targets, step
        if self.num_negatives is None:
            return pairs.row_pairs(*given, self.negatives_from)
        rows, columns = targets.shape[1:3]
        shape = (rows - step, columns, self.num_negatives)
        draws = distribution.draw_for_own_rows(
            lambda n: random.uniform((n, *shape), seed=self.seed_generator),
            ops.shape(targets)[0],
        )
        return pairs.drawn_row_pairs(*given, draws, self.negatives_from)


def _linear(num_inputs, units):
    layer = initializers.dense(units, num_inputs, use_bias=False)
    layer.build((None, num_inputs))
    return layer
