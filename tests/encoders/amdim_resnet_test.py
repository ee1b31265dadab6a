import golden
import keras
import numpy as np
import pytest
import sizes
from keras import layers

from keras_dim import encoders
from keras_dim.layers import Projection

# By image size, mean and deviation as the authors' code writes them.
AUTHORS_STATISTICS = {
    32: (
        np.array([125.3, 123.0, 113.9]) / 255,
        np.array([63.0, 62.1, 66.7]) / 255,
    ),
    64: (np.array([0.43, 0.42, 0.39]), np.array([0.27, 0.26, 0.27])),
    128: (
        np.array([0.485, 0.456, 0.406]),
        np.array([0.229, 0.224, 0.225]),
    ),
}

# (image_size, base_width, representation_units, depth): the published number
# of parameters of encoder and both projections, and how many of these belong
# to batch norms that are never used.
PUBLISHED = {
    (32, 64, 512, 3): (5_020_288, 9_088),
    (32, 128, 1024, 3): (20_051_200, 18_176),
    (32, 128, 1024, 10): (32_003_840, 43_264),
    (32, 192, 1536, 8): (64_288_896, 54_144),
    (32, 256, 2048, 10): (127_905_280, 86_528),
    (64, 64, 512, 3): (14_455_808, 15_616),
    (64, 128, 1024, 3): (57_780_224, 31_232),
    (64, 128, 1024, 10): (106_461_696, 84_992),
    (64, 192, 1536, 8): (208_182_528, 104_448),
    (128, 64, 512, 3): (14_495_808, 15_616),
    (128, 128, 1024, 6): (78_797_440, 54_272),
    (128, 128, 1024, 10): (106_615_424, 84_992),
    (128, 192, 1536, 8): (208_523_712, 104_448),
    (128, 256, 2048, 10): (426_255_616, 169_984),
    (128, 320, 2560, 10): (665_960_000, 212_480),
}
SIZES = [32, 64, 128]


def random_images(image_size, num_images=2, channels=3):
    rng = np.random.default_rng(0)
    shape = (num_images, image_size, image_size, channels)
    return rng.integers(0, 256, shape, dtype="uint8")


def amdim_projection(units):
    return Projection(
        units, output_norm="batch", hidden_norm=False, zero_start=True
    )


@pytest.mark.parametrize("configuration", PUBLISHED)
def test_published_networks_have_their_size(configuration):
    def networks():
        encoder = encoders.amdim_resnet(*configuration)
        yield encoder
        for name in ("map_5", "map_7"):
            projection = amdim_projection(configuration[2])
            projection.build(encoder.output[name].shape)
            yield projection

    total, unused = PUBLISHED[configuration]
    assert sizes.num_parameters(networks) == total - unused


@pytest.fixture(scope="module", params=SIZES)
def published(request):
    """The authors' arrays, and a network with the authors' weights."""
    arrays = golden.load(f"amdim_enc{request.param}")
    encoder = encoders.amdim_resnet(
        request.param, base_width=4, representation_units=40, depth=2
    )
    state = {
        name.removeprefix("sd_"): value
        for name, value in arrays.items()
        if name.startswith("sd_")
    }
    convolutions = [
        layer for layer in encoder.layers if isinstance(layer, layers.Conv2D)
    ]
    kernels = [
        name
        for name in state
        if name.startswith("layer_list.") and "conv" in name
        if name.endswith(".weight")
    ]
    assert len(convolutions) == len(kernels)
    for layer, name in zip(convolutions, kernels, strict=True):
        weights = [golden.convolution_kernel(state[name])]
        if layer.use_bias:
            weights.append(state[name.replace("weight", "bias")])
        layer.set_weights(weights)
    (top,) = (
        layer
        for layer in encoder.layers
        if isinstance(layer, layers.BatchNormalization)
    )
    last = max(int(name.split(".")[1]) for name in kernels) + 1
    set_norm(top, state, f"layer_list.{last}.bn")
    projections = {}
    for size in (5, 7):
        projection = amdim_projection(40)
        projection.build(encoder.output[f"map_{size}"].shape)
        prefix = f"rkhs_block_{size}"
        for layer, name in (
            (projection.hidden, "conv1"),
            (projection.projection, "conv2"),
            (projection.shortcut, "shortcut"),
        ):
            weights = [state[f"{prefix}.{name}.weight"][:, :, 0, 0].T]
            if layer.use_bias:
                weights.append(state[f"{prefix}.{name}.bias"])
            layer.set_weights(weights)
        set_norm(projection.norm, state, f"{prefix}.bn_out.bn")
        projections[size] = projection
    # What the authors' network takes is normalised already.
    mean, deviation = AUTHORS_STATISTICS[request.param]
    images = 255 * (golden.channels_last(arrays["x"]) * deviation + mean)
    return arrays, encoder, projections, images.astype("float32")


def set_norm(layer, state, prefix):
    layer.set_weights(
        [
            state[f"{prefix}.{name}"]
            for name in ("weight", "bias", "running_mean", "running_var")
        ]
    )


