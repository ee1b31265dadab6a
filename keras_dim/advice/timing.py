"""Times a few training steps of a recipe, and their memory."""

import dataclasses
import math
import sys
import time

import keras
import numpy as np

from keras_dim import data
from keras_dim.data import reading
from keras_dim.training import Recipe
from keras_dim.views import show

# Number of first steps, which include tracing and compilation, and the largest
# number of steps that are timed after these.
_NUM_FIRST = 2
_MOST_STEPS = 30
# Batches to an epoch. All have the same images, so that few have to be read.
_NUM_BATCHES = 4


@dataclasses.dataclass(frozen=True)
class Timing:
    """The speed of training steps, with all other load of the machine.

    Attributes:
        num_steps: int. Steps that were timed, after the first two.
        images_per_second, views_per_second: float. Rates of these steps.
        first_seconds: float. Duration of the first two steps, with compilation.
        peak_mib: float or None. Peak memory of the process so far, in MiB, or
            None where the system does not tell.
        num_parameters: int. Parameters of the encoder.
    """

    num_steps: int
    images_per_second: float
    views_per_second: float
    first_seconds: float
    peak_mib: float | None
    num_parameters: int


def measure(recipe: Recipe, seconds: float = 60.0) -> Timing:
    """Runs real training steps of a recipe on its images.

    Args:
        recipe: `Recipe`.
        seconds: float. No step is begun after so many seconds, except the
            first three. Defaults to `60.0`.

    Returns:
        `Timing`.

    Raises:
        ValueError, FileNotFoundError: for a recipe that cannot be trained.
    """
    source = recipe.open_source()
    rows = np.random.default_rng(0).permutation(source.num_images)
    batch = reading.Epoch(source, recipe.batch_size, rows, fill=True).batch(0)
    images = np.concatenate(_NUM_BATCHES * [batch["image"]])
    held = data.open_source(images, values=recipe.how_read)
    recipe = recipe.measured(held)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.dtype_policy)
    try:
        keras.utils.set_random_seed(recipe.seed)
        steps = math.ceil(source.num_images / recipe.batch_size)
        model = recipe.build_model(held.image_shape, steps, source.num_images)
        model.compile(recipe.build_optimizer(steps))
        clock = _Clock(seconds)
        model.fit(
            data.load(held, batch_size=recipe.batch_size),
            epochs=_NUM_FIRST + _MOST_STEPS,
            callbacks=[clock],
            shuffle=False,
            verbose=0,
        )
    finally:
        keras.config.set_dtype_policy(policy)
    seconds = clock.seconds_of_steps
    rate = recipe.batch_size / float(np.median(seconds[_NUM_FIRST:]))
    drawn = show.draw_views(model.views, held.images[:1], num_rounds=1)
    return Timing(
        num_steps=len(seconds) - _NUM_FIRST,
        images_per_second=rate,
        views_per_second=rate * len(drawn),
        first_seconds=sum(seconds[:_NUM_FIRST]),
        peak_mib=_peak_mib(),
        num_parameters=model.encoder.count_params(),
    )


class _Clock(keras.callbacks.Callback):
    """Times each step, and stops after enough of them."""

    def __init__(self, most_seconds):
        super().__init__()
        self.end = time.monotonic() + most_seconds
        self.seconds_of_steps = []

    def on_train_batch_begin(self, batch, logs=None):
        self._begin = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        # Devices work asynchronously: this waits for the step's end.
        float(logs["loss"])
        now = time.monotonic()
        self.seconds_of_steps.append(now - self._begin)
        num_steps = len(self.seconds_of_steps) - _NUM_FIRST
        if num_steps >= _MOST_STEPS or (num_steps > 0 and now > self.end):
            self.model.stop_training = True


def _peak_mib():
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In bytes on macOS, in KiB elsewhere.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
