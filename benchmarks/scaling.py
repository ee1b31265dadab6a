"""Bytes that replicas exchange in a step, its time, and a model on paper.

    python benchmarks/scaling.py [--replicas 1 2 4] [--batch_sizes 8 32]
    python benchmarks/scaling.py --effect      # own negatives: loss and score
    python benchmarks/scaling.py --model       # 8, 64 and 512 GPUs, on paper

The first counts the bytes that each replica passes to every collective
operation during a step, on logical devices of this machine and on processes of
one device each, and compares them with the formula of `payloads`. For
processes, it also reads the bytes on the loopback from the kernel. The second
trains on the digits, with negatives of all replicas and of the own one. The
third is documented in docs/scaling.md.
"""

import argparse
import json
import math
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
METHODS = ("amdim", "deep_infomax")
KINDS = ("vectors", "vectors' gradients", "row sums", "weights", "batch norm")
STEPS = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--effect", action="store_true")
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--case", help="one case, as JSON; used inside")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(CASES[arguments.effect](json.loads(arguments.case))))
    elif arguments.model:
        print_model()
    elif arguments.effect:
        print_effect(arguments.replicas)
    else:
        print_exchanges(arguments)


# --- bytes that a step exchanges ----------------------------------------------


def payloads(method, batch_size, replicas, negatives_from="all_replicas"):
    """Returns the bytes that a replica passes to collectives, by kind.

    To gather, it passes its own part; to reduce, the whole tensor. For each
    pairing of features and direction of AMDIM, one vector of each image is
    gathered, and for Deep InfoMax one; the gradient of gathered tensors is
    summed over replicas; and replicas exchange the sums of the exponentials in
    their part of every row.

    Args:
        method: dict as `describe` returns it.
        batch_size: int. Images of a replica.
        replicas: int.
        negatives_from: str.
    """
    found = dict.fromkeys(KINDS, 0)
    if replicas == 1:
        return found
    found["weights"] = 4 * method["parameters"]
    # Sums, sums of squares and numbers of values, and two gradients.
    found["batch norm"] = 4 * method["normalised"] * 5
    if negatives_from == "own_replica":
        return found
    vectors = method["vectors"] * batch_size
    num_bytes = vectors * method["units"] * method["bytes"]
    found["vectors"] = num_bytes
    found["vectors' gradients"] = num_bytes * replicas
    # Gathered logarithms, sums of the numbers of negatives, and the gradient of
    # the gathered ones.
    found["row sums"] = 4 * vectors * replicas * (2 + replicas)
    return found


def payload_of_gathered_maps(method, batch_size, replicas):
    """Returns the bytes of gathering the maps instead of the vectors."""
    num_bytes = batch_size * method["locations"] * method["units"]
    return num_bytes * method["bytes"] * (1 + replicas)


def make(name):
    """Returns the compiled method."""
    import keras

    import keras_dim

    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(0)
    if name == "amdim":
        model = keras_dim.AMDIM(
            keras_dim.encoders.amdim_resnet(32, 32, 256, 1), seed=0
        )
    else:
        model = keras_dim.DeepInfoMax(
            keras_dim.encoders.dim_convnet(image_size=32),
            critic={"name": "dot_product", "units": 512},
            gamma=0.0,
            seed=0,
        )
    model.compile(keras.optimizers.Adam(1e-4))
    return model


def describe(name, model):
    """Returns the sizes of a method that `payloads` needs."""
    import keras

    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    parameters = sum(
        math.prod(weight.shape) for weight in model.trainable_weights
    )
    if name == "amdim":
        vectors = 2 * len(model.pairings)
        units = model.encoder.output["global"].shape[-1]
        targets = [model.encoder.output[target] for _, target in model.pairings]
        locations = 2 * sum(math.prod(it.shape[1:-1]) for it in targets)
        passes = 2
    else:
        vectors, passes = 1, 1
        units = model.critic.units
        locations = math.prod(model.encoder.output["local"].shape[1:-1])
    return {
        "parameters": parameters,
        "normalised": passes * sum(layer.gamma.shape[0] for layer in norms),
        "vectors": vectors,
        "units": units,
        "locations": locations,
        # TensorFlow gathers no bfloat16.
        "bytes": 4,
    }


