"""Times each method's training step, and the peak of the device."""

import concurrent.futures
import statistics
import time

import gpu_device
import gpu_steps
import jax
import keras
import numpy as np

from keras_dim import methods
from keras_dim import optimizers
from keras_dim import recipes

# The stage begins to time so many seconds before its deadline.
RESERVE = 20.0


def run(options, report):
    """Returns whether the step of every method was timed."""
    peak = matrix_peak(options.matrix_size)
    report("peak", dtype="bfloat16", tflops=peak / 1e12)
    names = list(methods.METHODS)
    if options.speed_methods:
        names = options.speed_methods.split(",")
    pool = gpu_device.compiling_threads()
    compiling, timed = {}, 0
    for name in names:
        if time.time() > options.deadline - RESERVE:
            report("not timed", method=name)
            continue
        try:
            recipe = recipe_of(name)
            lowered, given, flops = lower(recipe, options.speed_batch_size)
            # Compiled in parallel, and timed one by one afterwards.
            future = pool.submit(lowered.compile)
            compiling[name] = future, recipe, given, flops
        except Exception as error:
            report.failure(f"speed of {name}", error)
    concurrent.futures.wait(
        [each[0] for each in compiling.values()],
        timeout=max(0.0, options.deadline - RESERVE - time.time()),
    )
    for name, (future, recipe, given, flops) in compiling.items():
        try:
            if not future.done() or time.time() > options.deadline:
                report("not timed", method=name)
                continue
            state, batch = given
            seconds = median_seconds(
                future.result(), state, batch, options.seconds
            )
            size = len(batch["image"])
            report(
                "speed",
                method=name,
                recipe=recipe.name,
                batch_size=size,
                images_per_second=size / seconds,
                gflop_per_image=flops / size / 1e9,
                tflops=flops / seconds / 1e12,
                share_of_peak=flops / seconds / peak,
            )
            timed += 1
        except Exception as error:
            report.failure(f"speed of {name}", error)
    report("speeds", timed=timed, of=len(names))
    return timed == len(names)


def recipe_of(method):
    """Returns the method's recipe, for CIFAR-10 if there is one."""
    found = {
        name: recipe
        for name, recipe in recipes.RECIPES.items()
        if recipe.method["name"] == method
    }
    if not found:
        raise ValueError(f"There is no recipe of {method!r}")
    return found.get(f"{method}_cifar10") or found[min(found)]


def lower(recipe, batch_size=None):
    """Returns the uncompiled step, its arguments and number of operations."""
    keras.config.set_dtype_policy(recipe.dtype_policy)
    size = recipe.image_size or 32
    batch_size = batch_size or recipe.batch_size
    with gpu_device.made_on_cpu():
        model = recipe.build_model((size, size, 3), num_images=50000)
        model.compile(optimizers.get(**recipe.optimizer))
        state = jax.tree.map(np.asarray, gpu_steps.state_of(model))
    images = np.random.default_rng(0).integers(
        0, 256, (batch_size, size, size, 3), "uint8"
    )
    batch = {"image": images, "index": np.arange(batch_size)}
    given = jax.device_put((state, batch), jax.devices()[0])

    def step(state, batch):
        logs, state = model.train_step(state, (batch,))
        return state, logs

    traced = jax.jit(step, donate_argnums=0).trace(*given)
    flops = gpu_steps.operations(traced.jaxpr.jaxpr)
    return traced.lower(), given, flops


def median_seconds(step, state, batch, seconds):
    """Returns the median seconds of a step, in groups of 5, for `seconds`."""
    for _ in range(2):
        state, logs = step(state, batch)
    jax.block_until_ready(logs)
    taken, end = [], time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(5):
            state, logs = step(state, batch)
        jax.block_until_ready((state, logs))
        taken.append((time.perf_counter() - begin) / 5)
    return statistics.median(taken)


def matrix_peak(size, repeats=10):
    """Returns the operations a second of products of bfloat16 matrices."""
    left = jax.random.normal(jax.random.key(0), (size, size), "bfloat16")
    right = jax.random.normal(jax.random.key(1), (size, size), "bfloat16")
    right = right / size**0.5

    @jax.jit
    def products(left, right):
        return jax.lax.fori_loop(0, repeats, lambda _, x: x @ right, left)

    products(left, right).block_until_ready()
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        products(left, right).block_until_ready()
        taken.append(time.perf_counter() - begin)
    return 2 * size**3 * repeats / statistics.median(taken)
