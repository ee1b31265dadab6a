"""Peak memory and seconds of the bounds, in chunks or not, by batch size.

    python benchmarks/loss_memory.py [--units 512] [--chunk_size 64]

Every case runs in a process of its own: value and gradient of one bound for
batches of 64 locations. Its peak is the memory that the process used in
addition to the memory before the first score.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LOCATIONS = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--chunk_size", type=int, default=64)
    parser.add_argument(
        "--batch_sizes",
        type=int,
        nargs="+",
        default=[256, 512, 1024, 2048, 4096],
    )
    parser.add_argument(
        "--bounds", nargs="+", default=["info_nce", "jensen_shannon"]
    )
    parser.add_argument("--case", help="one case, as JSON; used inside")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run_case(**json.loads(arguments.case))))
        return
    print(
        f"{'bound':16}{'batch':>7}{'chunk':>7}{'scores MiB':>12}"
        f"{'peak MiB':>10}{'seconds':>9}"
    )
    for bound in arguments.bounds:
        for batch_size in arguments.batch_sizes:
            for chunk_size in (None, arguments.chunk_size):
                case = {
                    "bound": bound,
                    "batch_size": batch_size,
                    "chunk_size": chunk_size,
                    "units": arguments.units,
                }
                report(case)


def report(case):
    """Runs a case in a process of its own and prints its row."""
    done = subprocess.run(
        [sys.executable, __file__, "--case", json.dumps(case)],
        capture_output=True,
        text=True,
    )
    scores = case["batch_size"] ** 2 * LOCATIONS * 4 / 2**20
    row = (
        f"{case['bound']:16}{case['batch_size']:7}"
        f"{case['chunk_size'] or '-':>7}{scores:12.0f}"
    )
    if done.returncode:
        # Most likely an allocation failed for lack of memory.
        print(f"{row}{'too much':>10}", flush=True)
        return
    result = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{row}{result['peak'] / 2**20:10.0f}{result['seconds']:9.2f}",
        flush=True,
    )


def run_case(bound, batch_size, chunk_size, units):
    """Returns peak bytes and seconds of one value and gradient."""
    import tensorflow as tf

    from keras_dim.mutual_information import Bound
    from keras_dim.mutual_information import DotProductScores

    # A lack of memory must end this process, and no other one.
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    taken = int(open("/proc/self/statm").read().split()[0])
    limit = taken * os.sysconf("SC_PAGE_SIZE") + int(0.9 * free)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    formula = Bound(bound, chunk_size)

    @tf.function
    def value_and_gradient(anchors, candidates):
        positives = tf.eye(tf.shape(anchors)[0])[:, :, None]
        with tf.GradientTape() as tape:
            tape.watch((anchors, candidates))
            scores = DotProductScores(anchors, candidates)
            value = formula(scores, positives, 1.0 - positives)
        return value, tape.gradient(value, (anchors, candidates))

    def factors(batch_size):
        anchors = tf.random.stateless_normal((batch_size, units), (0, 1))
        candidates = tf.random.stateless_normal(
            (batch_size, LOCATIONS, units), (0, 2)
        )
        return anchors / units**0.5, candidates

    # Without the memory of the libraries.
    value_and_gradient(*factors(8))
    given = factors(batch_size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    value_and_gradient(*given)[0].numpy()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": 1024 * (after - before), "seconds": seconds}


if __name__ == "__main__":
    main()
