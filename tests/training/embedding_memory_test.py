"""The memory of an embedding does not grow with the number of images."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tiny_images import encode

TESTS = pathlib.Path(__file__).parents[1]
FEW, MANY = 10_000, 100_000
SIZE = 32
# In memory, the additional images or features would take 3 KB each, 276 MB in
# all. Allocators keep some megabytes.
MOST_GROWTH = 64 * 2**20
# In a new process, since a child's `ru_maxrss` begins at its parent's.
EMBED = """
import json, pathlib, sys
from tiny_encoder import tiny_encoder
from keras_dim import training

def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    (line,) = (it for it in status.splitlines() if it.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])

size, folder, *sources = sys.argv[1:]
encoder = tiny_encoder(int(size))
found = []
for number, source in enumerate(sources):
    output = pathlib.Path(folder, str(number))
    done = training.embed(encoder, source, output, feature="local")
    found.append([done["num_images"], done["width"], peak()])
print(json.dumps(found))
"""


def write_images(path, num_images):
    """Writes records of few different images, which are decoded one by one."""
    rng = np.random.default_rng(0)
    records = []
    for color in rng.integers(0, 256, (50, 3)):
        image = np.broadcast_to(color, (SIZE, SIZE, 3)).astype("uint8")
        value = tf.train.BytesList(value=[encode(image)])
        features = {"image": tf.train.Feature(bytes_list=value)}
        example = tf.train.Example(features=tf.train.Features(feature=features))
        records.append(example.SerializeToString())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(num_images):
            writer.write(records[number % len(records)])


@pytest.mark.slow
@pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(),
    reason="Linux tells the most memory that a process had",
)
def test_ten_times_the_images_take_no_more_memory(tmp_path):
    sources = []
    for num_images in (FEW, MANY):
        sources.append(tmp_path / f"{num_images}.tfrecord")
        write_images(sources[-1], num_images)

    done = subprocess.run(
        [sys.executable, "-c", EMBED, str(SIZE), tmp_path, *sources],
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    few, many = json.loads(done.stdout.splitlines()[-1])
    # Features of 3 KB, too: 300 MB on the disk.
    width = (SIZE // 2) ** 2 * 3
    assert few[:2] == [FEW, width]
    assert many[:2] == [MANY, width]
    growth = many[2] - few[2]
    print(f"{few[2] / 2**20:.0f} MB, and {growth / 2**20:.1f} MB more")
    assert growth < MOST_GROWTH
    # Kept temporary folders should be small.
    for path in tmp_path.rglob("features.npy"):
        path.unlink()