class Counter:
    """Sums the bytes that replicas pass to collectives while they run."""

    def __init__(self):
        import tensorflow as tf

        self.totals = {kind: tf.Variable(0, dtype="int64") for kind in KINDS}
        context = tf.distribute.ReplicaContext
        all_gather, all_reduce = context.all_gather, context.all_reduce

        def counted(operation):
            def run(replica, *args, **kwargs):
                # all_gather(value, axis), all_reduce(operation, value)
                place = 0 if operation is all_gather else 1
                values = kwargs["value"] if "value" in kwargs else args[place]
                for value in tf.nest.flatten(values):
                    kind = kind_of(operation is all_gather, value)
                    if kind:
                        size = tf.size(value, "int64") * value.dtype.size
                        self.totals[kind].assign_add(size)
                return operation(replica, *args, **kwargs)

            return run

        context.all_gather = counted(all_gather)
        context.all_reduce = counted(all_reduce)

    def read(self):
        return {kind: int(total) for kind, total in self.totals.items()}


def kind_of(is_gathered, value):
    """Returns the purpose of a value, from the function that passes it."""
    frame = sys._getframe(2)
    names = []
    while frame:
        names.append(
            f"{os.path.basename(frame.f_code.co_filename)}:"
            f"{frame.f_code.co_qualname}"
        )
        frame = frame.f_back
    callers = " ".join(names)
    if value.dtype.is_integer:
        # Sizes of batches.
        return None
    if "optimizer.py" in callers:
        return "weights"
    if "compute_moments" in callers or "all_reduce.<locals>" in callers:
        return "batch norm"
    if "sum_replicas" in callers or "stack_replicas" in callers:
        return "row sums"
    if is_gathered:
        return "vectors"
    # Row sums are one number for each vector.
    is_sum = value.shape.rank < 3 or value.shape[-1] == 1
    return "row sums" if is_sum else "vectors' gradients"


def run_case(case):
    """Trains some steps on this process's devices; returns the measurements."""
    import keras
    import numpy as np
    import tensorflow as tf

    if case["layout"] == "devices":
        divide_processor(case["replicas"])
        strategy = tf.distribute.MirroredStrategy(
            [f"CPU:{index}" for index in range(case["replicas"])]
        )
    else:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    counter = Counter()
    with strategy.scope():
        model = make(case["method"])
    total = case["batch_size"] * case["replicas"]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (total, 32, 32, 3), "uint8")
    batches = tf.data.Dataset.from_tensors(images).repeat(STEPS)
    batches = batches.unbatch().batch(total, drop_remainder=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    batches = batches.with_options(options)
    seen = {}

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen[epoch] = (counter.read(), loopback(), time.perf_counter())

    # The first epoch traces; the last one only ends the second.
    model.fit(batches, epochs=3, verbose=0, callbacks=[Watch()])
    (before, sent_before, begin), (after, sent_after, end) = seen[1], seen[2]
    here = case["replicas"] if case["layout"] == "devices" else 1
    return {
        "bytes": {
            kind: (after[kind] - before[kind]) / STEPS / here for kind in KINDS
        },
        "loopback": (sent_after - sent_before) / STEPS,
        "seconds": (end - begin) / STEPS,
        "method": describe(case["method"], model),
    }


def loopback():
    """Returns the bytes sent on the loopback; 0 on other systems than Linux."""
    try:
        lines = pathlib.Path("/proc/net/dev").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    return 0


def start(case, environment=None, *flags):
    return subprocess.Popen(
        [sys.executable, __file__, "--case", json.dumps(case), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""} | (environment or {}),
    )


def finish(process):
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors[-2000:])
    return json.loads(output.splitlines()[-1])


def run_processes(case):
    sockets = [socket.socket() for _ in range(case["replicas"])]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    workers = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = [
        start(
            case,
            {
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": {"worker": workers},
                        "task": {"type": "worker", "index": index},
                    }
                )
            },
        )
        for index in range(case["replicas"])
    ]
    return [finish(process) for process in processes][0]


