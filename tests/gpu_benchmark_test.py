"""`benchmarks/gpu.py` on the CPU, with small numbers."""

import os
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tiny
import tiny_images

from keras_dim import evaluation

ROOT = pathlib.Path(__file__).parents[1]
# Makes imports of TensorFlow fail, as if it were not installed.
BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "tensorflow_datasets"):
            raise ImportError(f"{name} is blocked by a test")
sys.meta_path.insert(0, Block())
"""
NUM_IMAGES = 60


@pytest.fixture
def benchmark(monkeypatch):
    """Returns a function that imports a module of the benchmarks."""
    pytest.importorskip("jax", reason="comes with the extra `test`")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return __import__


def images_and_labels(number=NUM_IMAGES):
    """Images of three classes that differ in colour."""
    labels = np.arange(number) % 3
    images = [tiny_images.pixels(n, (32, 32, 3)) // 4 for n in range(number)]
    images = np.stack(images).astype("uint8")
    images[np.arange(number), :, :, labels] += 150
    return images, labels


def write_npz(path):
    images, labels = images_and_labels()
    columns = {"images": images, "labels": labels}
    np.savez(
        path,
        **{
            f"{s}_{k}": v for s in ("train", "test") for k, v in columns.items()
        },
    )


def run(folder, *arguments):
    """Runs the command without TensorFlow."""
    (folder / "block").mkdir(exist_ok=True)
    (folder / "block" / "sitecustomize.py").write_text(BLOCK)
    return subprocess.run(
        [
            sys.executable,
            ROOT / "benchmarks" / "gpu.py",
            f"--output={folder / 'output'}",
            f"--cache={folder / 'cache'}",
            "--on_cpu",
            *arguments,
        ],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # XLA need not optimise programs that run a few times.
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
            "PYTHONPATH": os.pathsep.join([str(folder / "block"), str(ROOT)]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The folder that the command writes in all of its stages."""
    pytest.importorskip("jax", reason="comes with the extra `test`")
    folder = tmp_path_factory.mktemp("gpu")
    write_npz(folder / "images.npz")
    done = run(
        folder,
        f"--data={folder / 'images.npz'}",
        "--instances=deep_infomax_local",
        "--speed_methods=deep_infomax",
        "--speed_batch_size=4",
        "--matrix_size=64",
        "--seconds=0.1",
        "--speed_minutes=5",
        "--method=deep_infomax",
        "--set=batch_size=4",
        "--set=critic.units=8",
        "--set=dtype_policy=float32",
        "--max_steps=4",
        "--steps_per_call=2",
        "--warmup_steps=2",
        "--held_out=20",
        "--score_batch=16",
        "--piece_bytes=8000000",
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return folder / "output"


def results(output, benchmark, kind):
    return benchmark("gpu_report").read(output, kind)


@pytest.mark.slow
def test_every_stage_succeeds_without_tensorflow(output, benchmark):
    stages = results(output, benchmark, "stage")
    assert {stage["name"]: stage["outcome"] for stage in stages} == {
        "check": "done",
        "train": "done",
        "speed": "done",
    }
    (checked,) = results(output, benchmark, "check")
    assert checked["instance"] == "deep_infomax_local"
    # One device, compared with itself.
    assert checked["gradient"] == checked["loss"] == checked["state"] == 0
    (speed,) = results(output, benchmark, "speed")
    assert speed["images_per_second"] > 0
    assert 0 < speed["share_of_peak"]
    assert (output / "log.txt").read_text().count("\n") >= 10


@pytest.mark.slow
def test_training_is_scored_and_ends_with_its_schedule(output, benchmark):
    (planned,) = results(output, benchmark, "schedule")
    (trained,) = results(output, benchmark, "trained")
    assert trained["step"] == planned["steps"]
    assert trained["whole_schedule"] is True
    assert planned["images"] == planned["views"] == 4 * planned["steps"]
    scores = [
        results(output, benchmark, kind)[0]
        for kind in ("untrained", "final score", "test score")
    ]
    assert [score["step"] for score in scores] == [0] + 2 * [planned["steps"]]
    for score in scores:
        assert 0 < score["neighbors_20"] <= 1
    # Near the end of a cosine that starts at 1e-3.
    assert 0 < scores[-1]["rate"] < 1e-3


@pytest.mark.slow
def test_the_joined_encoder_has_the_reported_score(output, benchmark):
    path = benchmark("gpu_encoder").join(output)
    encoder = keras.models.load_model(path)
    assert encoder.dtype_policy.name == "float32"
    images, labels = images_and_labels()
    features = evaluation.extract(encoder, images, batch_size=20)
    (name,) = set(features)
    found = evaluation.nearest_neighbors(
        features[name], labels, features[name], labels, k=20
    )
    (score,) = results(output, benchmark, "test score")
    # Both splits have the same images; one may be near a decision boundary.
    assert found["accuracy"] == pytest.approx(
        score["neighbors_20"], abs=1.5 / NUM_IMAGES
    )


def test_a_stage_that_takes_too_long_is_ended(tmp_path, benchmark):
    gpu, gpu_report = benchmark("gpu"), benchmark("gpu_report")
    programs = {
        "hangs": "import time; time.sleep(60)",
        "fails": "raise SystemExit(3)",
        "works": "",
    }
    begin = time.monotonic()
    code = gpu.run_groups(
        [["hangs", "works"], ["fails"], ["works"]],
        lambda name, deadline: [sys.executable, "-c", programs[name]],
        {"hangs": 1.0, "fails": 30.0, "works": 30.0},
        gpu_report.Report(tmp_path),
        grace=0.5,
    )
    assert code == 1
    assert time.monotonic() - begin < 30
    outcomes = [r["outcome"] for r in gpu_report.read(tmp_path, "stage")]
    assert outcomes == [
        "killed at its limit",
        "done",
        "failed, exit code 3",
        "done",
    ]


def test_a_failure_is_recorded_and_is_the_exit_code(tmp_path, benchmark):
    write_npz(tmp_path / "images.npz")
    done = run(
        tmp_path,
        f"--data={tmp_path / 'images.npz'}",
        "--stages=train",
        "--method=no_such_method",
    )
    assert done.returncode == 1
    (failure,) = results(tmp_path / "output", benchmark, "failure")
    assert "There is no recipe of 'no_such_method'" in failure["error"]
    assert "Traceback" in (tmp_path / "output" / "log.txt").read_text()


def test_a_machine_without_a_gpu_is_refused(benchmark):
    gpu_device = benchmark("gpu_device")
    assert gpu_device.describe(on_cpu=True)["platform"] == "cpu"
    with pytest.raises(RuntimeError, match="JAX finds no GPU"):
        gpu_device.describe(on_cpu=False)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--stages=check+paint", "There is no stage 'paint'"),
        ("--data=nowhere", "There is no data to train on: --data=nowhere"),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(
    argument, message, benchmark, capsys
):
    with pytest.raises(SystemExit):
        benchmark("gpu").parse(["--output=x", argument])
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_differences_are_relative_and_detect_nan(benchmark):
    differences = benchmark("gpu_check").differences
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape) for shape in ((3, 4), (5,))]
    expected = np.float32(2.0), gradients, [np.ones(4)]
    assert set(differences(expected, expected).values()) == {0.0}
    found = 2.2, [gradients[0] * 1.01, gradients[1]], [np.full(4, 1.5)]
    worst = differences(found, expected)
    assert worst["loss"] == pytest.approx(0.1)
    assert 0.008 < worst["gradient"] < 0.01
    assert worst["state"] == pytest.approx(0.5)
    broken = 2.0, [gradients[0] * np.nan, gradients[1]], [np.ones(4)]
    assert differences(broken, expected)["gradient"] == np.inf


