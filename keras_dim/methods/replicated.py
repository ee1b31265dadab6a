"""A `keras.Model` that several devices train as one does.

Each method here mends one shortcoming of Keras 3. `tests/methods/keras_test.py`
fails once Keras has mended it itself, except for the two that show only under
several workers.
"""

import keras
from keras import ops

from keras_dim import batches
from keras_dim import configurable
from keras_dim import distribution
from keras_dim.encoders import stored_values
from keras_dim.layers import norm

RANDOM_STATE = "random_state_"
RUNNING_MEAN = "running_mean_"


class ReplicatedModel(configurable.Configurable, keras.Model):
    """Base of methods: equal training on one device and on several."""

    # Least number of images in a batch: one, and another as its negative.
    min_images = 2
    why_min_images = "a batch of one image has no negatives"
    # Names of the views that a batch may hold instead of images.
    view_names = ()
    # Of a method with a memory bank: rows of it, one for each image.
    num_images = None

    def fit(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Trains the encoder; see `keras.Model.fit`. Labels are ignored."""
        self._refuse_what_keras_cannot_distribute()
        self._agree_on_finite_gradients()
        if not batches.is_whole(x):
            # Keras cannot shuffle a data set, and warns of it by default.
            kwargs.setdefault("shuffle", False)
        num_images = batches.num_images_of(x)
        size = batch_size or 32
        x = self._checked("fit", x, kwargs, size)
        validation = kwargs.get("validation_data")
        if validation is not None:
            # Now, and not after the first epoch.
            size = kwargs.get("validation_batch_size") or size
            self._checked("validation_data", validation, {}, size)
        if num_images is not None:
            self.check_num_images(*num_images)
        with distribution.value_errors():
            return super().fit(x, y, batch_size, *args, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, *args, **kwargs):
        """Returns the loss and its terms; see `keras.Model.evaluate`."""
        x = self._checked("evaluate", x, kwargs, batch_size or 32)
        with distribution.value_errors():
            return super().evaluate(x, y, batch_size, *args, **kwargs)

    def train_on_batch(self, x, *args, **kwargs):
        """Trains on one batch; see `keras.Model.train_on_batch`."""
        x = self._checked("train_on_batch", x, kwargs)
        with distribution.value_errors():
            return super().train_on_batch(x, *args, **kwargs)

    def test_on_batch(self, x, *args, **kwargs):
        """Returns the loss of one batch; see `keras.Model.test_on_batch`."""
        x = self._checked("test_on_batch", x, kwargs)
        with distribution.value_errors():
            return super().test_on_batch(x, *args, **kwargs)

    @property
    def steps_per_update(self):
        """Number of steps over which the optimizer accumulates gradients."""
        optimizer = getattr(self, "optimizer", None)
        # Loss scaling wraps the optimizer that accumulates.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        return getattr(optimizer, "gradient_accumulation_steps", None) or 1

    def check_num_images(self, num_images, is_exact=True):
        """Raises a `ValueError` for a data set of a size that does not fit.

        If not `is_exact`, the data set has at most so many images.
        """
        if self.num_images is None:
            return
        gap = self.num_images - num_images
        if gap > 0 or (is_exact and gap):
            raise ValueError(
                f"The memory bank has rows for {self.num_images:,} images, and "
                f"the data set has {num_images:,}: set `num_images` to that, "
                "or train on a part of a data set by train_on_batch"
            )

    def _checked(self, who, x, arguments, batch_size=None):
        batches.refuse_supervision(
            class_weight=arguments.get("class_weight"),
            sample_weight=arguments.get("sample_weight"),
            loss=self._compile_loss,
            metrics=self._compile_metrics,
        )
        checked = batches.checked(
            x,
            min_images=self.min_images,
            who=f"`{who}`",
            why=self.why_min_images,
            batch_size=batch_size,
            view_names=self.view_names,
            num_images=self.num_images,
            values=stored_values.value_range(self.encoder),
        )
        batches.refuse_sequence(checked, f"`{who}`")
        return checked

    if keras.backend.backend() == "tensorflow":

        def train_step(self, data):
            return _with_axis(super().train_step(_with_rows(data)))

        def test_step(self, data):
            return _with_axis(super().test_step(_with_rows(data)))

        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            # The model is built already. Keras would take a batch from the
            # epoch to build it, and fails on dicts under several workers
            # (issue 20329).
            if self.optimizer is not None and not self.optimizer.built:
                with self.distribute_strategy.scope():
                    self.optimizer.build(self.trainable_variables)

    else:

        def _symbolic_build(self, iterator=None, data_batch=None):
            # Likewise, on JAX.
            if self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    @classmethod
    def from_config(cls, config):
        # TensorFlow alone has synchronised batch norm.
        return super().from_config(norm.loadable(config))

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and config | self._place()

    def compile_from_config(self, config):
        place = self._place()
        config = dict(config)
        saved_in = {name: config.pop(name, None) for name in place}
        if saved_in != place:
            # Keras saves the value that "auto" was resolved to, which may be
            # another one here.
            config["jit_compile"] = "auto"
        if saved_in["num_replicas"] != place["num_replicas"]:
            # Keras also saves whether batch norms are synchronised. With the
            # same number of replicas, a user's own choice stays.
            norm.synchronize(self, place["num_replicas"])
        super().compile_from_config(config)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # Keras leaves out seed generators, and with them the next draws of a
        # resumed run.
        for index, state in enumerate(self._random_states()):
            store[f"{RANDOM_STATE}{index}"] = ops.convert_to_numpy(state)
        # And metrics, and with them the logs of an unfinished epoch.
        for index, part in enumerate(self.metrics_variables):
            store[f"{RUNNING_MEAN}{index}"] = ops.convert_to_numpy(part)

    def load_own_variables(self, store):
        own = {name: store[name] for name in store.keys()}
        for index, state in enumerate(self._random_states()):
            state.assign(own.pop(f"{RANDOM_STATE}{index}"))
        names = [name for name in own if name.startswith(RUNNING_MEAN)]
        means = {name: own.pop(name) for name in names}
        # A model that is not compiled has no mean of its loss.
        if len(means) == len(self.metrics_variables):
            for index, part in enumerate(self.metrics_variables):
                part.assign(means[f"{RUNNING_MEAN}{index}"])
        super().load_own_variables(own)

    def _place(self):
        """Returns the settings that Keras saves and that depend on devices."""
        return {
            "backend": keras.backend.backend(),
            "num_replicas": distribution.num_replicas_of(self),
        }

    def _refuse_what_keras_cannot_distribute(self):
        # Keras would fail deep inside a step: issues 17187, 20763, 20582.
        num_replicas = distribution.num_replicas_of(self)
        if num_replicas == 1 or not self.compiled:
            return
        for option, is_set in (
            ("jit_compile=True", self.jit_compile),
            ("gradient_accumulation_steps", self.steps_per_update > 1),
        ):
            if is_set:
                raise ValueError(
                    f"Keras cannot use {option} under several replicas: leave "
                    "it out, or train on one device. Received: "
                    f"{num_replicas} replicas"
                )

    def _agree_on_finite_gradients(self):
        # Keras checks the gradients of the first replica alone, and then
        # applies those of all replicas (since its pull request 18691).
        optimizer = getattr(self, "optimizer", None)
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer.check_finite = lambda gradients: (
                distribution.holds_everywhere(
                    type(optimizer).check_finite(optimizer, gradients)
                )
            )

    def _random_states(self):
        return [
            variable
            for variable in self.variables
            if variable.path.endswith("seed_generator_state")
        ]


def _with_rows(data):
    """Refuses a batch of which a replica has no image: means would be NaN."""
    return keras.tree.map_structure(distribution.refuse_no_rows, data)


def _with_axis(logs):
    """Gives logs the axis along which those of several workers are joined.

    MultiWorkerMirroredStrategy reduces scalars along an axis that they do not
    have; issue 20585 of Keras.
    """
    if not distribution.is_multi_worker():
        return logs
    return {name: ops.reshape(value, (1,)) for name, value in logs.items()}