def norms_of(encoder, projections):
    (top,) = (
        layer
        for layer in encoder.layers
        if isinstance(layer, layers.BatchNormalization)
    )
    return {1: top} | {
        size: projection.norm for size, projection in projections.items()
    }


def assert_equals_published(published, training, name):
    arrays, encoder, projections, images = published
    features = encoder(images, training=training)
    got = {1: np.array(features["global"])[:, None, None, :]}
    for size, projection in projections.items():
        got[size] = projection(features[f"map_{size}"], training=training)
    for size, feature in got.items():
        np.testing.assert_allclose(
            feature,
            golden.channels_last(arrays[f"r{size}_{name}"]),
            rtol=1e-4,
            atol=1e-4,
            err_msg=f"r{size}",
        )


def test_equals_the_published_code_in_training_and_after_it(published):
    _, encoder, projections, images = published
    norms = norms_of(encoder, projections)
    before = {
        size: np.array(layer.moving_variance) for size, layer in norms.items()
    }
    assert_equals_published(published, True, "train")
    for size, layer in norms.items():
        # PyTorch keeps the variance of the population, n / (n - 1) times that
        # of the batch, which Keras keeps.
        num_values = len(images) * size**2
        old = layer.momentum * before[size]
        new = np.array(layer.moving_variance) - old
        layer.moving_variance.assign(old + new * num_values / (num_values - 1))
    assert_equals_published(published, False, "eval_after1")


@pytest.mark.parametrize("image_size", SIZES)
def test_every_block_starts_as_average_pooling(image_size):
    encoder = encoders.amdim_resnet(
        image_size, base_width=4, representation_units=32, depth=2
    )
    stem = [
        layer for layer in encoder.layers if isinstance(layer, layers.ReLU)
    ][1 if image_size == 128 else 0]
    inner = keras.Model(
        encoder.input,
        {"stem": stem.output, **encoder.output},
    )
    features = inner(random_images(image_size))
    x = np.array(features["stem"])
    steps = [(4, 2), (2, 2)] if image_size == 32 else [(4, 2), (4, 2), (2, 2)]
    for size, strides in steps:
        x = average_pooling(x, size, strides)
    for name, pooled in (("map_7", x), ("map_5", average_pooling(x, 3, 1))):
        got = np.array(features[name])
        np.testing.assert_allclose(got[..., :4], pooled, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(got[..., 4:], 0.0)


def average_pooling(x, size, strides):
    batch, height, _, channels = x.shape
    out = (height - size) // strides + 1
    pooled = np.zeros((batch, out, out, channels))
    for row in range(out):
        for column in range(out):
            top, left = row * strides, column * strides
            pooled[:, row, column] = x[
                :, top : top + size, left : left + size
            ].mean((1, 2))
    return pooled


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("use_batch_norm", [False, True])
def test_takes_raw_pixels_of_any_channels(channels, use_batch_norm):
    encoder = encoders.amdim_resnet(
        32, 4, 16, 2, channels=channels, use_batch_norm=use_batch_norm
    )
    features = encoder(random_images(32, channels=channels))
    assert {name: value.shape for name, value in features.items()} == {
        "map_7": (2, 7, 7, 16),
        "map_5": (2, 5, 5, 16),
        "global": (2, 16),
    }
    assert all(np.isfinite(value).all() for value in features.values())


def test_batch_norm_is_in_every_branch_when_asked_for():
    def num_norms(use_batch_norm):
        encoder = encoders.amdim_resnet(
            32, 4, 16, 2, use_batch_norm=use_batch_norm
        )
        return sum(
            isinstance(layer, layers.BatchNormalization)
            for layer in encoder.layers
        )

    # The top; with the rest: stem, one layer, four blocks of two, the map and
    # the last layer.
    assert num_norms(False) == 1
    assert num_norms(True) == 1 + 1 + 1 + 4 * 2 + 1 + 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"image_size": 96}, r"image_size: 96.*one of \[32, 64, 128\]"),
        ({"base_width": 0}, "`base_width`.*Received: 0"),
        ({"depth": 1.5}, "`depth`.*Received: 1.5"),
        (
            {"base_width": 8, "representation_units": 16},
            "at least the width of the maps, 32 .*Received: 16",
        ),
        ({"channels": 0}, "`channels`.*Received: 0"),
        ({"representation_units": 1024.5}, "integer.*Received: 1024.5"),
        ({"pixel_statistics": (125.3, 63.0)}, r"in \[0, 1\].*125.3 and 63.0"),
        ({"pixel_statistics": (0.5, 0)}, "0.5 and 0.0"),
        ({"pixel_statistics": (float("nan"), 0.2)}, "nan and 0.2"),
        (
            {"channels": 1, "pixel_statistics": ((0.5,) * 3, (0.2,) * 3)},
            r"each of 1 channel",
        ),
    ],
)
def test_refuses_what_makes_no_network(arguments, message):
    with pytest.raises(ValueError, match=message):
        encoders.amdim_resnet(**arguments)