def test_neighbors_equal_those_of_evaluation(benchmark):
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 5
    rows = rng.normal(size=(5, 6))[labels] + 2 * rng.normal(size=(300, 6))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")
    bank, queries = slice(0, 230), slice(230, 300)
    found = benchmark("gpu_train").neighbors(
        rows[bank], labels[bank], rows[queries], labels[queries], chunk=32
    )
    for k in (20, 200):
        expected = evaluation.nearest_neighbors(
            rows[bank], labels[bank], rows[queries], labels[queries], k=k
        )
        assert 0.3 < expected["accuracy"] < 0.95
        assert found[f"neighbors_{k}"] == pytest.approx(expected["accuracy"])


def test_operations_are_counted_as_those_of_the_products(benchmark):
    import jax

    operations = benchmark("gpu_steps").operations
    images, kernel = np.ones((2, 8, 8, 3), "f4"), np.ones((2, 2, 3, 5), "f4")

    def loss(images, kernel):
        maps = jax.lax.conv_general_dilated(
            images,
            kernel,
            (2, 2),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return (maps**2).sum()

    forward = 2 * (2 * 4 * 4 * 5) * (2 * 2 * 3)
    jaxpr = jax.make_jaxpr(loss)(images, kernel)
    assert operations(jaxpr.jaxpr) == forward
    both = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(images, kernel)
    assert operations(both.jaxpr) == 3 * forward

    def repeated(x):
        return jax.lax.scan(lambda x, _: (x @ x, None), x, None, length=7)

    jaxpr = jax.make_jaxpr(jax.jit(repeated))(np.ones((4, 4), "f4"))
    assert operations(jaxpr.jaxpr) == 7 * 2 * 4**3


def test_data_is_restored_from_its_parts(tmp_path, benchmark):
    gpu_data = benchmark("gpu_data")
    images, labels = images_and_labels(1100)
    gpu_data.write((images, labels), tmp_path, part_bytes=images.nbytes // 3)
    parts = sorted(path.name for path in tmp_path.glob("train_*"))
    assert parts == ["train_0_of_3.npz", "train_1_of_3.npz", "train_2_of_3.npz"]
    for found in gpu_data.read(tmp_path).values():
        np.testing.assert_array_equal(found[0], images)
        np.testing.assert_array_equal(found[1], labels)
    (tmp_path / "train_1_of_3.npz").unlink()
    with pytest.raises(ValueError, match="one whole set of train images"):
        gpu_data.read(tmp_path)


def test_a_killed_run_leaves_the_last_complete_encoder(tmp_path, benchmark):
    gpu_encoder = benchmark("gpu_encoder")
    encoder = tiny.encoder()

    def save(step):
        encoder.set_weights([np.full(w.shape, step) for w in encoder.weights])
        return gpu_encoder.save(
            tmp_path, encoder, encoder.get_weights(), step, piece_bytes=4000
        )

    def joined():
        weights = keras.models.load_model(gpu_encoder.join(tmp_path)).weights
        return {float(np.ravel(weight)[-1]) for weight in weights}

    first = save(1)
    assert len(first) > 1
    assert all(path.stat().st_size <= 4000 for path in first)
    kept = {path: path.read_bytes() for path in first}
    second = save(2)
    assert sorted(tmp_path.glob("*.bin")) == sorted(second)
    assert joined() == {2.0}
    # Killed before the last part of the second one was complete.
    second[-1].unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    assert joined() == {1.0}
    for path in first:
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no whole encoder"):
        gpu_encoder.join(tmp_path)


def test_weights_beyond_float16_are_refused(tmp_path, benchmark):
    encoder = tiny.encoder()
    weights = [np.full(w.shape, 1e6, "float32") for w in encoder.weights]
    with pytest.raises(ValueError, match="not finite in float16"):
        benchmark("gpu_encoder").save(tmp_path, encoder, weights, 1, 4000)
