"""Pre-trains within minutes, entirely on the device."""

import functools
import math
import time

import gpu_data
import gpu_device
import gpu_encoder
import gpu_speed
import gpu_steps
import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_dim import encoders
from keras_dim import optimizers
from keras_dim.data import reading

# Changes of a method's recipe for a GPU. Without a number of steps, which is
# known only after timing, teachers keep one momentum.
CHANGES = {
    "amdim": {
        "encoder.base_width": 128,
        "encoder.representation_units": 1024,
        "encoder.depth": 3,
        "optimizer.learning_rate": 4e-4,
        "batch_size": 256,
    },
    "byol": {"method.num_steps": None},
    "raft": {"method.num_steps": None},
}
NEIGHBORS = (20, 200)
TEMPERATURE = 0.07
# Seconds of timed calls before the number of steps is fixed, and the share of
# the remaining time to plan for.
TIMED_SECONDS = 5.0
PLANNED = 0.97


def run(options, report):
    """Returns whether the training reached the end of its schedule."""
    begin = options.deadline - 60 * options.minutes
    recipe = recipe_of(options.method, options.set)
    images = gpu_data.read(options.data)
    training = Training(options, recipe, images)
    report(
        "training",
        method=options.method,
        recipe=recipe.to_dict(),
        trained_images=len(training.trained),
        held_out_images=len(training.held_out),
        encoder_parameters=training.model.encoder.count_params(),
        gflop_per_image=training.flops_per_image / 1e9,
    )

    def scored(kind="score", is_test=False):
        started = time.time()
        scores = training.scores(is_test)
        report(
            kind,
            step=training.step,
            **training.amount(training.step),
            minutes=(started - begin) / 60,
            **scores,
            loss=training.loss,
            rate=training.rate,
            seconds=round(time.time() - started, 2),
        )
        training.save(options.output)
        return time.time() - started

    training.scores()  # Compiles it: the next call is timed.
    score_seconds = scored("untrained")
    training.call()
    report("compiled", seconds=time.time() - begin)
    started, before = time.time(), training.step
    while time.time() < started + TIMED_SECONDS:
        training.call()
    seconds = (time.time() - started) / (training.step - before)
    # Scoring test images takes at most ten times as long as held-out ones.
    last = options.deadline - 5.0 - 3 * score_seconds
    left = last - time.time()
    num_scores = left / 60 / options.score_minutes
    left -= num_scores * score_seconds
    num_steps = training.step + int(PLANNED * left / seconds)
    training.plan(min(num_steps, options.max_steps or num_steps))
    rate = recipe.batch_size / seconds
    report(
        "schedule",
        images_per_second=rate,
        tflops=rate * training.flops_per_image / 1e12,
        steps=training.num_steps,
        **training.amount(training.num_steps),
    )
    due = time.time() + 60 * options.score_minutes
    while training.step < training.num_steps and time.time() < last:
        training.call()
        if not math.isfinite(training.loss):
            raise FloatingPointError(f"The loss is {training.loss}")
        if time.time() >= due and training.step < training.num_steps:
            scored()
            due += 60 * options.score_minutes
    scored("final score")
    scored("test score", is_test=True)
    is_done = training.step >= training.num_steps
    report("trained", whole_schedule=is_done, step=training.step)
    return is_done


def recipe_of(method, changes=()):
    """Returns the recipe of a method, changed for a GPU and by the options."""
    recipe = gpu_speed.recipe_of(method).replace(**CHANGES.get(method, {}))
    return recipe.replace(**dict(change.split("=", 1) for change in changes))


