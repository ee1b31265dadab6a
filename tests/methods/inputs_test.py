"""Images and arguments are checked before a method trains on them."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim import batches
from keras_dim.data import reading


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def model():
    return tiny.make("deep_infomax_local")


def as_data_set(images, kind):
    if kind == "arrays":
        return images
    dataset = tf.data.Dataset.from_tensor_slices({"image": images})
    return dataset.batch(4)


DOORS = {
    "fit": lambda model, x: model.fit(x, batch_size=None, verbose=0),
    "evaluate": lambda model, x: model.evaluate(x, verbose=0),
    "predict": lambda model, x: model.predict(x, verbose=0),
}


@pytest.mark.parametrize("kind", ["arrays", "data set"])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x / 255,
        lambda x: x / 127.5 - 1,
        lambda x: x.astype("uint16") * 257,
        lambda x: x > 100,
    ],
)
def test_pixels_of_another_range_are_refused(model, images, kind, door, wrong):
    before = model.get_weights()

    with pytest.raises(ValueError, match=r"\[0, 255\]") as caught:
        DOORS[door](model, as_data_set(wrong(images[:8]), kind))

    assert "\n" not in str(caught.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("kind", ["arrays", "data set"])
@pytest.mark.parametrize("door", ["fit", "evaluate"])
def test_a_rest_of_one_image_is_refused(model, images, kind, door):
    arguments = {"batch_size": 4} if kind == "arrays" else {}

    with pytest.raises(ValueError, match="no negatives"):
        getattr(model, door)(as_data_set(images, kind), verbose=0, **arguments)


def test_one_image_is_refused(model, images):
    with pytest.raises(ValueError, match="no negatives"):
        model.fit(images[:1], verbose=0)
    assert model.predict(images[:1], verbose=0).shape == (1, 6)


def test_an_image_without_its_batch_is_refused_with_the_way(model, images):
    of_images = tf.data.Dataset.from_tensor_slices(images)

    for one in (images[0], of_images):
        with pytest.raises(ValueError, match=r"one image.*batch a data") as e:
            model.predict(one, verbose=0)
        assert "images[None]" in str(e.value) and "\n" not in str(e.value)


@pytest.mark.parametrize(
    "arguments",
    [{"class_weight": {0: 2.0}}, {"sample_weight": np.ones(8)}],
)
def test_weights_of_fit_are_refused(model, images, arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        model.fit(images[:8], np.arange(8), verbose=0, **arguments)
    dataset = tf.data.Dataset.from_tensor_slices(
        (images, np.arange(9), np.ones(9))
    )
    with pytest.raises(ValueError, match="sample weights"):
        model.fit(dataset.batch(3), verbose=0)


@pytest.mark.parametrize("name", ["loss", "metrics", "weighted_metrics"])
def test_losses_and_metrics_of_compile_are_refused(images, name):
    model = tiny.make("deep_infomax_local")

    with pytest.raises(ValueError, match="no meaning"):
        model.compile(keras.optimizers.Adam(), **{name: ["mse"]})
        model.fit(images[:8], verbose=0)


@pytest.fixture
def folder(tmp_path):
    for number in range(20):
        pixels = np.full((8, 8, 3), 12 * number, np.uint8)
        keras.utils.save_img(tmp_path / f"{number:02}.png", pixels, scale=False)
    return tmp_path


def test_features_in_a_shuffled_order_are_warned_about(model, folder):
    shuffled = keras_dim.data.load(folder, batch_size=5)

    with pytest.warns(UserWarning, match="shuffle=False"):
        model.predict(shuffled, verbose=0)


def test_features_in_order_are_those_of_the_arrays(model, folder):
    source = keras_dim.data.open_source(folder)
    images = next(reading.Epoch(source, 20).batches())["image"]
    in_order = keras_dim.data.load(source, batch_size=8, shuffle=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.predict(in_order, verbose=0)

    np.testing.assert_allclose(
        found, model.predict(images, verbose=0), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
def test_two_replicas_refuse_the_same(two_replicas, images):
    with two_replicas.scope():
        model = tiny.make("deep_infomax_local")

    with pytest.raises(ValueError, match=r"\[0, 255\]") as caught:
        DOORS["fit"](model, as_data_set(images[:8] / 255, "data set"))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="no negatives"):
        DOORS["fit"](model, as_data_set(images, "data set"))


def refused(model, door, *args, **kwargs):
    """Returns the one line of a refusal that changes no weight."""
    before = model.get_weights()
    with pytest.raises(ValueError) as caught:
        getattr(model, door)(*args, **kwargs)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# One instance of each method.
NAMES = [
    "deep_infomax_local",
    "amdim",
    "simclr",
    "alignment_uniformity",
    "corinfomax",
    "coding_rate",
    "byol",
    "raft",
    "moco",
    "instance_discrimination",
    "cmc",
    "cpc",
]
# Negatives, or the other patches, of one image are enough for the last four.
MANY_IMAGES = NAMES[:-4]


@pytest.mark.parametrize("door", ["fit", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("name", MANY_IMAGES)
def test_a_batch_of_one_image_is_refused(images, name, door):
    found = refused(tiny.make(name), door, images[:1])

    assert found.startswith(f"`{door}` expects 2 images or more in a batch: ")


@pytest.mark.parametrize("name", NAMES[-4:])
def test_others_take_a_batch_of_one_image(name):
    batch = {"image": tiny.images()[:1], "index": np.arange(1)}

    assert np.isfinite(tiny.make(name).train_on_batch(batch)).all()


@pytest.mark.parametrize("name", NAMES)
def test_views_that_the_encoder_does_not_take_are_refused(name):
    batch = {"image": tiny.images(), "index": np.arange(tiny.NUM_IMAGES)}
    of_four = np.concatenate([batch["image"], batch["image"][..., :1]], axis=-1)
    grey = batch["image"][..., :1]

    for door, channels, pixels in (
        ("fit", 4, of_four),
        ("train_on_batch", 1, grey),
    ):
        found = refused(tiny.make(name), door, {**batch, "image": pixels})
        if name == "amdim" and channels == 4:
            # Its views change colours, and see the images first.
            assert found.startswith("ColorJitter changes saturation and hue")
            continue
        assert f"8, 8, {channels}): load images" in found
        assert "The encoder takes views of the shape (None, 8, 8, 3)" in found


def test_each_view_of_a_user_is_compared_with_the_encoder():
    views = {"view_1": tiny.images(), "view_2": tiny.images()[:, :6]}

    assert "6, 8, 3): load images" in refused(tiny.make("simclr"), "fit", views)


def test_an_error_of_a_view_is_one_line(images):
    model = keras_dim.DeepInfoMax(
        tiny.encoder(), views=keras_dim.views.dim(crop_size=9)
    )
    model.compile("sgd")

    assert "crop of 9 pixels" in refused(model, "fit", images[:8])


def test_views_of_other_names_are_refused(images):
    model = keras_dim.MoCo(tiny.encoder(), views=tiny.two_views(), queue_size=4)
    model.compile("sgd")

    found = refused(model, "fit", images[:8])

    assert "takes the views ['query', 'key']" in found
    assert "makes ['view_1', 'view_2']" in found


def test_a_queue_larger_than_the_data_set_is_refused(images):
    # 12 keys.
    found = refused(tiny.make("moco"), "fit", images)
    assert "queue of 12 keys is larger than the data set of 9 images" in found
    tiny.make("moco").fit(tiny.images()[:12], verbose=0)


def batches_of(num_images, kind):
    """Returns batches of four, as `load` makes them or of a user's own."""
    images = tiny.images()[:num_images]
    if kind == "load":
        return keras_dim.data.load(images, None, 4)
    columns = {"image": images, "index": np.arange(num_images)}
    dataset = tf.data.Dataset.from_tensor_slices(columns)
    return dataset.batch(4, drop_remainder=True)