def print_exchanges(arguments):
    import common

    print(common.machine())
    print(
        "KiB that a replica hands over in a step, counted (formula). Loopback: "
        "all that\npassed it in a step, both ways of every pair."
    )
    print(
        f"{'method':13}{'layout':>10}{'replicas':>9}{'batch':>6}",
        *(f"{kind:>20}" for kind in KINDS),
        f"{'maps instead':>13}{'loopback':>10}{'s/step':>8}",
    )
    for method in arguments.methods:
        for layout in ("devices", "processes"):
            for replicas in arguments.replicas:
                if replicas == 1 and layout == "processes":
                    continue
                for batch_size in arguments.batch_sizes:
                    case = {
                        "method": method,
                        "layout": layout,
                        "replicas": replicas,
                        "batch_size": batch_size,
                    }
                    if layout == "devices":
                        seen = finish(start(case))
                    else:
                        seen = run_processes(case)
                    print_row(case, seen)


def print_row(case, seen):
    size = case["batch_size"], case["replicas"]
    expected = payloads(seen["method"], *size)
    maps = payload_of_gathered_maps(seen["method"], *size)
    cells = (
        f"{seen['bytes'][kind] / 1024:.1f} ({expected[kind] / 1024:.1f})"
        for kind in KINDS
    )
    is_alone = case["replicas"] == 1
    print(
        f"{case['method']:13}{case['layout']:>10}{case['replicas']:9}"
        f"{case['batch_size']:6}",
        *(f"{cell:>20}" for cell in cells),
        f"{0 if is_alone else maps / 1024:13.1f}"
        f"{seen['loopback'] / 1024:10.0f}{seen['seconds']:8.3f}",
        flush=True,
    )


# --- the effect of own negatives on the loss ----------------------------------


def divide_processor(num_devices):
    """Divides the processor into logical devices of TensorFlow."""
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * num_devices,
    )
    # A waiting replica occupies a thread: with fewer threads than replicas
    # there can be a deadlock.
    tf.config.threading.set_inter_op_parallelism_threads(4 * num_devices)


def run_effect(case):
    """Trains on the digits; returns the last epoch's terms and scores."""
    from keras_dim import recipes
    from keras_dim import training

    divide_processor(case["replicas"])
    recipe = recipes.get("deep_infomax_digits").replace(
        **{"critic.negatives_from": case["negatives_from"]}
    )
    strategy = "mirrored" if case["replicas"] > 1 else "one"
    with tempfile.TemporaryDirectory() as folder:
        directory = pathlib.Path(folder) / "run"
        training.pretrain(recipe, directory, verbose=0, strategy=strategy)
        metrics = json.loads((directory / "metrics.json").read_text())
        scores = training.score_run(directory)
    return {
        "batch_size": recipe.batch_size // case["replicas"],
        "locations": recipe.method["num_local_samples"],
        "information": metrics["last_epoch"]["local_information"],
        "scores": [
            score["accuracy"] for score in scores if score["feature"] == "fc"
        ],
        "names": [
            score["protocol"] for score in scores if score["feature"] == "fc"
        ],
    }


def print_effect(replicas):
    import common

    print(common.machine())
    print(
        "deep_infomax_digits, negatives of the own replica; the batch is "
        "divided, the steps are the same\n"
        f"{'replicas':>9}{'images each':>12}"
        f"{'nats':>7}{'most':>7}  accuracies on fc"
    )
    names = None
    # With negatives from all replicas, their number has no effect.
    for count in replicas:
        case = {"replicas": count, "negatives_from": "own_replica"}
        seen = finish(start(case, None, "--effect"))
        most = math.log(1 + (seen["batch_size"] - 1) * seen["locations"])
        print(
            f"{count:9}{seen['batch_size']:12}"
            f"{seen['information']:7.3f}{most:7.3f} ",
            *(f"{accuracy:.4f}" for accuracy in seen["scores"]),
            flush=True,
        )
        names = seen["names"]
    for name in names or ():
        print(f"  {name}")


# --- the model on paper -------------------------------------------------------

# H100 SXM by its data sheet: dense bfloat16, memory, one direction of NVLink;
# and one port of 400 Gb/s InfiniBand for each GPU, as in machines of eight.
PEAK, MEMORY, NVLINK, NETWORK = 989e12, 3.35e12, 450e9, 50e9
GPUS_OF_A_MACHINE = 8
SHARE_OF_PEAK = 0.4
# How often scores are written or read: product, exponential, gradients.
PASSES_OVER_SCORES = 6


