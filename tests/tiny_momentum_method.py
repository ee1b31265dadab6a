"""A small method with a teacher and a queue, for the tests of both.

It runs on any backend.
"""

import keras
import numpy as np
from keras import layers
from keras import ops

from keras_dim import distribution
from keras_dim.layers.memory import FeatureQueue
from keras_dim.layers.teacher import Teacher

NUM_STEPS = 5
BATCH_SIZE = 8


def examples():
    """Two views `(examples, units)` of some vectors."""
    rng = np.random.default_rng(0)
    view = rng.normal(size=(NUM_STEPS * BATCH_SIZE, 6)).astype("float32")
    noise = rng.normal(size=view.shape).astype("float32")
    return {"query": view, "key": view + 0.1 * noise}


def encoder():
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, use_bias=False, kernel_initializer=uniform(1))(
        inputs
    )
    hidden = layers.BatchNormalization(
        momentum=0.9, synchronized=distribution.num_replicas() > 1
    )(hidden)
    return keras.Model(inputs, {"global": layers.ReLU()(hidden)})


def uniform(seed):
    return keras.initializers.RandomUniform(-0.5, 0.5, seed=seed)


@keras.saving.register_keras_serializable(package="tiny_momentum_method")
class MomentumMethod(keras.Model):
    """The teacher moves at the start of a step, the queue fills at its end."""

    def __init__(self, encoder, momentum=0.9, num_steps=None, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.momentum = momentum
        self.num_steps = num_steps
        self.projection = layers.Dense(4, kernel_initializer=uniform(2))
        self.projection.build((None, 8))
        self.teacher = Teacher([encoder, self.projection], momentum, num_steps)
        self.queue = FeatureQueue(28, 4, seed=3)
        self.built = True

    def call(self, inputs, training=False):
        if training:
            self.teacher.follow()
        queries = self.encoder(inputs["query"], training=training)["global"]
        queries = self.projection(queries)
        keys = self.teacher(inputs["key"], training=training)
        return [unit(queries), unit(keys)]

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        queries, keys = y_pred
        positives = ops.sum(queries * keys, axis=1, keepdims=True)
        negatives = ops.matmul(queries, ops.transpose(self.queue.read()))
        scores = ops.concatenate([positives, negatives], axis=1) / 0.2
        if training:
            self.queue.enqueue(distribution.concat_replicas(keys))
        losses = ops.logsumexp(scores, axis=1) - scores[:, 0]
        return distribution.scale_loss(ops.mean(losses))

    # As the base class of the methods: a symbolic step cannot assign.
    if keras.backend.backend() == "tensorflow":

        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)

    else:

        def _symbolic_build(self, iterator=None, data_batch=None):
            self.optimizer.build(self.trainable_variables)

    def get_config(self):
        return {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "momentum": self.momentum,
            "num_steps": self.num_steps,
        }

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"))
        return cls(encoder, **config)


def unit(vectors):
    return ops.normalize(ops.cast(vectors, "float32"), axis=-1)


def make(**arguments):
    model = MomentumMethod(encoder(), **arguments)
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9))
    return model


def fit(model, epochs=2):
    """Trains on the same batches in the same order; returns the losses."""
    history = model.fit(
        examples(),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        shuffle=False,
        verbose=0,
    )
    return history.history["loss"]


def state(model):
    """Returns every variable of the method, in order, as arrays."""
    return [ops.convert_to_numpy(variable) for variable in model.variables]
