"""Compares loss, gradients and state of tiny instances on GPU and CPU."""

import concurrent.futures
import time

import gpu_device
import gpu_steps
import jax
import keras
import numpy as np
import tiny

# A gradient with a norm near 0, such as that of a bias before batch norm, has
# only rounding errors: this share of the norm of all gradients is added to it.
FLOOR = 1e-2


def run(options, report):
    """Returns whether every instance agrees within the limit."""
    # Products of float32 in float32, not in the 19 bits of tensor cores.
    jax.config.update("jax_default_matmul_precision", "highest")
    keras.config.set_dtype_policy("float32")
    names = (options.instances or ",".join(tiny.METHODS)).split(",")
    devices = jax.devices()[0], jax.devices("cpu")[0]
    pool = gpu_device.compiling_threads()
    waiting, found = {}, []

    def collect(future):
        name = waiting.pop(future)
        try:
            worst = differences(*future.result())
        except Exception as error:
            report.failure(f"check of {name}", error)
            return
        found.append(max(worst.values()) <= options.limit)
        report("check", instance=name, agrees=found[-1], **worst)

    # One is compiled while the next is traced, which takes as long.
    for place, name in enumerate(names):
        if time.time() > options.deadline:
            report("not checked", instances=names[place:])
            break
        try:
            waiting[pool.submit(*start(name, devices))] = name
        except Exception as error:
            report.failure(f"check of {name}", error)
        for future in [each for each in waiting if each.done()]:
            collect(future)
    try:
        left = max(0.0, options.deadline - time.time())
        compiling = list(waiting)
        for future in concurrent.futures.as_completed(compiling, timeout=left):
            collect(future)
    except TimeoutError:
        report("not checked", instances=sorted(waiting.values()))
    report(
        "checks",
        agree=sum(found),
        of=len(names),
        limit=options.limit,
        devices=[device.device_kind for device in devices],
    )
    return sum(found) == len(names)


def start(name, devices):
    """Returns a function that steps on each device, and its arguments."""
    with gpu_device.made_on_cpu():
        model = tiny.make(name)
        state = jax.tree.map(np.asarray, gpu_steps.state_of(model))
    batch = {"image": tiny.images(), "index": np.arange(tiny.NUM_IMAGES)}
    function = jax.jit(gpu_steps.loss_and_gradients(model))
    programs = []
    for device in devices:
        given = jax.device_put((state, batch), device)
        programs.append((function.lower(*given), given))
    return step_on_each, programs


def step_on_each(programs):
    """Compiles and runs each program; returns their results as NumPy arrays."""
    return [
        jax.tree.map(np.asarray, lowered.compile()(*given))
        for lowered, given in programs
    ]


def differences(found, expected):
    """Returns the largest relative differences of two steps.

    Args:
        found, expected: each a loss, gradients and the state after the step.

    Returns:
        dict. `"loss"`, `"gradient"` and `"state"`: the greatest over variables
        of the norm of the difference, as a share of the expected norm and, of
        gradients, of `FLOOR` times that of all gradients. Infinite where a
        number is not finite.
    """
    everything = np.sqrt(sum(np.sum(np.square(g)) for g in expected[1]))
    pairs = {
        "loss": [(found[0], expected[0], 0.0)],
        "gradient": [
            (one, other, FLOOR * everything)
            for one, other in zip(found[1], expected[1], strict=True)
        ],
        "state": [
            (one, other, 1e-6)
            for one, other in zip(found[2], expected[2], strict=True)
        ],
    }
    return {
        name: max((_difference(*each) for each in of), default=0.0)
        for name, of in pairs.items()
    }


def _difference(found, expected, floor):
    found, expected = (np.asarray(x, "float64") for x in (found, expected))
    if not (np.all(np.isfinite(found)) and np.all(np.isfinite(expected))):
        return float("inf")
    norm = np.linalg.norm(expected) + floor
    return float(np.linalg.norm(found - expected) / max(norm, 1e-30))
