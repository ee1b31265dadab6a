"""Bytes that nobody meant come to each of our doors: each answers in a line.

Hypothesis draws them, mostly whole files with a few bytes changed, cut off,
doubled or mixed. The suite takes a few, always the same; `make fuzz` takes
thousands, others each time.
"""

import io
import json
import random
import shutil
import string
import warnings

import hostile_images
import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies
from tiny_encoder import tiny_encoder
from tiny_images import KINDS
from tiny_images import encode
from tiny_images import pixels
from tiny_recipe import tiny_recipe

import keras_dim.data
from keras_dim import model_files
from keras_dim import serving
from keras_dim.data import image_header
from keras_dim.data import numpy_images
from keras_dim.data import tensorflow_images
from keras_dim.exporting import export
from keras_dim.exporting import parity
from keras_dim.presets import list_pretrained
from keras_dim.presets import pretrained
from keras_dim.presets import save_preset
from keras_dim.training import Recipe
from keras_dim.training import embedding
from keras_dim.training import read_embedding
from keras_dim.training.epoch_log import EpochLog

FEW = 25
MANY = 4000


@pytest.fixture(params=[FEW, pytest.param(MANY, marks=pytest.mark.fuzz)])
def fuzz(request):
    """Calls a check with drawn values, a few or many of them.

    The dear ones, which build a pipeline each time, get a share of them.
    """

    def run(strategy, check, share=1.0):
        @hypothesis.settings(
            max_examples=round(share * request.param),
            derandomize=request.param == FEW,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(strategy)
        def each(value):
            check(value)

        each()

    return run


@strategies.composite
def damaged(draw, wholes):
    """One of some whole files, with up to six damages."""
    data = bytearray(draw(strategies.sampled_from(wholes)))
    places = strategies.integers(0, 2**20)
    for _ in range(draw(strategies.integers(0, 6))):
        begin = draw(places) % (len(data) + 1)
        size = draw(strategies.sampled_from([1, 1, 1, 2, 4, 8, 64, 1024]))
        part = slice(begin, begin + size)
        damage = draw(
            strategies.sampled_from("flip set insert cut end mix".split())
        )
        if damage == "flip":
            for place in range(len(data))[part][:8]:
                data[place] ^= 1 << draw(strategies.integers(0, 7))
        elif damage == "set":
            byte = draw(strategies.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
            data[part] = bytes([byte]) * len(data[part])
        elif damage == "insert":
            data[begin:begin] = draw(strategies.binary(max_size=16))
        elif damage == "cut":
            del data[part]
        elif damage == "end":
            del data[begin:]
        else:
            other = draw(strategies.sampled_from(wholes))
            data[part] = other[part]
    return bytes(data)


# What a value of JSON may be, and text that is almost JSON.
JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**70), 2**70)
    | strategies.floats()
    | strategies.sampled_from([10**400, 1e308, float("inf")])
    | strategies.text(string.printable, max_size=8),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(
            strategies.text(max_size=5), inner, max_size=3
        )
    ),
    max_leaves=5,
)


@strategies.composite
def changed(draw, whole):
    """A JSON object with some of its entries changed, added or left out."""
    value = dict(whole)
    for _ in range(draw(strategies.integers(0, 4))):
        key = draw(strategies.sampled_from(sorted(whole)) | strategies.text())
        if draw(strategies.booleans()):
            value[key] = draw(JSON)
        else:
            value.pop(key, None)
    return json.dumps(value).encode()


@strategies.composite
def changed_within(draw, whole):
    """A JSON value in which some parts, at any depth, are others."""
    value = {"": json.loads(json.dumps(whole))}
    for _ in range(draw(strategies.integers(0, 3))):
        place, key = value, ""
        while (
            isinstance(place[key], dict | list)
            and place[key]
            and draw(strategies.integers(0, 3))
        ):
            place = place[key]
            keys = sorted(place) if isinstance(place, dict) else len(place)
            if not isinstance(place, dict):
                keys = range(keys)
            key = draw(strategies.sampled_from(keys))
        place[key] = draw(JSON)
    return json.dumps(value[""]).encode()


