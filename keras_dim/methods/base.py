"""What every self-supervised method shares, and nothing else."""

import inspect

import keras
from keras import ops

from keras_dim import distribution
from keras_dim.layers import norm

RANDOM_STATE = "random_state_"
RUNNING_MEAN = "running_mean_"


class SelfSupervisedModel(keras.Model):
    """Trains an encoder from unlabelled images.

    A method says what it makes of a batch (`call`), which scalars it looks at
    (`loss_terms`) and how they make up what is minimised (`objective`). The
    trained product is `self.encoder`, a plain functional `keras.Model`.

    `fit` takes arrays or datasets of images, of pairs of images and labels,
    which are not looked at, or of dicts with `"image"`.

    Every argument of a subclass's `__init__` is kept as an attribute of the
    same name, as `get_config` reads it there; all layers are built there too,
    so that a saved model has every weight to be loaded into.

    Args:
        loss_term_names: tuple of str. Names of the terms, logged one by one.
        **kwargs: `name`, `dtype` and `trainable`, handed on to Keras.
    """

    def __init__(self, loss_term_names, **kwargs):
        super().__init__(**kwargs)
        self._loss_term_means = {
            name: keras.metrics.Mean(name=name) for name in loss_term_names
        }

    def loss_terms(self, inputs, outputs):
        """Returns a dict of scalars, one for each of `loss_term_names`."""
        raise NotImplementedError

    def objective(self, terms):
        """Returns the scalar to minimise, made of the terms."""
        raise NotImplementedError

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        terms = self.loss_terms(inputs=x, outputs=y_pred)
        for name, mean in self._loss_term_means.items():
            mean.update_state(terms[name])
        loss = self.objective(terms)
        for extra in self.losses:
            loss += ops.cast(extra, "float32")
        return distribution.scale_loss(loss)

    def fit(self, x=None, *args, **kwargs):
        self._refuse_what_keras_cannot_distribute()
        self._agree_on_finite_gradients()
        if hasattr(x, "element_spec") or isinstance(x, keras.utils.PyDataset):
            # Keras cannot shuffle a dataset of TensorFlow, and by default
            # warns of it; the order of ours is that of a seed.
            kwargs.setdefault("shuffle", False)
        return super().fit(x, *args, **kwargs)

    def predict(self, x, **kwargs):
        """Returns the encoder's global vectors, shape `(images, units)`.

        Args:
            x: array or dataset (of TensorFlow, or of `keras_dim.data.load`)
                of what `fit` takes.
            **kwargs: handed on to `keras.Model.predict`.
        """
        if hasattr(x, "map"):
            x = x.map(lambda *batch: images_of(batch[0]))
        return self.encoder.predict(images_of(x), **kwargs)["global"]

    if keras.backend.backend() == "tensorflow":

        def train_step(self, data):
            data = _with_images(data)
            return _logs_of_workers(super().train_step(data))

        def test_step(self, data):
            data = _with_images(data)
            return _logs_of_workers(super().test_step(data))

        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            # The model is built already. Stock Keras would take a batch from
            # the epoch to build it, and fails on dicts of several workers.
            if self.optimizer is not None and not self.optimizer.built:
                with self.distribute_strategy.scope():
                    self.optimizer.build(self.trainable_variables)

    else:

        def _symbolic_build(self, iterator=None, data_batch=None):
            # Likewise; but metrics of a user's own still need that batch.
            if self._compile_metrics or self._compile_loss:
                super()._symbolic_build(iterator, data_batch)
            elif self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)

    def get_config(self):
        arguments = inspect.signature(type(self).__init__).parameters
        return super().get_config() | {
            name: keras.saving.serialize_keras_object(getattr(self, name))
            for name in arguments
            if name not in ("self", "kwargs")
        }

    @classmethod
    def from_config(cls, config):
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict) and name != "dtype"
                else value
                for name, value in norm.loadable(config).items()
            }
        )

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and config | self._place()

    def compile_from_config(self, config):
        place = self._place()
        config = dict(config)
        saved_in = {name: config.pop(name, None) for name in place}
        if saved_in != place:
            # Keras saves what "auto" came to, which here may be another.
            config["jit_compile"] = "auto"
        if saved_in["num_replicas"] != place["num_replicas"]:
            # Keras also saves whether batch norms are synchronised. In the
            # same place that is left as it was, be it a user's own choice.
            norm.synchronize(self, place["num_replicas"])
        super().compile_from_config(config)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # Keras leaves these out, and with them a resumed run's next draws.
        for index, state in enumerate(self._random_states()):
            store[f"{RANDOM_STATE}{index}"] = ops.convert_to_numpy(state)
        # And these, of an epoch that is not over, and with them its logs.
        for index, part in enumerate(self.metrics_variables):
            store[f"{RUNNING_MEAN}{index}"] = ops.convert_to_numpy(part)

    def load_own_variables(self, store):
        own = {name: store[name] for name in store.keys()}
        for index, state in enumerate(self._random_states()):
            state.assign(own.pop(f"{RANDOM_STATE}{index}"))
        means = [name for name in own if name.startswith(RUNNING_MEAN)]
        means = {name: own.pop(name) for name in means}
        # A model that is not compiled has no mean of its loss.
        if len(means) == len(self.metrics_variables):
            for index, part in enumerate(self.metrics_variables):
                part.assign(means[f"{RUNNING_MEAN}{index}"])
        super().load_own_variables(own)

    def _place(self):
        """Returns what decides over settings that Keras saves."""
        return {
            "backend": keras.backend.backend(),
            "num_replicas": distribution.num_replicas_of(self),
        }

    def _refuse_what_keras_cannot_distribute(self):
        # Keras would fail deep inside a step: its issues 17187 and 20582.
        if distribution.num_replicas_of(self) == 1 or not self.compiled:
            return
        accumulation = self.optimizer.gradient_accumulation_steps
        for option, is_set in (
            ("jit_compile=True", self.jit_compile),
            ("gradient_accumulation_steps", accumulation),
        ):
            if is_set:
                raise ValueError(
                    f"Keras cannot use {option} under a tf.distribute strategy "
                    f"of several replicas: leave it out, or train on one "
                    f"device. Received: {distribution.num_replicas_of(self)} "
                    "replicas"
                )

    def _agree_on_finite_gradients(self):
        # Keras asks the first replica alone whether its gradients are finite,
        # and then applies those of all of them.
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


