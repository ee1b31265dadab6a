"""A bank of features, one for each image of a data set."""

import keras
from keras import layers
from keras import ops

from keras_dim import configurable
from keras_dim import distribution


@keras.saving.register_keras_serializable(package="keras_dim")
class MemoryBank(configurable.Configurable, layers.Layer):
    """Keeps a slowly moving feature of each image of a data set.

    An update makes of an image's row `normalize(momentum * row +
    (1 - momentum) * feature)`. The rows start uniform in
    `+-1 / sqrt(units / 3)`, as in the authors' code: of length 1 on average
    only. The bank's weight is float32 whatever the policy, gets no gradient,
    and is saved with the model.

    On several replicas, update with what `distribution.concat_replicas`
    returns: each replica holds its own copy, and all must write the same.

    Args:
        num_images: int. Number of images in the data set.
        units: int. Width of a feature.
        momentum: float. Weight of a row's past, from 0 to 1. Defaults to 0.5.
        seed: int or None for a random one. Seed of the first rows.

    Example:
    ```python
    bank = MemoryBank(num_images=50_000, units=128)
    rows = bank.read(indices)
    bank.update(
        distribution.concat_replicas(indices),
        distribution.concat_replicas(features),
    )
    ```

    Reference: [Wu et al., 2018](https://arxiv.org/abs/1805.01978).
    """

    def __init__(self, num_images, units, momentum=0.5, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if num_images < 1 or units < 1:
            raise ValueError(
                "`num_images` and `units` must be 1 or more. Received: "
                f"num_images={num_images}, units={units}"
            )
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(
                f"`momentum` must be from 0 to 1. Received: {momentum}"
            )
        self.num_images = num_images
        self.units = units
        self.momentum = momentum
        self.seed = seed
        bound = (units / 3) ** -0.5
        self.features = self.add_weight(
            name="features",
            shape=(num_images, units),
            initializer=keras.initializers.RandomUniform(-bound, bound, seed),
            trainable=False,
            # Half precision would round them where a method reads them.
            autocast=False,
        )
        self.built = True

    def read(self, indices=None):
        """Returns rows of the bank in float32.

        Args:
            indices: int tensor of any shape, or None for all rows. Numbers of
                images in the data set.

        Returns:
            Tensor `(*shape of the indices, units)`, or `(num_images, units)`.
        """
        if indices is None:
            rows = ops.convert_to_tensor(self.features)
        else:
            rows = distribution.read_rows(self.features, indices)
        return ops.stop_gradient(rows)

    def update(self, indices, features):
        """Moves rows of the bank; where an image comes twice, its last counts.

        Args:
            indices: int tensor `(batch,)`. Numbers of the images in the data
                set.
            features: tensor `(batch, units)`. Of length 1, if the rows are to
                weigh what `momentum` says.
        """
        if len(indices.shape) != 1 or tuple(features.shape)[1:] != (
            self.units,
        ):
            raise ValueError(
                "The bank takes indices (batch,) and features (batch, "
                f"{self.units}). Received: shapes {tuple(indices.shape)} and "
                f"{tuple(features.shape)}"
            )
        features = ops.cast(ops.stop_gradient(features), "float32")
        # Where rows are written in parallel, any of several may win.
        features = ops.take(features, _last_places(indices), axis=0)
        old = self.read(indices)
        new = self.momentum * old + (1.0 - self.momentum) * features
        distribution.write_rows(
            self.features, indices, ops.normalize(new, axis=-1)
        )


def _last_places(indices):
    """Returns for each index the last place where it stands."""
    is_equal = ops.equal(indices[:, None], ops.flip(indices)[None, :])
    return ops.shape(indices)[0] - 1 - ops.argmax(is_equal, axis=1)