def images():
    """Small files of every kind, and those that lie about their size."""
    found = [encode(pixels(0, (9, 7, 3)), kind) for kind in KINDS]
    found.append(encode(pixels(0, (9, 7, 1)), "png"))
    found.append(encode(pixels(0, (9, 7, 4)), "webp"))
    found.append(encode(pixels(0, (9, 7, 3)), "webp", lossless=False))
    found.append(encode(pixels(0, (9, 7, 3)), "jpeg", progressive=True))
    found.append(hostile_images.gif_of_frames(9, 3))
    for kind in ("tiff", "ppm", "jpeg2000"):
        found.append(encode(pixels(0, (9, 7, 3)), kind))
    found += [bomb for bomb in hostile_images.BOMBS.values() if len(bomb) < 999]
    return found


def is_image(image):
    assert image.dtype == np.uint8
    assert image.ndim == 3 and image.shape[-1] == 3
    return image.size > 0


def test_headers(fuzz):
    def check(data):
        try:
            header = image_header.read_header(io.BytesIO(data))
        except ValueError as error:
            assert "\n" not in str(error)
            return
        assert header.kind == image_header.image_kind(data)
        assert header.channels in (1, 3)
        assert header.width >= 1 and header.height >= 1
        assert header.width * header.height <= image_header.MAX_PIXELS

    fuzz(damaged(images()) | strategies.binary(max_size=64), check)


def test_images_by_pillow(fuzz):
    def check(data):
        try:
            assert is_image(numpy_images.decode(data))
        except ValueError as error:
            assert "cannot be decoded" in str(error)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuzz(damaged(images()) | strategies.binary(max_size=64), check)