@pytest.mark.parametrize("kind", ["load", "own"])
def test_data_sets_too_small_for_a_queue_or_a_bank_are_refused(kind):
    found = refused(tiny.make("moco"), "fit", batches_of(8, kind))
    # Of 8 images, or of 8 and a rest of up to 3.
    assert ("of 8 images", "of 11 images")[kind == "own"] in found
    model = tiny.make("instance_discrimination")
    assert "rows for 16 images" in refused(model, "fit", batches_of(8, kind))


def test_endless_batches_and_the_rest_of_an_epoch_have_no_known_size():
    source = keras_dim.data.open_source(tiny.images(), None)
    rest = keras_dim.data.load(
        source, batch_size=4, shuffle=True, first_batch=2
    )

    assert batches.num_images_of(rest) is None
    assert batches.num_images_of(batches_of(8, "own").repeat()) is None
    assert batches.num_images_of(batches_of(8, "own")) == (11, False)
    assert batches.num_images_of(batches_of(8, "load")) == (8, True)


@pytest.mark.parametrize("wrong", [lambda x: x / 255, lambda x: x[:1]])
def test_validation_data_are_checked_before_the_first_epoch(
    model, images, wrong
):
    given = wrong(images[:8])
    found = refused(model, "fit", images[:8], validation_data=given)
    assert found.startswith("`validation_data` expects")


