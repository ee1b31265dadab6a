"""Without TensorFlow, batches and their order are the same as with it."""

import os
import threading

import keras
import numpy as np
import pytest
import tiny_images
from tiny_images import indices_of
from tiny_images import pixels

import keras_dim.data

IMAGES = pixels(0, (10, 4, 5, 3))
LABELS = np.arange(10) % 3


@pytest.fixture
def elsewhere(monkeypatch):
    """Sources are read as with Keras on another backend."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")


def both(monkeypatch, source, num_epochs=2, **arguments):
    """The batches of some epochs by TensorFlow, and without it."""
    found = []
    for backend in ("tensorflow", "jax"):
        monkeypatch.setattr(keras.backend, "backend", lambda b=backend: b)
        dataset = keras_dim.data.load(source, **arguments)
        found.append(
            [
                {key: np.asarray(value) for key, value in batch.items()}
                for _ in range(num_epochs)
                for batch in dataset
            ]
        )
    assert isinstance(dataset, keras.utils.PyDataset)
    return found


def assert_same(one, other, tolerance=0):
    assert len(one) == len(other) > 0
    for batch, expected in zip(one, other, strict=True):
        assert set(batch) == set(expected)
        for key, values in expected.items():
            assert batch[key].dtype == values.dtype, key
            np.testing.assert_allclose(
                batch[key].astype(int),
                values.astype(int),
                rtol=0,
                atol=tolerance if key == "image" else 0,
                err_msg=key,
            )


@pytest.fixture
def photos(tmp_path, write_image):
    """Thirty images of three classes and many sizes, two of them damaged."""
    for number in range(30):
        size = (8 + number % 5, 20 - number % 7)
        smooth = np.broadcast_to(
            np.linspace(0, 8 * number, size[1]).astype(np.uint8)[None, :, None],
            (*size, 3),
        )
        write_image(f"photos/{'abc'[number % 3]}/{number:02}.png", smooth)
    whole = tiny_images.encode(pixels(0, (40, 40, 3)))
    for name in ("a/01_cut", "c/29_cut"):
        (tmp_path / "photos" / f"{name}.png").write_bytes(whole[:200])
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"seed": 3, "first_epoch": 5},
        {"first_batch": 2},
        {"split": "test", "first_batch": 3},
        {"split": "test"},
        {"drop_remainder": False},
    ],
)
def test_arrays_give_the_batches_of_tensorflow(monkeypatch, arguments):
    arguments = {"batch_size": 3, **arguments}
    assert_same(*both(monkeypatch, (IMAGES, LABELS), **arguments)[::-1])


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("arguments", [{"image_size": 9, "channels": 1}, {}])
def test_arrays_are_converted_as_by_tensorflow(
    monkeypatch, arguments, held, request
):
    if not held:
        request.getfixturevalue("nothing_held")
    expected, found = both(monkeypatch, IMAGES, batch_size=4, **arguments)
    assert_same(found, expected, tolerance=1)


def test_a_run_continues_within_an_epoch(monkeypatch, photos, nothing_held):
    arguments = {"batch_size": 7, "image_size": 6}
    whole, _ = both(monkeypatch, photos, 1, **arguments)
    rests = both(monkeypatch, photos, 1, first_batch=2, **arguments)
    for rest in rests:
        assert_same(rest, whole[2:], tolerance=1)


@pytest.mark.parametrize("split", ["train", None])
@pytest.mark.parametrize("held", [True, False])
def test_folders_give_the_batches_of_tensorflow(
    monkeypatch, photos, held, split, request
):
    if not held:
        request.getfixturevalue("nothing_held")
    # 30 or 32 images are both four batches of seven.
    expected, found = both(
        monkeypatch, photos, split=split, batch_size=7, image_size=6
    )
    assert_same(found, expected, tolerance=1)


def test_digits_and_files_are_read(monkeypatch, tmp_path):
    assert_same(*both(monkeypatch, "digits", 1, batch_size=500)[::-1])
    np.save(tmp_path / "x.npy", IMAGES)
    np.savez(tmp_path / "x.npz", images_test=IMAGES, labels_test=LABELS)
    for name in ("x.npy", "x.npz"):
        source = tmp_path / name
        assert_same(*both(monkeypatch, source, split="test")[::-1])


def test_damaged_images_are_listed_once_and_in_order(
    photos, elsewhere, nothing_held
):
    source = keras_dim.data.open_source(photos, image_size=6)
    dataset = keras_dim.data.load(source, None, 7)
    for _ in range(2):
        assert len(indices_of(dataset)) == 30
    assert [os.path.basename(path) for path in source.skipped] == [
        "01_cut.png",
        "29_cut.png",
    ]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_other_images_replace_damaged_ones_in_a_batch(
    photos, backend, nothing_held, monkeypatch
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    dataset = keras_dim.data.load(photos, batch_size=8, image_size=6)
    # The length for 32 files is four batches; two of the images are damaged.
    for _ in range(2):
        batches = [np.asarray(batch["index"]).tolist() for batch in dataset]
        assert [len(set(batch)) for batch in batches] == [8, 8, 8, 8]
        assert len(set(sum(batches, []))) == 30


def test_batches_of_only_damaged_images_are_left_out(
    tmp_path, write_image, elsewhere, nothing_held
):
    write_image("0.png", pixels(0))
    for number in range(1, 5):
        cut = tiny_images.encode(pixels(number))[:60]
        (tmp_path / f"{number}.png").write_bytes(cut)
    dataset = keras_dim.data.load(tmp_path, "test", 2)
    assert [len(batch["index"]) for batch in dataset] == [1]
    # Keras reads as many batches as the length says.
    assert dataset[2]["image"].shape == (0, 8, 8, 3)


def test_a_folder_of_only_damaged_bodies_is_refused(
    tmp_path, elsewhere, nothing_held
):
    (tmp_path / "a.png").write_bytes(tiny_images.encode(pixels(0))[:60])
    with pytest.raises(ValueError, match="can be decoded .*1 skipped.*a.png"):
        keras_dim.data.load(tmp_path, batch_size=1)


def test_batches_can_be_read_in_any_order(photos, elsewhere, nothing_held):
    arguments = {"split": None, "batch_size": 4, "image_size": 6}
    expected = list(keras_dim.data.load(photos, **arguments))
    dataset = keras_dim.data.load(photos, **arguments)
    for number in (5, 0, 2, 2, 7, 1):
        assert_same([dataset[number]], [expected[number]])
    for number in (8, -1):
        with pytest.raises(IndexError, match="There are 8 batches"):
            dataset[number]


def test_images_are_decoded_in_threads_and_never_all_held(
    photos, elsewhere, nothing_held, monkeypatch
):
    source = keras_dim.data.open_source(photos, image_size=6)
    decode, threads, rows = source.item, set(), []

    def note(row):
        threads.add(threading.current_thread())
        rows.append(row)
        return decode(row)

    dataset = keras_dim.data.load(source, None, 3)
    monkeypatch.setattr(source, "item", note)
    dataset[0]
    assert threading.current_thread() not in threads
    # At most one batch is decoded ahead.
    assert max(rows) < 2 * 3


def test_an_epoch_ends_when_keras_has_read_all_of_it(elsewhere):
    # Keras also calls `on_epoch_end` before the first epoch, and after it has
    # read only the first batch.
    expected = keras_dim.data.load(IMAGES, batch_size=2)
    expected = [indices_of(expected) for _ in range(3)]
    dataset = keras_dim.data.load(IMAGES, batch_size=2)
    dataset.on_epoch_end()
    dataset[0]
    dataset.on_epoch_end()
    for order in expected:
        batches = [dataset[number] for number in range(len(dataset))]
        assert indices_of(batches) == order
        dataset.on_epoch_end()


def test_derived_datasets_share_the_count_of_epochs(elsewhere):
    expected = keras_dim.data.load(IMAGES, batch_size=5)
    expected = [indices_of(expected) for _ in range(2)]
    dataset = keras_dim.data.load(IMAGES, batch_size=5)
    doubled = dataset.map(lambda batch: batch["index"]).map(lambda i: 2 * i)
    assert len(doubled) == 2
    first = [int(i) for batch in doubled for i in batch]
    assert first == [2 * i for i in expected[0]]
    assert indices_of(dataset) == expected[1]


def test_an_interrupted_iteration_counts_as_an_epoch(elsewhere):
    expected = keras_dim.data.load(IMAGES, batch_size=2)
    expected = [indices_of(expected) for _ in range(2)]
    dataset = keras_dim.data.load(IMAGES, batch_size=2)
    next(iter(dataset))
    assert indices_of(dataset) == expected[1]