def images_of(inputs):
    """Returns the images of a batch, be it a tensor or a dict with more."""
    if isinstance(inputs, dict):
        if "image" not in inputs:
            raise ValueError(
                "A batch must be images, or a dict with them under 'image'. "
                f"Received a dict with {sorted(inputs)}"
            )
        inputs = inputs["image"]
    return inputs


def check_negatives_from(negatives_from):
    """Raises a `ValueError` for what is no such choice."""
    if negatives_from not in distribution.NEGATIVES_FROM:
        raise ValueError(
            "Unknown `negatives_from`. Expected one of "
            f"{distribution.NEGATIVES_FROM}. Received: {negatives_from!r}"
        )


def check_batch_size(
    images, negatives_from=distribution.ALL_REPLICAS, num_negatives=1
):
    """Raises a `ValueError` for a batch that has too few negatives."""
    if images.shape[0] is None:
        return
    num_images = images.shape[0]
    if negatives_from == distribution.ALL_REPLICAS:
        num_images *= distribution.num_replicas()
    if num_images == 1:
        raise ValueError(
            "A batch of one image has no negatives: take batches of two or "
            f"more. Received images of shape {tuple(images.shape)}"
        )
    if num_images <= num_negatives:
        raise ValueError(
            f"A batch of {num_images} images has {num_images - 1} negatives "
            "for each. Expected more images than `num_negatives`, which is "
            f"{num_negatives}. Received images of shape {tuple(images.shape)}"
        )


def _with_images(data):
    """Refuses a batch of which a replica has no image, before all else.

    Its means would be NaN, and some operations fail on no images.
    """
    return keras.tree.map_structure(distribution.refuse_no_rows, data)


def _logs_of_workers(logs):
    """Gives logs the axis along which several workers' are joined.

    MultiWorkerMirroredStrategy reduces scalars along an axis that they do not
    have; issue 20585 of Keras.
    """
    if not distribution.is_multi_worker():
        return logs
    return {name: ops.reshape(value, (1,)) for name, value in logs.items()}
