"""Speed of the training step, and the matrix peak of the machine.

    python benchmarks/train_step.py [--method amdim] [--batch_size 64]

Deep InfoMax: the CIFAR network with critics of 2,048 units, Jensen-Shannon
and InfoNCE. AMDIM: three networks, of 32 and of 64 pixels, on views made in
advance. Float32 and bfloat16. The operations of a step are those of matrix
products and convolutions, counted by TensorFlow's profiler in the forward pass,
times three for the whole step.
"""

import argparse

import common
import keras
import numpy as np
import tensorflow as tf

import keras_dim

# Images a second of the authors' PyTorch code.
DEEP_INFOMAX = {
    ("jensen_shannon", "float32"): 77,
    ("info_nce", "float32"): 46,
    ("jensen_shannon", "mixed_bfloat16"): 172,
    ("info_nce", "mixed_bfloat16"): 41,
}
# image_size/base_width/representation_units/depth.
AMDIM = {
    ("32/64/512/3", "float32"): 73,
    ("32/128/1024/3", "float32"): 23,
    ("64/64/512/3", "float32"): 20,
    ("32/64/512/3", "mixed_bfloat16"): 95,
    ("32/128/1024/3", "mixed_bfloat16"): 37,
    ("64/64/512/3", "mixed_bfloat16"): 28,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=METHODS, default="deep_infomax")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--critic_units", type=int, default=2048)
    parser.add_argument("--num_local_samples", type=int, default=None)
    parser.add_argument("--chunk_size", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trace", help="folder for a profile of the steps")
    arguments = parser.parse_args()

    print(common.machine())
    peaks = {}
    for policy, dtype in (
        ("float32", "float32"),
        ("mixed_bfloat16", "bfloat16"),
    ):
        peaks[policy] = common.matrix_peak(dtype)
        print(f"matrix product, {dtype}: {peaks[policy] / 1e9:.0f} GFLOP/s")
    make, authors = METHODS[arguments.method]
    print(f"\n{arguments.method}, batch {arguments.batch_size}")
    print(
        f"{'variant':16}{'policy':16}{'images/s':>9}{'GFLOP/image':>13}"
        f"{'share of peak':>15}{'authors':>9}{'ratio':>7}"
    )
    for (variant, policy), rate_of_authors in authors.items():
        rate, flops = measure(make, variant, policy, arguments)
        print(
            f"{variant:16}{policy:16}{rate:9.0f}{flops / 1e9:13.2f}"
            f"{rate * flops / peaks[policy]:15.0%}{rate_of_authors:9}"
            f"{rate / rate_of_authors:7.2f}",
            flush=True,
        )
    print(
        "authors: images/s of their PyTorch code on two cores with a bfloat16 "
        "matrix unit\n(AMX, 1.3 TFLOP/s), an earlier measurement on another "
        "machine, not this run."
    )


def deep_infomax(bound, arguments):
    """Returns the model and a function from a batch of images to its input."""
    model = keras_dim.DeepInfoMax(
        keras_dim.encoders.dim_convnet(image_size=32),
        bound={"name": bound, "chunk_size": arguments.chunk_size},
        # The authors' scale, as in the baseline.
        critic=keras_dim.layers.DotProductCritic(
            arguments.critic_units, temperature=1.0
        ),
        num_local_samples=arguments.num_local_samples,
        seed=0,
    )
    return model, lambda images: images


def amdim(variant, arguments):
    """Returns the model and a function from a batch of images to its input."""
    encoder = keras_dim.encoders.amdim_resnet(*map(int, variant.split("/")))
    bound = {"name": "info_nce", "chunk_size": arguments.chunk_size}
    model = keras_dim.AMDIM(encoder, bound=bound, seed=0)
    return model, lambda images: {
        "view_1": tf.cast(images, "float32"),
        "view_2": tf.cast(images[::-1], "float32"),
    }


METHODS = {
    "deep_infomax": (deep_infomax, DEEP_INFOMAX),
    "amdim": (amdim, AMDIM),
}


def measure(make, variant, policy, arguments):
    """Returns images a second and operations per image of the whole step."""
    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    model, as_input = make(variant, arguments)
    model.compile(optimizer=keras.optimizers.Adam(1e-4, beta_1=0.5))
    images = np.random.default_rng(0).integers(
        0,
        256,
        (arguments.batch_size, *model.encoder.input_shape[1:]),
        "uint8",
    )
    batch = as_input(tf.constant(images))
    seconds = common.median_seconds(
        lambda: model.train_on_batch(batch), arguments.repeats
    )
    if arguments.trace:
        with tf.profiler.experimental.Profile(arguments.trace):
            for _ in range(3):
                model.train_on_batch(batch)
    flops = 3 * forward_operations(model, batch) / arguments.batch_size
    keras.config.set_dtype_policy("float32")
    return arguments.batch_size / seconds, flops


def forward_operations(model, batch):
    """Returns the operations of the forward pass's products."""

    def forward(batch):
        outputs = model(batch, training=True)
        return model.compute_loss(batch, None, outputs)

    graph = tf.function(forward).get_concrete_function(batch)
    total = 0
    for node in graph.graph.get_operations():
        if node.type in ("MatMul", "BatchMatMulV2", "_FusedMatMul"):
            left = node.inputs[0].shape
            inner = (
                left[-2]
                if node.get_attr(
                    "transpose_a" if node.type == "MatMul" else "adj_x"
                )
                else left[-1]
            )
            total += 2 * inner * np.prod(node.outputs[0].shape.as_list())
        elif node.type == "Conv2D":
            kernel = node.inputs[1].shape.as_list()
            positions = np.prod(node.outputs[0].shape.as_list()[:3])
            total += 2 * positions * np.prod(kernel)
    return float(total)


if __name__ == "__main__":
    main()
