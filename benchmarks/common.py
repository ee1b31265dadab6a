"""Functions that benchmarks share: timing, the machine, its matrix peak."""

import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def machine():
    """Returns one line about the processor and the libraries."""
    import keras
    import tensorflow as tf

    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    name = line.split(":")[1].strip()
                    break
        with open("/proc/cpuinfo") as file:
            flags = file.read()
        units = [
            u for u in ("amx_bf16", "avx512_bf16", "avx512f") if u in flags
        ]
        name = f"{name} ({', '.join(units) or 'no wide units'})"
    return (
        f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    )


def median_seconds(function, repeats=5, warm_up=2):
    """Returns the median seconds of a call, after some warm-up calls."""
    for _ in range(warm_up):
        function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def matrix_peak(dtype, size=4096):
    """Returns the floating point operations a second of a matrix product."""
    import tensorflow as tf

    left, right = (
        tf.cast(tf.random.normal((size, size)), dtype) for _ in range(2)
    )
    product = tf.function(lambda: tf.matmul(left, right))
    return 2 * size**3 / median_seconds(lambda: product().numpy()[0, 0], 3)