def test_images_by_tensorflow(fuzz):
    decode = tf.function(
        tensorflow_images.decode_request,
        input_signature=[tf.TensorSpec([], tf.string)],
    )

    def check(data):
        # As the pipeline does it: first the header.
        if not hostile_images.is_sound(data):
            return
        try:
            assert is_image(decode(data).numpy())
        except (tf.errors.OpError, ValueError):
            pass

    fuzz(damaged(images()) | strategies.binary(max_size=64), check)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    """The folder of an export, which no other runtime has read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "report", lambda *_: {})
        return export(tiny_encoder(), tmp_path_factory.mktemp("tiny"))


def test_images_by_an_export(fuzz, saved_model):
    loaded = tf.saved_model.load(saved_model)
    serve = loaded.signatures["encoded_images"]

    def check(data):
        # Any other error would end a pipeline of Beam.
        try:
            found = serve(encoded_images=tf.constant([data]))
        except tf.errors.InvalidArgumentError:
            return
        # The reader of JPEG passes over bytes between parts of a header.
        is_jpeg = data.startswith(b"\xff\xd8\xff")
        assert is_jpeg or hostile_images.is_sound(data)
        assert all(np.isfinite(value).all() for value in found.values())

    fuzz(damaged(images()) | strategies.binary(max_size=64), check)


def test_folders_of_images(fuzz, tmp_path):
    whole = pixels(0)
    number = iter(range(10**6))

    def check(files):
        folder = tmp_path / str(next(number))
        folder.mkdir()
        (folder / "0.png").write_bytes(encode(whole))
        for name, data in enumerate(files, 1):
            (folder / f"{name}.png").write_bytes(data)
        dataset = keras_dim.data.load(
            folder, "all", 16, image_size=8, channels=3
        )
        found = [batch for batch in dataset.as_numpy_iterator()]
        index = np.concatenate([batch["index"] for batch in found])
        image = np.concatenate([batch["image"] for batch in found])
        assert sorted(set(index)) == sorted(index)
        np.testing.assert_array_equal(image[list(index).index(0)], whole)
        shutil.rmtree(folder)

    fuzz(strategies.lists(damaged(images()), max_size=5), check, share=0.08)


def arrays():
    found = []
    for save in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        save(buffer, images=pixels(0, (3, 4, 4, 3)), labels=np.arange(3))
        found.append(buffer.getvalue())
    return found


def open_and_read(path):
    """Opens and reads all images; what is refused is refused in a line."""
    try:
        dataset = keras_dim.data.load(path, "test", 2)
        for batch in dataset.as_numpy_iterator():
            assert batch["image"].dtype == np.uint8
    except (ValueError, FileNotFoundError) as error:
        assert "\n" not in str(error), str(error)


def test_npz_files(fuzz, tmp_path):
    def check(data):
        (tmp_path / "a.npz").write_bytes(data)
        open_and_read(tmp_path / "a.npz")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fuzz(damaged(arrays()), check)


def test_npy_files(fuzz, tmp_path):
    wholes = []
    for array in (pixels(0, (3, 4, 4, 3)), np.array([{"an": "object"}])):
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        wholes.append(buffer.getvalue())

    def check(data):
        (tmp_path / "a.npy").write_bytes(data)
        open_and_read(tmp_path / "a.npy")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fuzz(damaged(wholes), check)


def test_tfrecords(fuzz, tmp_path):
    def example(number):
        image = tf.train.BytesList(value=[encode(pixels(number))])
        label = tf.train.Int64List(value=[number])
        features = {
            "image": tf.train.Feature(bytes_list=image),
            "label": tf.train.Feature(int64_list=label),
        }
        return tf.train.Example(features=tf.train.Features(feature=features))

    wholes = []
    for num_images in (1, 3):
        path = tmp_path / "whole"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number in range(num_images):
                writer.write(example(number).SerializeToString())
        wholes.append(path.read_bytes())

    def check(data):
        (tmp_path / "a.tfrecord").write_bytes(data)
        open_and_read(tmp_path / "a.tfrecord")

    fuzz(damaged(wholes), check, share=0.2)


def test_tfrecords_of_any_message(fuzz, tmp_path):
    # Whole records, of which the checksums are right and nothing else.
    def check(messages):
        path = str(tmp_path / "a.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for message in messages:
                writer.write(message)
        open_and_read(path)

    image = tf.train.BytesList(value=[encode(pixels(0))])
    features = tf.train.Features(
        feature={"image": tf.train.Feature(bytes_list=image)}
    )
    whole = tf.train.Example(features=features).SerializeToString()
    fuzz(strategies.lists(damaged([whole]), max_size=4), check, share=0.2)


def test_recipes(fuzz, tmp_path):
    whole = tiny_recipe().to_dict()
    path = tmp_path / "recipe.json"

    def check(data):
        path.write_bytes(data)
        try:
            recipe = Recipe.load(path)
        except ValueError as error:
            assert str(path) in str(error)
            return
        assert Recipe(**recipe.to_dict()) == recipe

    fuzz(changed(whole) | damaged([json.dumps(whole).encode()]), check)


@pytest.fixture
def preset(tmp_path):
    metadata = {
        "description": "A tiny encoder.",
        "trained_on": "nothing",
        "licence": "MIT",
        "scores": [],
    }
    folder = save_preset(
        tiny_encoder(), "tiny", tmp_path, config={}, metadata=metadata
    )
    # With them every change is refused before it is read.
    (folder / "SHA256SUMS").unlink()
    return folder


@pytest.mark.parametrize("name", ["metadata.json", "config.json"])
def test_presets(fuzz, preset, name, monkeypatch):
    encoder = tiny_encoder()
    # What it takes to load an encoder is another test's.
    monkeypatch.setattr(model_files, "load_model", lambda path: encoder)
    whole = (preset / name).read_bytes()

    def check(data):
        (preset / name).write_bytes(data)
        for call in (
            lambda: pretrained("tiny", preset.parent),
            lambda: list_pretrained(preset.parent),
        ):
            try:
                call()
            except ValueError as error:
                assert "\n" not in str(error)

    fuzz(changed(json.loads(whole)) | damaged([whole]), check)


def test_models(fuzz, tmp_path):
    tiny_encoder().save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    path = tmp_path / "a.keras"
    shuffled = bytearray(whole)
    random.Random(0).shuffle(shuffled)

    def check(data):
        path.write_bytes(data)
        try:
            model_files.load_model(path)
        except ValueError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)

    fuzz(damaged([whole, whole, bytes(shuffled)]), check)


def test_manifests_of_shards(fuzz, tmp_path):
    whole = {
        "source": ["array (4, 8, 8, 3)"],
        "encoder": {"sha256": "0"},
        "contents": None,
        "width": 6,
        "num_shards": 2,
    }
    for shard in range(2):
        path, *_ = embedding.shard_paths(tmp_path, shard, 2)
        np.save(path, np.zeros((2, 6), "float32"))

    def check(data):
        (tmp_path / "embed.json").write_bytes(data)
        for call in (
            lambda: read_embedding(tmp_path),
            lambda: embedding.begin(tmp_path, whole),
        ):
            try:
                call()
            except ValueError as error:
                assert str(tmp_path) in str(error)
                assert "\n" not in str(error)

    fuzz(
        changed(whole)
        | changed_within(whole)
        | damaged([json.dumps(whole).encode()]),
        check,
    )


def test_logs_of_runs(fuzz, tmp_path):
    whole = b"epoch,loss,seconds\r\n1,2.5,60.25\r\n2,nan,59.5\r\n"
    path = tmp_path / "log.csv"

    def check(data):
        path.write_bytes(data)
        try:
            log = EpochLog(path, 8, num_epochs_done=2)
        except ValueError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            return
        # The run goes on, and is stopped again.
        log.on_epoch_begin(2)
        log.on_epoch_end(2, {"loss": 2.0})
        again = EpochLog(path, 8, num_epochs_done=len(log.rows))
        assert len(again.rows) == len(log.rows)
        assert again.rows[-1]["loss"] == 2.0

    fuzz(damaged([whole]) | strategies.binary(max_size=64), check)


def tensor(dtype, *sizes):
    dims = [{"size": str(size), "name": ""} for size in sizes]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dims, "unknown_rank": False},
    }


def answers_of_a_server():
    """What a server says to each path by REST, whole."""
    signature = {
        "inputs": {"images": tensor("DT_UINT8", -1, -1, -1, 3)},
        "outputs": {"fc": tensor("DT_FLOAT", -1, 2)},
    }
    version = {"version": "1", "state": "AVAILABLE", "status": {}}
    return {
        "/metadata": {
            "model_spec": {"name": "tiny", "version": "1"},
            "metadata": {
                "signature_def": {
                    "signature_def": {"serving_default": signature}
                }
            },
        },
        ":predict": {"outputs": {"fc": [[0.5, 1e9], [0, -1]]}},
        "": {"model_version_status": [version]},
        "error": {"error": "Received message larger than max (9 vs. 4)"},
    }


def part_of(path):
    """What is asked, of whichever version."""
    parts = ("/metadata", ":predict")
    return next((part for part in parts if path.endswith(part)), "")


def test_answers_of_servers(fuzz):
    wholes = {
        key: json.dumps(value).encode()
        for key, value in answers_of_a_server().items()
    }
    batch = np.zeros((2, 4, 4, 3), "uint8")

    def check(drawn):
        path_of_drawn, status, data = drawn

        def answer(method, path, body, end):
            if part_of(path) == path_of_drawn:
                return status, "OK", data
            return 200, "OK", wholes[part_of(path)]

        client = serving.Client("http://127.0.0.1:1", "tiny", max_retries=0)
        # What comes before it is of Python's own library.
        client._transport._answer = answer
        for call in (
            client.status,
            client.metadata,
            lambda: client.embed(batch, "fc"),
            lambda: client.embed(batch),
        ):
            try:
                call()
            except (serving.ServerError, ValueError) as error:
                assert str(error).isprintable()
                assert len(str(error)) < 2000

    @strategies.composite
    def answers(draw):
        path, whole = draw(
            strategies.sampled_from(list(answers_of_a_server().items()))
        )
        if path == "error":
            path = draw(strategies.sampled_from(["/metadata", ":predict"]))
        data = draw(
            changed_within(whole)
            | damaged(list(wholes.values()))
            | JSON.map(lambda value: json.dumps(value).encode())
        )
        status = draw(strategies.sampled_from([200, 200, 400, 404, 429, 503]))
        return path, status, data

    fuzz(answers(), check)
