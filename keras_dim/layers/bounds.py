"""A bound with a weight, and all bounds by name, for methods."""

import math

import keras
from keras import layers
from keras import ops

from keras_dim import checks
from keras_dim import configurable
from keras_dim import parts
from keras_dim.mutual_information import bounds


@keras.saving.register_keras_serializable(package="keras_dim")
class NoiseContrastiveBound(configurable.Configurable, layers.Layer):
    """Noise-contrastive estimation with a learned normaliser.

    Its only weight is the logarithm of the normaliser by which the exponentials
    of all scores are divided. It is trained with the critic, and approaches the
    log of the critic's partition function. The optimizers of keras_dim do not
    decay it. All terms of a method share it.

    Args:
        log_normalizer: float. Its initial value. Defaults to 0.

    Example:
    ```python
    bound = keras_dim.layers.NoiseContrastiveBound()
    nats = bound(scores, positives, negatives)
    model = keras_dim.SimCLR(encoder, bound="noise_contrastive")
    ```

    See `mutual_information.bounds.noise_contrastive`.
    """

    def __init__(self, log_normalizer=0.0, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        checks.below(math.inf, log_normalizer=log_normalizer)
        self.log_normalizer = float(log_normalizer)
        self.normalizer = self.add_weight(
            (),
            keras.initializers.Constant(self.log_normalizer),
            # Otherwise half precision would round it within a method.
            autocast=False,
            name="log_normalizer",
        )
        self.built = True

    def __call__(self, scores, positives, negatives):
        # Keras's own refuses `DotProductScores`, as they hold numbers.
        log_normalizer = ops.convert_to_tensor(self.normalizer)
        return bounds.noise_contrastive(
            scores, positives, negatives, log_normalizer
        )

    def ceiling(self, num_negatives):
        """Returns the greatest value; see `mutual_information.Bound`."""
        rest = num_negatives * math.log1p(1 / num_negatives)
        return math.log1p(num_negatives) + rest


BOUNDS = bounds.BOUND_OBJECTS | {"noise_contrastive": NoiseContrastiveBound}


def get(bound):
    """Returns a bound by its name, or the object itself.

    Args:
        bound: str, one of `BOUNDS`; a dict of a name and arguments, such as
            `{"name": "info_nce", "chunk_size": 64}`; or a callable like
            `mutual_information.InfoNCE()`.

    Raises:
        ValueError: for an unknown name or argument.
    """
    made = parts.build("bound", BOUNDS, bound)
    if not callable(made):
        raise ValueError(
            f"`bound` must be one of {list(BOUNDS)}, or a callable such as "
            f"mutual_information.InfoNCE(). Received: {bound!r}"
        )
    return made
