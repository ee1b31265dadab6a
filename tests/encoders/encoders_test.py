import golden
import keras
import numpy as np
import pytest
import sizes

from keras_dim import encoders

# The authors' name -> encoder, trainable parameters, shape of the local map.
PUBLISHED = {
    "basic28x28": (
        lambda: encoders.dim_convnet(28, channels=1),
        6_696_960,
        (7, 7, 128),
    ),
    "basic32x32": (lambda: encoders.dim_convnet(32), 4_921_280, (8, 8, 128)),
    "basic64x64": (lambda: encoders.dim_convnet(64), 11_213_760, (8, 8, 256)),
    "alex64x64": (encoders.dim_alexnet, 58_416_160, (15, 15, 384)),
    "foldalex64x64": (
        encoders.folded_dim_alexnet,
        17_921_024,
        (7, 7, 192),
    ),
    "foldmultialex64x64": (
        lambda: encoders.folded_dim_alexnet(multiple_globals=True),
        3_194_592,
        (7, 7, 192),
    ),
    "resnet19_32x32": (encoders.dim_resnet, 20_281_216, (8, 8, 512)),
    "resnet34_32x32": (
        lambda: encoders.dim_resnet(depth=34),
        22_589_056,
        (8, 8, 512),
    ),
    "foldresnet19_32x32": (
        lambda: encoders.dim_resnet(folded=True),
        54_884_224,
        (7, 7, 1024),
    ),
    "foldresnet34_32x32": (
        lambda: encoders.dim_resnet(depth=34, folded=True),
        57_192_064,
        (7, 7, 1024),
    ),
}
# The same kinds of network, narrow enough to be run.
NARROW = {
    "convnet_28": lambda **kwargs: encoders.dim_convnet(
        28, filters=(4, 6), units=8, global_units=5, **kwargs
    ),
    "convnet_32": lambda **kwargs: encoders.dim_convnet(
        32, filters=(4, 6, 8), units=8, global_units=5, **kwargs
    ),
    "alexnet": lambda **kwargs: encoders.dim_alexnet(
        40, units=8, global_units=5, **kwargs
    ),
    "folded_alexnet": lambda **kwargs: encoders.folded_dim_alexnet(
        32, units=8, global_units=5, **kwargs
    ),
    "resnet": lambda **kwargs: encoders.dim_resnet(
        16, units=8, global_units=5, **kwargs
    ),
    "folded_resnet": lambda **kwargs: encoders.dim_resnet(
        16, folded=True, units=8, global_units=5, **kwargs
    ),
}


@pytest.fixture(params=NARROW)
def make(request):
    return NARROW[request.param]


@pytest.fixture(scope="module", params=NARROW)
def encoder(request):
    return NARROW[request.param]()


def random_images(encoder, num_images=2):
    rng = np.random.default_rng(0)
    shape = (num_images, *encoder.input_shape[1:])
    return rng.integers(0, 256, shape, dtype="uint8")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_have_their_size(name):
    make_encoder, num_parameters, local_shape = PUBLISHED[name]

    def networks():
        encoder = make_encoder()
        assert encoder.output["local"].shape == (None, *local_shape)
        return [encoder]

    assert sizes.num_parameters(networks) == num_parameters


