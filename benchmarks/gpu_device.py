"""JAX's devices: how they are set up, and what they are."""

import concurrent.futures
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
    # Small programs, too: a machine is often started anew.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def compiling_threads():
    """Returns threads to compile in beside the one that traces."""
    number = min(8, max(1, (os.cpu_count() or 1) // 2))
    return concurrent.futures.ThreadPoolExecutor(max_workers=number)


def describe(on_cpu):
    """Returns the names of the devices and the versions.

    Raises:
        RuntimeError: if there is no GPU, where JAX would quietly take the CPU,
            and `on_cpu` is false.
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
