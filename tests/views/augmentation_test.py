"""Properties of every augmentation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dim import views
from keras_dim.views import augmentation

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 10, 12, 3), "uint8")
PIXELS = IMAGES.astype("float32")
LAYERS = {
    "crop": lambda: views.RandomCrop(8, padding=1, seed=3),
    "flip": lambda: views.RandomFlip(seed=3),
    "translation": lambda: views.RandomTranslation(3, seed=3),
    "resized_crop": lambda: views.RandomResizedCrop(
        8, inference_size=9, seed=3
    ),
    "bilinear_crop": lambda: views.RandomResizedCrop(
        20, (0.5, 0.9), (0.5, 2.0), "bilinear", seed=3
    ),
    "jitter": lambda: views.ColorJitter(0.4, 0.4, 0.4, 0.2, 0.8, seed=3),
    "grayscale": lambda: views.RandomGrayscale(0.5, seed=3),
    "blur": lambda: views.RandomGaussianBlur(
        (0.5, 2.0), kernel_size=5, probability=0.7, seed=3
    ),
    "quarter_turn": lambda: views.RandomQuarterTurn(seed=3),
    "band_jitter": lambda: views.RandomBandJitter(probability=0.8, seed=3),
    "noise": lambda: views.RandomNoise(0.1, probability=0.8, seed=3),
    "channel_drop": lambda: views.RandomChannelDrop(0.7, seed=3),
    "solarize": lambda: views.RandomSolarize(100.0, probability=0.7, seed=3),
}
MOVES_PIXELS = ("crop", "flip", "translation", "quarter_turn")
# These change colours, which only images of three channels have.
CHANGES_COLORS = ("jitter", "grayscale")
UNCLIPPED = ("band_jitter", "noise")
# All others do not change images in inference.
INFERS = ("crop", "resized_crop", "bilinear_crop")


@pytest.fixture(params=LAYERS)
def name(request):
    return request.param


@pytest.fixture
def make(name):
    return LAYERS[name]


def run(layer, images, **arguments):
    """Calls a layer twice, so that the second call draws other numbers."""
    return [np.array(layer(images, **arguments)) for _ in range(2)]


def test_every_augmentation_is_tested():
    public = (getattr(views, name) for name in views.__all__)
    expected = {
        each
        for each in public
        if isinstance(each, type)
        and issubclass(each, augmentation.Augmentation)
    }
    assert {type(make()) for make in LAYERS.values()} == expected


# Whether in training, for layers that change images.
TRAINING = [(name, True) for name in LAYERS] + [
    (name, False) for name in INFERS
]


@pytest.mark.parametrize("name, training", TRAINING)
def test_eager_and_graph_are_the_same(name, training):
    eager, traced = LAYERS[name](), LAYERS[name]()
    function = tf.function(
        lambda images: traced(images, training=training),
        input_signature=[tf.TensorSpec((None, *PIXELS.shape[1:]))],
        autograph=False,
    )
    expected = run(eager, PIXELS, training=training)
    # Graphs may add float32 values of up to 255 in another order.
    np.testing.assert_allclose(run(function, PIXELS), expected, atol=1e-3)


@pytest.mark.parametrize("name, training", TRAINING)
def test_eager_and_xla_are_the_same(name, training, draws_that_xla_shares):
    eager, compiled = LAYERS[name](), LAYERS[name]()
    function = tf.function(
        lambda images: compiled(images, training=training),
        jit_compile=True,
        autograph=False,
    )
    expected = run(eager, PIXELS, training=training)
    np.testing.assert_allclose(run(function, PIXELS), expected, atol=1e-3)


@pytest.mark.parametrize("batch_size", [8, None])
def test_two_replicas_draw_what_one_device_does(make, batch_size, two_replicas):
    expected = run(make(), PIXELS, training=True)
    with two_replicas.scope():
        layer = make()
    shape = (batch_size and batch_size // 2, *PIXELS.shape[1:])

    @tf.function(
        input_signature=[tf.TensorSpec((8, *PIXELS.shape[1:]))],
        autograph=False,
    )
    def function(images):
        halves = two_replicas.experimental_distribute_values_from_function(
            lambda context: tf.reshape(images, (2, 4, *PIXELS.shape[1:]))[
                context.replica_id_in_sync_group
            ]
        )
        outputs = two_replicas.run(
            lambda half: layer(
                tf.ensure_shape(tf.identity(half), shape), training=True
            ),
            args=(halves,),
        )
        return tf.concat(two_replicas.experimental_local_results(outputs), 0)

    np.testing.assert_allclose(run(function, PIXELS), expected, atol=1e-3)


def test_each_image_draws_for_itself(make):
    images = np.stack([PIXELS[0]] * 20)
    changed = np.array(make()(images, training=True))
    assert np.ptp(changed, axis=0).max() > 10


def test_every_call_draws_anew(make):
    first, second = run(make(), PIXELS, training=True)
    assert np.abs(first - second).max() > 10


def test_equal_seeds_draw_equally(make):
    np.testing.assert_array_equal(
        run(make(), PIXELS, training=True), run(make(), PIXELS, training=True)
    )


def test_inference_draws_nothing(name, make):
    layer = make()
    first = layer(PIXELS, training=False)
    assert np.array_equal(first, PIXELS) == (name not in INFERS)
    np.testing.assert_array_equal(layer(PIXELS, training=False), first)
    np.testing.assert_array_equal(
        layer(PIXELS, training=True), make()(PIXELS, training=True)
    )


def test_pixels_stay_in_range_or_are_never_clipped(name, make):
    images = np.random.default_rng(0).choice([0.0, 255.0], PIXELS.shape)
    changed = np.array(make()(images.astype("float32"), training=True))
    if name in UNCLIPPED:
        assert changed.min() < -1 or changed.max() > 256
        return
    # The last digits of float32 at 255.
    assert changed.min() >= -1e-4
    assert changed.max() <= 255 + 1e-4


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [True, False])
def test_views_are_float32_under_any_policy(make, policy, training):
    expected = np.array(make()(PIXELS + 0.3, training=training))
    keras.config.set_dtype_policy(policy)
    changed = make()(PIXELS + 0.3, training=training)
    assert keras.backend.standardize_dtype(changed.dtype) == "float32"
    np.testing.assert_array_equal(changed, expected)


@pytest.mark.parametrize("training", [True, False])
def test_bytes_are_the_same_as_floats(name, make, training):
    changed = make()(IMAGES, training=training)
    expected = make()(PIXELS, training=training)
    dtype = "uint8" if name in MOVES_PIXELS else "float32"
    assert keras.backend.standardize_dtype(changed.dtype) == dtype
    np.testing.assert_array_equal(changed, expected)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("training", [True, False])
def test_any_number_of_channels_is_accepted(name, make, channels, training):
    images = np.repeat(IMAGES, 2, axis=-1)[..., :channels]
    if name in CHANGES_COLORS and channels > 1:
        with pytest.raises(ValueError, match="red, green and blue"):
            make()(images, training=training)
        return
    changed = make()(images, training=training)
    assert changed.shape[-1] == channels


def test_output_shapes_are_static(make):
    layer = make()
    spec = keras.KerasTensor((None, *PIXELS.shape[1:]))
    for training in (True, False):
        changed = layer(PIXELS, training=training)
        expected = layer(spec, training=training)
        assert tuple(changed.shape)[1:] == tuple(expected.shape)[1:]


def test_config_builds_the_same_augmentation(make):
    layer = make()
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    np.testing.assert_array_equal(
        copy(PIXELS, training=True), layer(PIXELS, training=True)
    )


def test_unknown_arguments_are_refused(make):
    with pytest.raises((TypeError, ValueError), match="no_such_argument"):
        type(make()).from_config(make().get_config() | {"no_such_argument": 1})


@pytest.mark.parametrize("shape", [(10, 12, 3), (2, 8, 10, 12, 3)])
def test_inputs_that_are_no_batches_of_images_are_refused(make, shape):
    with pytest.raises(ValueError, match=r"batches.*Received: shape \("):
        make()(np.zeros(shape, "float32"), training=True)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: views.RandomFlip(1.5),
        lambda: views.RandomTranslation(1, probability=-0.1),
        lambda: views.RandomGrayscale(2.0),
        lambda: views.RandomGaussianBlur(probability=1.5),
        lambda: views.RandomSolarize(probability=1.5),
    ],
)
def test_probabilities_outside_0_to_1_are_refused(layer):
    with pytest.raises(ValueError, match="from 0 to 1. Received"):
        layer()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: views.RandomCrop(0),
        lambda: views.RandomCrop(4, padding=-1),
        lambda: views.RandomResizedCrop(0),
        lambda: views.RandomGaussianBlur(kernel_size=3.5),
        lambda: views.dim(crop_padding=4),
        lambda: views.moco_v2(None),
        lambda: views.byol(None),
    ],
)
def test_invalid_sizes_are_refused(layer):
    with pytest.raises(ValueError, match="integer|`crop_padding` needs"):
        layer()


def test_integers_are_below_their_count():
    draws = np.float32([0.0, 0.499, 0.5, 1 - 2**-24, 1.0])
    np.testing.assert_array_equal(
        augmentation.integers(draws, 24.0), [0, 11, 12, 23, 23]
    )
