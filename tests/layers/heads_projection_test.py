import golden
import keras
import numpy as np
import pytest
import sizes
from keras import ops
from reference import projection as reference

from keras_dim.layers import Projection

# The networks of the authors of Deep InfoMax, and of AMDIM.
DEEP_INFOMAX = {}
AMDIM = {"output_norm": "batch", "hidden_norm": False, "zero_start": True}


def build(units, channels, **arguments):
    layer = Projection(units, **arguments)
    layer.build((None, 4, 4, channels))
    return layer


def perturb(layer):
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    return layer


def random_features(channels, seed=0):
    features = np.random.default_rng(seed).normal(2, 3, (6, 2, 2, channels))
    return features.astype("float32")


def test_equals_the_authors_of_deep_infomax_in_training():
    arrays = golden.load("dim_losses")

    def authors(name):
        return arrays[f"mi_sd_{name}"]

    def kernel(name):
        return golden.convolution_kernel(authors(name))[0, 0]

    layer = build(16, 8)
    layer.hidden.set_weights([kernel("block_nonlinear.0.weight")])
    layer.projection.set_weights([kernel("block_nonlinear.3.weight")])
    layer.shortcut.set_weights(
        [kernel("linear_shortcut.weight"), authors("block_nonlinear.3.bias")]
    )
    layer.hidden_batch_norm.set_weights(
        [
            authors(f"block_nonlinear.1.{name}")
            for name in ("weight", "bias", "running_mean", "running_var")
        ]
    )
    layer.norm.set_weights(
        [authors("block_ln.1.weight"), authors("block_ln.1.bias")]
    )
    projected = layer(golden.channels_last(arrays["mi_x"]), training=True)
    np.testing.assert_allclose(
        projected,
        golden.channels_last(arrays["mi_y_train"]),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("hidden_norm", [False, True])
@pytest.mark.parametrize("output_norm", ["layer", "batch"])
def test_equals_its_formula(output_norm, hidden_norm):
    layer = perturb(
        build(10, 6, output_norm=output_norm, hidden_norm=hidden_norm)
    )
    features = random_features(6)
    np.testing.assert_allclose(
        layer(features, training=True),
        reference.projection(features, layer),
        rtol=1e-3,
        atol=1e-4,
    )


def test_vectors_pass_as_the_locations_of_a_map_do():
    layer = perturb(build(8, 6))
    of_vectors = Projection(8)
    of_vectors.build((None, 6))
    of_vectors.set_weights(layer.get_weights())
    maps = random_features(6)
    projected = np.array(layer(maps, training=True))
    vectors = of_vectors(maps.reshape(-1, 6), training=True)
    np.testing.assert_allclose(vectors, projected.reshape(-1, 8), atol=1e-5)


def test_amdim_starts_as_the_batch_normalised_features():
    maps = random_features(4)
    projected = np.array(build(6, 4, **AMDIM)(maps, training=True))
    flat = maps.reshape(-1, 4)
    expected = (flat - flat.mean(0)) / flat.std(0)
    # The shortcut is an identity but for noise of up to 0.01.
    np.testing.assert_allclose(
        projected[..., :4].reshape(-1, 4), expected, atol=0.1
    )


@pytest.mark.parametrize("channels", [5, 8])
def test_shortcut_starts_as_a_noisy_identity(channels):
    kernel = np.array(build(8, channels).shortcut.kernel)
    is_diagonal = np.eye(channels, 8, dtype=bool)
    np.testing.assert_array_equal(kernel[is_diagonal], 1.0)
    noise = kernel[~is_diagonal]
    assert 0.005 < np.abs(noise).max() <= 0.01
    assert noise.min() < 0 < noise.max()


@pytest.mark.parametrize("arguments", [DEEP_INFOMAX, AMDIM])
def test_shortcut_into_a_narrower_space_is_no_identity(arguments):
    layer = perturb(build(8, 12, **arguments))
    kernel = np.array(build(8, 12, **arguments).shortcut.kernel)
    assert np.abs(kernel).max() <= 1 / np.sqrt(12)
    assert layer(random_features(12)).shape == (6, 2, 2, 8)


def test_zero_start_starts_the_projection_at_zero():
    assert not np.array(build(8, 4, **AMDIM).projection.kernel).any()
    assert np.array(build(8, 4).projection.kernel).any()


@pytest.mark.parametrize(
    "arguments",
    [{"output_norm": "layer"}, {"output_norm": "batch", "hidden_norm": False}],
)
def test_norms_use_running_statistics_in_inference(arguments):
    layer = build(8, 4, **arguments)
    features = random_features(4)
    before = np.array(layer(features))
    layer(features, training=True)
    assert np.abs(before - layer(features)).max() > 1e-3


@pytest.mark.parametrize(
    "channels, units, num_parameters",
    [
        (64, 1024, 1_184_768),
        (384, 1024, 1_840_128),
        *(
            pytest.param(*sizes, marks=pytest.mark.slow)
            for sizes in (
                (128, 2048, 4_728_832),
                (64, 2048, 4_466_688),
                (384, 2048, 5_777_408),
                (512, 2048, 6_301_696),
                (192, 1024, 1_446_912),
                (1024, 1024, 3_150_848),
            )
        ),
    ],
)
def test_deep_infomax_has_the_published_size(channels, units, num_parameters):
    found = sizes.num_parameters(lambda: [build(units, channels)])
    assert found == num_parameters


def test_half_precision_reaches_the_products():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = build(8, 4)
    projected = layer(np.ones((2, 2, 2, 4), "float32"))
    assert keras.backend.standardize_dtype(projected.dtype) == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert np.isfinite(ops.cast(projected, "float32")).all()


def test_half_precision_is_near_float32():
    layer = build(6, 4, **AMDIM)
    keras.config.set_dtype_policy("mixed_bfloat16")
    half = build(6, 4, **AMDIM)
    half.set_weights(layer.get_weights())
    np.testing.assert_allclose(
        np.array(half(random_features(4), training=True), "float32"),
        layer(random_features(4), training=True),
        atol=0.05,
    )


@pytest.mark.parametrize("arguments", [DEEP_INFOMAX, AMDIM])
def test_config_builds_the_same_layer(arguments):
    layer = build(12, 4, name="here", **arguments)
    copy = Projection.from_config(layer.get_config())
    copy.build((None, 4, 4, 4))
    assert copy.get_config() == layer.get_config()
    assert copy.name == "here"
    assert [w.shape for w in copy.weights] == [w.shape for w in layer.weights]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"units": 0}, "`units` must be an integer, 1 or more. Received: 0"),
        ({"units": 4, "output_norm": "group"}, "'group'.*'layer', 'batch'"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Projection(**arguments)
