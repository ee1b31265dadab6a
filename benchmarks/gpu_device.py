"""Sets up and describes JAX's devices."""

import concurrent.futures
import contextlib
import os
import platform


def prepare(cache):
    """Sets the backend and the folder of compiled programs."""
    os.environ["KERAS_BACKEND"] = "jax"
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms and "cpu" not in platforms.split(","):
        # The GPU is compared with the CPU.
        os.environ["JAX_PLATFORMS"] = f"{platforms},cpu"
    import jax

    jax.config.update("jax_compilation_cache_dir", cache)
    # Small programs, too: the machine is often a new one.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


@contextlib.contextmanager
def made_on_cpu():
    """Initialises the weights of models by NumPy.

    JAX would compile a program for each shape of a weight, which takes longer
    than everything else. The distributions are the same.
    """
    import jax
    import numpy as np

    def drawn_by(draw, before):
        def function(key, *args, **kwargs):
            if isinstance(key, jax.core.Tracer):
                return before(key, *args, **kwargs)
            generator = np.random.default_rng(np.asarray(key).tolist())
            return draw(generator, *args, **kwargs)

        return function

    def uniform(generator, shape=(), dtype="float32", minval=0.0, maxval=1.0):
        drawn = generator.random(shape) * (maxval - minval) + minval
        return jax.numpy.asarray(drawn.astype(dtype))

    def normal(generator, shape=(), dtype="float32"):
        return jax.numpy.asarray(generator.normal(size=shape).astype(dtype))

    def truncated_normal(generator, lower, upper, shape=(), dtype="float32"):
        drawn = generator.normal(size=shape)
        while np.any(is_out := (drawn < lower) | (drawn > upper)):
            drawn = np.where(is_out, generator.normal(size=shape), drawn)
        return jax.numpy.asarray(drawn.astype(dtype))

    functions = (uniform, normal, truncated_normal)
    before = [getattr(jax.random, each.__name__) for each in functions]
    for function, original in zip(functions, before, strict=True):
        drawn = drawn_by(function, original)
        setattr(jax.random, function.__name__, drawn)
    try:
        with jax.default_device(jax.devices("cpu")[0]):
            yield
    finally:
        for function, original in zip(functions, before, strict=True):
            setattr(jax.random, function.__name__, original)


def compiling_threads():
    """Returns threads for compiling while another one traces."""
    number = min(8, max(1, (os.cpu_count() or 1) // 2))
    return concurrent.futures.ThreadPoolExecutor(max_workers=number)


def describe(on_cpu):
    """Returns the names of the devices and the versions.

    Raises:
        RuntimeError: if there is no GPU and `on_cpu` is false, because JAX
            would silently use the CPU.
    """
    import jax
    import keras

    devices = jax.devices()
    if devices[0].platform == "cpu" and not on_cpu:
        raise RuntimeError(
            "JAX finds no GPU. Install its CUDA plugin, or pass --on_cpu to "
            "try this with small numbers"
        )
    return {
        "device": devices[0].device_kind,
        "platform": devices[0].platform,
        "num_devices": len(devices),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "keras": keras.__version__,
    }