@pytest.mark.parametrize("door", ["fit", "evaluate", "predict"])
def test_lists_of_batches_are_refused(model, images, door):
    found = refused(model, door, [images[:4], images[4:8]])
    assert "numpy.concatenate(batches)" in found


@pytest.mark.parametrize("name", ["instance_discrimination", "cmc"])
class TestBank:
    def batch(self, num_images, first=0):
        index = first + np.arange(num_images)
        return {"image": tiny.images()[:num_images], "index": index}

    def test_of_another_size_than_the_data_set_is_refused(self, name):
        found = refused(tiny.make(name), "fit", self.batch(8))
        assert "rows for 16 images, and the data set has 8" in found
        # A part of them.
        tiny.make(name).train_on_batch(self.batch(8))
        tiny.make(name).evaluate(self.batch(8), verbose=0)

    @pytest.mark.parametrize("door", ["fit", "train_on_batch"])
    def test_without_a_row_for_an_index_is_refused(self, name, door):
        found = refused(tiny.make(name), door, self.batch(16, first=1))
        assert "rows for 16 images. Received an index from 1 to 16" in found

    @pytest.mark.parametrize("door", ["fit", "train_on_batch"])
    def test_refuses_images_without_an_index(self, name, door):
        found = refused(tiny.make(name), door, tiny.images())
        assert "'index'" in found

    def test_refuses_fractions_for_an_index(self, name):
        batch = self.batch(16)
        batch["index"] = batch["index"] / 2
        assert "float64" in refused(tiny.make(name), "fit", batch)


NEEDED = {
    "instance_discrimination": {"num_images": 4},
    "cmc": {"num_images": 4},
    "distillation": {"teacher": tiny.encoder()},
}


@pytest.mark.parametrize("name", keras_dim.methods.METHODS)
def test_an_encoder_without_the_feature_is_refused(name):
    image = keras.Input(tiny.IMAGE_SHAPE)
    encoder = keras.Model(image, {"other": keras.layers.Flatten()(image)})
    arguments = NEEDED.get(name, {})

    with pytest.raises(ValueError, match="has no feature '[a-z]+'.*'other'"):
        keras_dim.methods.METHODS[name](encoder, **arguments)


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in keras_dim.methods.METHODS
        if n not in ("deep_infomax", "amdim", "cpc")
    ],
)
def test_a_map_is_no_feature_for_a_head(name):
    image = keras.Input(tiny.IMAGE_SHAPE)
    maps = dict.fromkeys(("global", "luminance", "chrominance"), image)
    arguments = NEEDED.get(name, {})

    with pytest.raises(ValueError, match=r"must be a vector.*8, 8, 3\)"):
        keras_dim.methods.METHODS[name](keras.Model(image, maps), **arguments)


def test_default_views_need_square_images_of_one_size():
    image = keras.Input((8, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    encoder = keras.Model(image, {"global": pooled})
    with pytest.raises(ValueError, match=r"of \(8, None\): pass `views`"):
        keras_dim.SimCLR(encoder)


def test_a_pairing_that_is_named_twice_is_refused():
    encoder = tiny.make("amdim").encoder
    with pytest.raises(ValueError, match="`pairings`.*different"):
        keras_dim.AMDIM(encoder, pairings=[["global", "map_5"]] * 2)