def print_model():
    """Prints the seconds of a step for three ways to share negatives."""
    print(
        f"H100: {PEAK / 1e12:.0f} TFLOP/s of which {SHARE_OF_PEAK:.0%}, "
        f"{MEMORY / 1e12:.2f} TB/s; {NVLINK / 1e9:.0f} GB/s within a machine "
        f"of {GPUS_OF_A_MACHINE}, {NETWORK / 1e9:.0f} GB/s between; rings; "
        "nothing overlaps"
    )
    for name, batch_size in (("amdim", 126), ("deep_infomax", 64)):
        method = describe_large(name)
        print(
            f"\n{name}, {method['parameters'] / 1e6:.0f} million parameters, "
            f"{method['operations'] / 1e9:.1f} GFLOP an image and step, "
            f"{batch_size} images a GPU\n{'GPUs':>5} {'what travels':14}"
            f"{'encoder ms':>11}{'scores ms':>11}{'weights ms':>11}"
            f"{'features ms':>12}{'step ms':>9}{'images/s':>11}"
            f"{'efficiency':>11}{'gathered GiB':>13}{'scores GiB':>11}"
        )
        alone = None
        for replicas in (1, 8, 64, 512):
            for travels in ("maps", "vectors", "nothing"):
                if replicas == 1 and travels != "nothing":
                    continue
                row = on_paper(method, batch_size, replicas, travels)
                step = sum(row["seconds"].values())
                alone = alone or step
                print(
                    f"{replicas:5} {travels:14}",
                    *(f"{1e3 * it:10.2f}" for it in row["seconds"].values()),
                    f"{1e3 * step:9.2f}{replicas * batch_size / step:11.0f}"
                    f"{alone / step:11.0%}{row['gathered'] / 2**30:13.2f}"
                    f"{row['scores'] / 2**30:11.2f}",
                )


def on_paper(method, batch_size, replicas, travels):
    """Returns seconds by cause, and bytes in memory, of a replica's step."""
    others = replicas if travels != "nothing" else 1
    pairs = others * batch_size**2 * method["locations"]
    compute = SHARE_OF_PEAK * PEAK
    if travels == "maps":
        gathered = batch_size * method["locations"] * method["units"]
        gathered *= method["bytes"]
        row_part = 0
    elif travels == "vectors":
        sent = payloads(method, batch_size, replicas)
        gathered = sent["vectors"]
        # The logarithms are gathered, and the others are summed.
        row_part = sent["row sums"] / (2 + replicas)
    else:
        gathered = row_part = 0
    link = NVLINK if replicas <= GPUS_OF_A_MACHINE else NETWORK
    # A ring passes each part to all others; a sum goes round twice.
    gather = (replicas - 1) / link
    reduce = 2 * (replicas - 1) / replicas / link
    return {
        "seconds": {
            "encoder": batch_size * method["operations"] / compute,
            # The product, and one more for the gradient of each factor.
            "scores": 3 * 2 * pairs * method["units"] / compute
            + PASSES_OVER_SCORES * 4 * pairs / MEMORY,
            "weights": 4 * method["parameters"] * reduce,
            # Gathered tensors, and the sum of their gradients.
            "features": (gathered + row_part) * gather
            + (gathered * replicas + row_part * (1 + replicas)) * reduce,
        },
        "gathered": gathered * replicas,
        "scores": 4 * pairs,
    }


def describe_large(name):
    """Returns the sizes of a method as in its paper, for the model."""
    import keras
    import tensorflow as tf
    import train_step

    import keras_dim

    keras.config.set_dtype_policy("mixed_bfloat16")
    if name == "amdim":
        size = 128
        encoder = keras_dim.encoders.amdim_resnet(size, 192, 1536, 8)
        model = keras_dim.AMDIM(encoder, seed=0)
    else:
        size = 32
        encoder = keras_dim.encoders.dim_convnet(image_size=size)
        model = keras_dim.DeepInfoMax(encoder, gamma=0.0, seed=0)
    model.compile(keras.optimizers.Adam())
    images = tf.zeros((2, size, size, 3), "uint8")
    batch = images
    if name == "amdim":
        images = tf.cast(images, "float32")
        batch = {"view_1": images, "view_2": images}
    method = describe(name, model)
    operations = train_step.forward_operations(model, batch)
    # For a batch of two: its few scores are counted with all others.
    scores = 2 * 2**2 * method["locations"] * method["units"]
    return method | {"operations": 3 * (operations - scores) / 2}


CASES = {False: run_case, True: run_effect}


if __name__ == "__main__":
    main()
