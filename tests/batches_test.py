"""Batches of images and labels: which are accepted, and which refused."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import batches
from keras_dim import distribution

LABELS = np.arange(40) % 5
INDEX = np.arange(40)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)


def in_every_form(images):
    return {
        "images": images,
        "one": (images,),
        "pair": (images, LABELS),
        "list": [images, LABELS],
        "dict": {"image": images, "label": LABELS, "index": INDEX, "more": 0},
    }


@pytest.mark.parametrize("form", ["images", "one", "pair", "list", "dict"])
@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_every_form_of_a_batch_becomes_a_dict(images, form, convert):
    element = in_every_form(convert(images))[form]

    found = batches.columns(element)

    names = {"pair": 2, "list": 2, "dict": 3}.get(form, 1)
    assert list(found) == ["image", "label", "index"][:names]
    assert found["image"] is batches.images_of(element)
    np.testing.assert_array_equal(found["image"], images)


def test_a_symbolic_batch_stays_symbolic():
    image = keras.Input((8, 8, 3))

    assert batches.images_of({"image": image}) is image


def test_a_label_of_none_is_no_label(images):
    assert list(batches.columns((images, None))) == ["image"]
    assert list(batches.columns({"image": images, "label": None})) == ["image"]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ("photos", "keras_dim.data.load"),
        ({"pixels": 0}, "'image'"),
        ((np.zeros((2, 8, 8, 3)), [0, 1], [1, 1]), "sample weights"),
        ((np.zeros((2, 8, 8, 3)), [0, 1, 2]), "one 'label'.*3 for 2"),
        ([np.zeros((8, 8, 3))] * 5, "numpy.stack"),
        (np.array(["a.png"]), "numbers"),
        (None, "array"),
    ],
)
def test_anything_else_is_refused(element, reason):
    with pytest.raises(ValueError, match=reason):
        batches.columns(element)


def in_another_range(images):
    return {
        "[0, 1]": images / 255,
        "[-1, 1]": images / 127.5 - 1,
        "float32": (images / 255).astype("float32"),
        "float16": (images / 255).astype("float16"),
        "standardised": (images - 125.0) / 60,
        "16 bits": images.astype("uint16") * 257,
        "12 bits": images.astype("int32") * 16,
        "signed": images.astype("int16") - 128,
        "NaN": np.where(images > 200, np.nan, images),
        "bool": images > 100,
    }


RANGES = list(in_another_range(np.zeros((1, 8, 8, 3), "uint8")))


@pytest.mark.parametrize("name", RANGES)
def test_pixels_of_another_range_are_refused_in_one_line(images, name):
    pixels = in_another_range(images)[name]

    for element in (pixels, tf.constant(pixels)):
        with pytest.raises(ValueError) as caught:
            batches.check(element, who="fit")

        said = str(caught.value)
        assert "[0, 255]" in said
        assert "\n" not in said
        assert said.startswith("fit")


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "float16"])
def test_raw_pixels_pass_without_a_warning(images, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches.check(images.astype(dtype))
        batches.check(np.zeros_like(images, dtype))


def test_dark_images_of_uint8_pass_without_a_warning(images):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches.check(images // 200)


def test_zeros_and_ones_in_floats_are_warned_about(images):
    with pytest.warns(UserWarning, match="255"):
        batches.check((images > 100).astype("float32"))


def test_values_may_exceed_the_range_by_rounding(images):
    batches.check(images + np.float32(0.001))


def test_large_arrays_are_checked_in_the_middle_and_at_the_end(images):
    many = np.tile(images, (20, 1, 1, 1)).astype("float32")
    for row in (0, 400, 799):
        wrong = many.copy()
        wrong[row] = -3
        with pytest.raises(ValueError, match="-3"):
            batches.check(wrong)


@pytest.mark.parametrize(
    ("shape", "image_shape", "reason"),
    [
        ((4, 3, 32, 32), None, r"transpose\(images, \(0, 2, 3, 1\)\)"),
        ((4, 1, 28, 28), (28, 28, 1), "channels first"),
        ((4, 3, 32, 32), (None, None, 3), "channels first"),
        ((4, 28, 28), None, r"images\[..., None\]"),
        ((28, 28, 1), (28, 28, 1), r"images\[None\]"),
        ((4, 28, 28, 1), (28, 28, 3), r"\(None, 28, 28, 3\)"),
        ((4, 32, 32, 3), (28, 28, 3), "image_size"),
        ((4, 12), None, "height"),
    ],
)
def test_wrong_shapes_are_refused(shape, image_shape, reason):
    for value in (np.zeros(shape, "uint8"), tf.zeros(shape, "uint8")):
        with pytest.raises(ValueError, match=reason):
            batches.check(value, image_shape)


@pytest.mark.parametrize(
    ("shape", "image_shape"),
    [
        ((4, 28, 28, 1), None),
        ((4, 3, 3, 3), None),
        ((4, 3, 32, 32), (3, 32, 32)),
        ((4, 9, 7, 3), (None, None, 3)),
        ((4, 12), (12,)),
    ],
)
def test_right_shapes_pass(shape, image_shape):
    batches.check(np.zeros(shape, "uint8"), image_shape)


def test_channels_first_in_keras_is_refused(images):
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels_last"):
            batches.check(images)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_too_few_images_are_refused_with_a_reason(images):
    why = "one image has no negatives"

    with pytest.raises(ValueError, match="no negatives"):
        batches.check(images[:1], min_images=2, why=why)
    with pytest.raises(ValueError, match="no images"):
        batches.check(images[:0])
    with pytest.raises(ValueError, match="of 1 image.*no negatives"):
        batches.checked(images[:9], min_images=2, why=why, batch_size=4)
    with pytest.raises(ValueError, match="no negatives"):
        batches.checked(images, min_images=2, why=why, batch_size=1)
    assert batches.checked(images[:3], min_images=2, batch_size=4) is not None


class Batches(keras.utils.PyDataset):
    def __init__(self, parts):
        super().__init__(workers=2, max_queue_size=3)
        self.parts = parts

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]


def data_sets(images, size=16):
    """The same batches as every kind of data set."""
    parts = [
        {
            "image": images[start : start + size],
            "index": INDEX[: len(images)][start : start + size],
        }
        for start in range(0, len(images), size)
    ]
    columns = {"image": images, "index": INDEX[: len(images)]}
    return {
        "tf.data": tf.data.Dataset.from_tensor_slices(columns).batch(size),
        "PyDataset": Batches(parts),
        "list": parts,
        "generator": (part for part in parts),
    }


KINDS = ["tf.data", "PyDataset", "list", "generator"]


def batches_in(dataset):
    if isinstance(dataset, keras.utils.PyDataset):
        return [dataset[i] for i in range(len(dataset))]
    return list(dataset)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_checked_data_set_gives_the_same_batches(images, kind, dtype):
    dataset = data_sets(images.astype(dtype))[kind]

    found = batches.checked(dataset, (8, 8, 3), min_images=2, in_order=True)

    if kind == "tf.data":
        assert int(found.cardinality()) == int(dataset.cardinality()) == 3
        assert found.element_spec == dataset.element_spec
    if kind == "PyDataset":
        assert (found.workers, found.max_queue_size) == (2, 3)
    assert [len(batch["image"]) for batch in batches_in(found)] == [16, 16, 8]
    if kind != "generator":
        again = [np.asarray(batch["image"]) for batch in batches_in(found)]
        np.testing.assert_array_equal(np.concatenate(again), images)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [n for n in RANGES if n != "bool"])
def test_data_sets_of_another_range_are_refused_in_one_line(images, kind, name):
    dataset = data_sets(in_another_range(images)[name])[kind]

    with pytest.raises(ValueError) as caught, distribution.value_errors():
        batches_in(batches.checked(dataset, who="fit"))

    assert str(caught.value).startswith("fit expects raw pixels in [0, 255]")
    assert "\n" not in str(caught.value)


def test_fit_raises_that_line(images):
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    dataset = tf.data.Dataset.from_tensor_slices((images / 255, LABELS))

    with pytest.raises(ValueError) as caught, distribution.value_errors():
        x = batches.checked(dataset.batch(8), who="fit")
        model.fit(x, shuffle=False, verbose=0)

    assert str(caught.value).startswith("fit expects raw pixels")
    assert "\n" not in str(caught.value)


class Refusing(keras.layers.Layer):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def call(self, inputs):
        raise self.error


def test_an_error_within_a_layer_is_one_line():
    with pytest.raises(ValueError) as caught, distribution.value_errors():
        Refusing(ValueError("Too few."))(np.ones(3))

    assert str(caught.value) == "Too few."
    # Keras appends lines of its own.
    assert "Refusing.call()" in str(caught.value.__cause__)


def test_other_errors_within_a_layer_are_unchanged():
    with (
        pytest.raises(KeyError, match="Refusing.call"),
        distribution.value_errors(),
    ):
        Refusing(KeyError("other"))(np.ones(3))


def test_other_errors_are_unchanged():
    with pytest.raises(KeyError, match="other"), distribution.value_errors():
        raise KeyError("other")


@pytest.mark.parametrize("kind", KINDS)
def test_a_last_batch_of_one_image_is_refused(images, kind):
    dataset = data_sets(images[:9], 4)[kind]

    with (
        pytest.raises(ValueError, match="negatives"),
        distribution.value_errors(),
    ):
        batches_in(batches.checked(dataset, min_images=2, why="no negatives"))


def test_known_shapes_are_refused_before_the_first_batch(images):
    def never():
        raise AssertionError("a batch was taken")
        yield images

    def dataset(shape, dtype="uint8"):
        return tf.data.Dataset.from_generator(
            never, output_signature=tf.TensorSpec(shape, dtype)
        )

    with pytest.raises(ValueError, match="channels first"):
        batches.checked(dataset((None, 3, 32, 32)))
    with pytest.raises(ValueError, match="do not fit"):
        batches.checked(dataset((None, 32, 32, 3)), (28, 28, 3))
    with pytest.raises(ValueError, match="bool"):
        batches.checked(dataset((None, 32, 32, 3), "bool"))
    with pytest.raises(ValueError, match="2 images"):
        batches.checked(dataset((1, 32, 32, 3)), min_images=2)


def test_a_data_set_of_uint8_is_returned_unchanged(images):
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(
        8, drop_remainder=True
    )

    assert batches.checked(dataset, (8, 8, 3), min_images=2) is dataset


@pytest.mark.parametrize("kind", ["arrays", "tf.data", "list"])
def test_of_a_dict_of_views_the_first_is_checked(images, kind):
    def views(images):
        columns = {"one": images, "other": images}
        return {
            "arrays": columns,
            "tf.data": tf.data.Dataset.from_tensors(columns),
            "list": [columns],
        }[kind]

    names = ("one", "other")
    found = batches.checked(views(images), view_names=names)
    if kind != "arrays":
        (found,) = found
    assert set(found) == set(names)
    with pytest.raises(ValueError, match="255"), distribution.value_errors():
        list(batches.checked(views(images / 255), view_names=names))
    with pytest.raises(ValueError, match="'image'"):
        list(batches.checked(views(images), view_names=("one", "third")))


def test_arguments_that_need_labels_are_refused():
    batches.refuse_supervision(loss=None, class_weight=None)
    with pytest.raises(ValueError, match="`class_weight` has no meaning"):
        batches.refuse_supervision(loss=None, class_weight={0: 1.0})


def test_a_generator_is_not_consumed_in_advance(images):
    taken = []

    def generator():
        for part in (images[:8], images[8:]):
            taken.append(part)
            yield part

    found = batches.checked(generator())

    assert taken == []
    assert len(next(found)) == 8
    assert len(taken) == 1


def test_tuples_from_a_generator_stay_tuples(images):
    parts = [{"image": images[:16]}, {"image": images[16:]}]

    found = list(batches.checked((part,) for part in parts))

    for given, checked in zip(parts, found, strict=True):
        assert isinstance(checked, tuple) and len(checked) == 1
        np.testing.assert_array_equal(checked[0]["image"], given["image"])


@pytest.mark.parametrize("value", ["photos", 3, None])
def test_an_invalid_data_set_is_refused(value):
    with pytest.raises(ValueError, match="data set"):
        batches.checked(value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_shuffled_order_is_warned_about_if_it_matters(images, kind):
    order = np.random.default_rng(0).permutation(40)
    parts = [
        {"image": images[rows], "index": INDEX[rows]}
        for rows in np.split(order, 4)
    ]
    columns = {"image": images[order], "index": INDEX[order]}
    shuffled = {
        "tf.data": tf.data.Dataset.from_tensor_slices(columns).batch(10),
        "PyDataset": Batches(parts),
        "list": parts,
        "generator": iter(parts),
    }[kind]

    with pytest.warns(UserWarning, match="shuffle=False"):
        batches_in(batches.checked(shuffled, in_order=True))


@pytest.mark.parametrize("kind", KINDS)
def test_images_alone_removes_labels(images, kind):
    found = batches_in(batches.images_alone(data_sets(images)[kind]))

    np.testing.assert_array_equal(np.concatenate(found), images)


@pytest.mark.parametrize("kind", KINDS)
def test_large_batches_are_cut_and_small_ones_not_joined(images, kind):
    found = list(batches.iterate(data_sets(images)[kind], 10))

    assert [len(batch["image"]) for batch in found] == [10, 6, 10, 6, 8]
    assert all(isinstance(batch["index"], np.ndarray) for batch in found)


def test_an_endless_data_set_is_refused(images):
    endless = tf.data.Dataset.from_tensor_slices(images).batch(8).repeat()

    with pytest.raises(ValueError, match="repeats for ever"):
        next(batches.iterate(endless, 8))


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2],
        [[0], [1], [2]],
        np.array([0, 1, 2], "uint8"),
        np.array([0.0, 1.0, 2.0]),
        tf.constant([[0], [1], [2]]),
    ],
)
def test_labels_become_numbers(labels):
    found = batches.labels_of(labels)

    assert found.dtype == np.int64
    assert found.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.eye(3), "numpy.argmax"),
        (["cat", "dog"], "numpy.unique"),
        (np.array(["cat", "dog"], object), "numpy.unique"),
        (tf.constant(["cat", "dog"]), "numpy.unique"),
        ([0.5, 1.0], "fractions"),
        ([0.0, np.nan], "NaN"),
        ([0.0, np.inf], "infinity"),
        ([0, -1], "no label"),
        ([0, -2], "from 0 to 2"),
        ([0, 3], "from 0 to 2"),
        ({"image": 0}, "needs labels"),
    ],
)
def test_invalid_labels_are_refused(labels, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        batches.labels_of(labels, num_classes=3)
    assert "\n" not in str(caught.value)


def test_numbers_below_minus_one_are_never_labels():
    with pytest.raises(ValueError, match="labels 0 or more. Received -2"):
        batches.labels_of([0, -2], allow_unlabelled=True)


def test_unlabelled_rows_may_be_allowed():
    labels = batches.labels_of({"label": [0, -1]}, allow_unlabelled=True)

    assert labels.tolist() == [0, -1]


@pytest.mark.parametrize("low", [-np.inf, np.nan, 2.0])
def test_a_range_has_finite_ends_in_order(low):
    with pytest.raises(ValueError, match="finite low and high end"):
        batches.ValueRange((low,), (1.0,))


def test_a_range_shows_only_images_of_its_bands():
    with pytest.raises(ValueError, match="1 band.s.. Received images of 3"):
        batches.ValueRange((0.0,), (1.0,)).in_8_bits(np.zeros((2, 4, 4, 3)))
