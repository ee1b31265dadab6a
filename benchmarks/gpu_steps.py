"""Training steps as functions of the state, for JAX's transformations."""

import jax
import keras
import numpy as np


def values(variables):
    """Returns the arrays of Keras variables."""
    return [variable.value for variable in variables]


def state_of(model):
    """Returns the state that `model.train_step` takes and returns on JAX."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return tuple(
        values(each)
        for each in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )


def loss_and_gradients(model):
    """Returns a function of the state and a batch, for `jax.jit`.

    It returns the loss, the gradients and the non-trainable state.
    """

    def loss_of(trainable, state, batch):
        _, others, _, metrics = state
        before = zip(
            [
                *model.trainable_variables,
                *model.non_trainable_variables,
                *model.metrics_variables,
            ],
            [*trainable, *others, *metrics],
            strict=True,
        )
        with keras.StatelessScope(list(before)) as scope:
            outputs = model(batch, training=True)
            loss = model.compute_loss(batch, None, outputs)
        after = map(scope.get_current_value, model.non_trainable_variables)
        return loss, [
            one if other is None else other
            for one, other in zip(others, after, strict=True)
        ]

    def function(state, batch):
        step = jax.value_and_grad(loss_of, has_aux=True)
        (loss, after), gradients = step(state[0], state, batch)
        return loss, gradients, after

    return function


def train_steps(model):
    """Returns a function that trains several steps in one compiled call.

    The function takes the state, all images, the indices `(steps, batch)` of
    each step's images, and the learning rate of each step. It returns the new
    state and the means of the loss and its terms. All data stay on the device,
    where `model.views` makes the views.
    """
    rate_place = next(
        place
        for place, variable in enumerate(model.optimizer.variables)
        if variable is model.optimizer._learning_rate
    )

    def step(state, each, images):
        indices, rate = each
        trainable, others, optimizer, metrics = state
        optimizer = list(optimizer)
        optimizer[rate_place] = rate.astype(optimizer[rate_place].dtype)
        batch = {"image": images[indices], "index": indices}
        logs, state = model.train_step(
            (trainable, others, optimizer, metrics), (batch,)
        )
        return tuple(map(list, state)), logs

    def steps(state, images, indices, rates):
        *kept, metrics = state
        # The logs are means since their variables were zero.
        state = *kept, jax.tree.map(jax.numpy.zeros_like, metrics)
        state, logs = jax.lax.scan(
            lambda state, each: step(state, each, images),
            state,
            (indices, rates),
        )
        return state, jax.tree.map(lambda log: log[-1], logs)

    return steps


def operations(jaxpr):
    """Returns the floating point operations of a jaxpr's products.

    These are matrix products and convolutions; in loops they count as often as
    they run. Zeros between the rows of a strided convolution's gradient do not
    count.
    """
    total = 0
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        if name == "dot_general":
            (contracted, _), _ = params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            inner = np.prod([shape[axis] for axis in contracted])
            total += 2 * inner * np.prod(equation.outvars[0].aval.shape)
        elif name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            outputs = params["dimension_numbers"].rhs_spec[0]
            inner = np.prod(kernel) / kernel[outputs]
            inner /= np.prod(params["lhs_dilation"])
            total += 2 * inner * np.prod(equation.outvars[0].aval.shape)
        repeats = params.get("length", 1) if name == "scan" else 1
        for inner in _inner_jaxprs(params):
            total += repeats * operations(inner)
    return float(total)


def _inner_jaxprs(params):
    for each in jax.tree.leaves(
        list(params.values()), is_leaf=lambda each: hasattr(each, "jaxpr")
    ):
        each = getattr(each, "jaxpr", each)
        if hasattr(each, "eqns"):
            yield each