class Training:
    """A method, its state on the device, and the images there.

    Args:
        options: the command's options.
        recipe: `Recipe`. Its schedule, epochs and seed are not used.
        images: dict. A pair of images and labels for `"train"` and `"test"`.
    """

    def __init__(self, options, recipe, images):
        self.options = options
        self.recipe = recipe
        all_images, self.labels = images["train"]
        self.test_images, self.test_labels = images["test"]
        # Every n-th image, so that classes stay balanced in any order.
        shuffled = reading.permutation(0, len(all_images))
        self.held_out = np.sort(shuffled[: options.held_out])
        self.trained = np.sort(shuffled[options.held_out :])
        batch_size = recipe.batch_size
        if len(self.trained) < batch_size:
            raise ValueError(
                f"{len(self.trained)} images are fewer than a batch of "
                f"{batch_size}"
            )
        keras.config.set_dtype_policy(recipe.dtype_policy)
        keras.utils.set_random_seed(options.seed)
        device = jax.devices()[0]
        with gpu_device.made_on_cpu():
            self.model = recipe.build_model(
                all_images.shape[1:], num_images=len(self.trained)
            )
            self.model.compile(optimizers.get(**recipe.optimizer))
            state = jax.tree.map(np.asarray, gpu_steps.state_of(self.model))
        self.state = jax.device_put(state, device)
        self.all_images = all_images
        self.images = jax.device_put(all_images[self.trained], device)
        self.peak_rate = recipe.optimizer.get("learning_rate", 1e-3)
        self.step, self.num_steps = 0, None
        self.loss = self.rate = None
        self._steps = jax.jit(
            gpu_steps.train_steps(self.model), donate_argnums=0
        )
        self._encode = jax.jit(self._features)

    @functools.cached_property
    def flops_per_image(self):
        """The operations of a training step, per image."""
        steps = self._next_steps(0, self.options.steps_per_call)
        traced = self._steps.trace(self.state, self.images, *steps)
        num_images = steps[0].size
        return gpu_steps.operations(traced.jaxpr.jaxpr) / num_images

    def amount(self, num_steps):
        """Returns the numbers of images, views and epochs of some steps."""
        num_images = num_steps * self.recipe.batch_size
        return {
            "images": num_images,
            "views": num_images * max(1, len(self.model.view_names)),
            "epochs": num_images / len(self.trained),
        }

    def plan(self, num_steps):
        """Fixes the step at which the learning rate reaches zero."""
        size = self.options.steps_per_call
        num_steps = max(num_steps, self.step + size)
        self.num_steps = self.step + size * round(
            (num_steps - self.step) / size
        )

    def call(self):
        """Trains `steps_per_call` steps."""
        indices, rates = self._next_steps(
            self.step, self.options.steps_per_call
        )
        self.state, logs = self._steps(self.state, self.images, indices, rates)
        self.step += len(rates)
        # This waits for the device.
        self.loss, self.rate = float(logs["loss"]), float(rates[-1])

    def _next_steps(self, first, number):
        """Returns the images and learning rates of steps from `first` on."""
        size = self.recipe.batch_size
        per_epoch = len(self.trained) // size
        indices = []
        for step in range(first, first + number):
            epoch, place = divmod(step, per_epoch)
            rows = _epoch_order(self.options.seed, epoch, len(self.trained))
            indices.append(rows[place * size : (place + 1) * size])
        rates = [self._rate_of(step) for step in range(first, first + number)]
        return np.stack(indices).astype("int32"), np.array(rates, "float32")

    def _rate_of(self, step):
        warmup = self.options.warmup_steps
        rate = self.peak_rate * min(1.0, (step + 1) / max(1, warmup))
        if self.num_steps is None:
            return rate
        begin = min(warmup, self.num_steps - 1)
        share = (step - begin) / (self.num_steps - begin)
        return rate * (1 + math.cos(math.pi * min(max(share, 0.0), 1.0))) / 2

    def _encoder_state(self):
        """Returns the trained encoder's arrays, in the order of `weights`."""
        trainable, others, *_ = self.state
        variables = [
            *self.model.trainable_variables,
            *self.model.non_trainable_variables,
        ]
        arrays = [*trainable, *others]
        known = {id(v): a for v, a in zip(variables, arrays, strict=True)}
        return [known[id(v)] for v in self.model.encoder.weights]

    def _features(self, weights, images):
        encoder = self.model.encoder
        before = zip(encoder.weights, weights, strict=True)
        with keras.StatelessScope(list(before)):
            features = encoder(images, training=False)
        features = features[encoders.default_feature(encoder)]
        features = features.reshape((len(images), -1)).astype("float32")
        norms = jnp.linalg.norm(features, axis=1, keepdims=True)
        return features / jnp.maximum(norms, 1e-12)

    def features(self, images):
        """Returns features of length one, `(images, width)`."""
        size, weights = self.options.score_batch, self._encoder_state()
        found = []
        for first in range(0, len(images), size):
            some = images[first : first + size]
            missing = size - len(some)
            padded = np.concatenate([some, some[:1].repeat(missing, 0)])
            found.append(self._encode(weights, padded)[: len(some)])
        return jnp.concatenate(found)

    def scores(self, is_test=False):
        """Returns the accuracy of neighbours among labelled images.

        The neighbours of held-out images are training images; those of test
        images are both.
        """
        if is_test:
            rows = np.arange(len(self.all_images))
            images, labels = self.test_images, self.test_labels
        else:
            rows = self.trained
            images = self.all_images[self.held_out]
            labels = self.labels[self.held_out]
        bank, queries = map(self.features, (self.all_images[rows], images))
        return neighbors(bank, self.labels[rows], queries, labels)

    def save(self, folder):
        """Writes the current encoder."""
        weights = [np.asarray(each) for each in self._encoder_state()]
        return gpu_encoder.save(
            folder,
            self.model.encoder,
            weights,
            self.step,
            self.options.piece_bytes,
        )


@functools.lru_cache(maxsize=2)
def _epoch_order(seed, epoch, size):
    return reading.permutation(reading.epoch_seed(seed, epoch), size)


def neighbors(bank, bank_labels, queries, labels, chunk=1000):
    """Returns the accuracy by nearest neighbours, on the device.

    They are weighted as in `evaluation.nearest_neighbors`: a neighbour of
    similarity `s` votes with `exp(s / 0.07)`.

    Args:
        bank, queries: arrays `(rows, width)` of vectors of length one.
        bank_labels, labels: int arrays. Their classes.

    Returns:
        dict from `"neighbors_20"` and `"neighbors_200"` to accuracies; with
        fewer rows in the bank there are fewer neighbours.
    """
    num_classes = int(max(bank_labels.max(), labels.max())) + 1
    counts = {f"neighbors_{k}": min(k, len(bank_labels)) for k in NEIGHBORS}
    right = dict.fromkeys(counts, 0)
    for first in range(0, len(labels), chunk):
        guesses = _guesses(
            bank,
            bank_labels,
            queries[first : first + chunk],
            tuple(counts.values()),
            num_classes,
        )
        for name, guess in zip(counts, guesses, strict=True):
            found = np.asarray(guess) == labels[first : first + chunk]
            right[name] += int(np.sum(found))
    return {name: number / len(labels) for name, number in right.items()}


@functools.partial(jax.jit, static_argnums=(3, 4))
def _guesses(bank, bank_labels, queries, counts, num_classes):
    similarities = jnp.matmul(queries, bank.T, precision="highest")
    nearest, places = jax.lax.top_k(similarities, max(counts))
    weights = jnp.exp((nearest - nearest[:, :1]) / TEMPERATURE)
    votes = jax.nn.one_hot(bank_labels[places], num_classes)
    votes = votes * weights[..., None]
    return [jnp.argmax(jnp.sum(votes[:, :k], axis=1), axis=1) for k in counts]