def test_convnet_equals_the_authors_in_training():
    arrays = golden.load("dim_tiny_encoder")
    encoder = encoders.dim_convnet(
        32, filters=(8, 16, 32), units=64, global_units=10
    )
    layers_of = [
        [layer for layer in encoder.layers if isinstance(layer, kind)]
        for kind in (
            keras.layers.Conv2D,
            keras.layers.Dense,
            keras.layers.BatchNormalization,
        )
    ]
    convolutions, (dense, last), norms = layers_of

    def weights_of(layer):
        prefix = f"sd_layers.layer{layer}."
        return {
            name.removeprefix(prefix): value
            for name, value in arrays.items()
            if name.startswith(prefix)
        }

    for index, convolution in enumerate(convolutions):
        kernel = weights_of(index)["conv.weight"]
        convolution.set_weights([golden.convolution_kernel(kernel)])
    # Theirs flattens channel by channel, ours pixel by pixel.
    kernel = weights_of(4)["fc.weight"].reshape(64, 32, 4, 4)
    dense.set_weights([np.transpose(kernel, (2, 3, 1, 0)).reshape(512, 64)])
    last.set_weights([weights_of(5)["weight"].T, weights_of(5)["bias"]])
    for index, norm in zip((0, 1, 2, 4), norms, strict=True):
        names = ("weight", "bias", "running_mean", "running_var")
        norm.set_weights([weights_of(index)[f"bn.{name}"] for name in names])

    # Theirs is fed what ours scales to by itself.
    images = (golden.channels_last(arrays["x"]) + 1) * 127.5
    features = encoder(images, training=True)
    for name, expected in {
        "local": golden.channels_last(arrays["out1_train"]),
        "conv": golden.channels_last(arrays["out2_train"]),
        "fc": arrays["out4_train"],
        "global": arrays["out5_train"],
    }.items():
        np.testing.assert_allclose(
            features[name], expected, rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_features_have_names_and_shapes(encoder):
    features = encoder(random_images(encoder, 3))
    assert set(features) == {"local", "conv", "fc", "global"}
    assert features["fc"].shape == (3, 8)
    assert features["global"].shape == (3, 5)
    for name, feature in features.items():
        assert feature.shape[1:] == encoder.output[name].shape[1:]


def test_multiple_globals_are_a_map_without_dense_layer():
    encoder = encoders.folded_dim_alexnet(64, multiple_globals=True)
    shapes = {name: output.shape for name, output in encoder.output.items()}
    assert shapes == {
        "local": (None, 7, 7, 192),
        "conv": (None, 7, 7, 192),
        "global": (None, 5, 5, 192),
    }


def test_variational_encoders_add_a_log_variance(make):
    # Of any number of channels.
    encoder = make(variational=True, channels=4)
    assert encoder.input_shape[-1] == 4
    assert encoder.output["global_log_variance"].shape == (None, 5)
    features = encoder(random_images(encoder))
    assert np.isfinite(features["global"]).all()
    assert np.abs(features["global_log_variance"] - features["global"]).max()


def test_grey_images_have_one_channel(make):
    encoder = make(channels=1)
    features = encoder(random_images(encoder))
    assert np.isfinite(features["global"]).all()


def test_bytes_and_floats_of_the_same_pixels_are_the_same(encoder):
    images = random_images(encoder)
    of_bytes, of_floats = encoder(images), encoder(images.astype("float32"))
    for name in of_bytes:
        np.testing.assert_array_equal(of_bytes[name], of_floats[name])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_pixels_are_scaled_before_they_are_rounded(policy):
    keras.config.set_dtype_policy(policy)
    encoder = NARROW["convnet_32"]()
    scaled = keras.Model(encoder.input, encoder.get_layer("normalize").output)(
        np.full((1, 32, 32, 3), 254.6, "float32")
    )
    np.testing.assert_allclose(scaled, 254.6 / 127.5 - 1, rtol=1e-6)


@pytest.mark.parametrize(
    "make_encoder, message",
    [
        (
            lambda: encoders.dim_convnet(48),
            r"image_size: 48.*one of \[28, 32, 64\]",
        ),
        (
            lambda: encoders.dim_convnet(32, filters=(4, 8)),
            r"must name 3 convolutions.*Received: filters=\(4, 8\)",
        ),
        (
            lambda: encoders.dim_convnet(32, channels=0),
            "`channels` must be an integer, 1 or more. Received: 0",
        ),
        (
            lambda: encoders.patch_resnet(32, width=2, stride=0),
            "`stride`.*Received: 0",
        ),
        (
            lambda: encoders.dim_resnet(7, folded=True),
            "8 pixels a side or more.*Received: 7",
        ),
        (
            lambda: encoders.dim_resnet(depth=50),
            r"depth: 50.*one of \[19, 34\]",
        ),
        (
            lambda: encoders.folded_dim_alexnet(
                multiple_globals=True, variational=True
            ),
            "single global vector",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(make_encoder, message):
    with pytest.raises(ValueError, match=message):
        make_encoder()
