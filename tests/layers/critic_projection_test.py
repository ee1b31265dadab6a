import golden
import keras
import numpy as np
import pytest
from keras import ops
from reference import projection as reference

from keras_dim.layers import CriticProjection


def build(units, channels):
    layer = CriticProjection(units)
    layer.build((None, 4, 4, channels))
    return layer


def perturb(layer):
    rng = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    return layer


def test_projection_equals_the_authors_in_training():
    arrays = golden.load("dim_losses")

    def authors(name):
        return arrays[f"mi_sd_{name}"]

    layer = build(16, 8)
    for part, weights in (
        (layer.hidden, [authors("block_nonlinear.0.weight")]),
        (
            layer.projection,
            [
                authors("block_nonlinear.3.weight"),
                authors("block_nonlinear.3.bias"),
            ],
        ),
        (layer.shortcut, [authors("linear_shortcut.weight")]),
    ):
        kernel, *bias = weights
        part.set_weights([golden.convolution_kernel(kernel)[0, 0], *bias])
    layer.hidden_norm.set_weights(
        [
            authors(f"block_nonlinear.1.{name}")
            for name in ("weight", "bias", "running_mean", "running_var")
        ]
    )
    layer.projection_norm.set_weights(
        [authors("block_ln.1.weight"), authors("block_ln.1.bias")]
    )
    projected = layer(golden.channels_last(arrays["mi_x"]), training=True)
    np.testing.assert_allclose(
        projected,
        golden.channels_last(arrays["mi_y_train"]),
        rtol=1e-4,
        atol=1e-5,
    )


def test_projection_equals_loops():
    layer = perturb(build(10, 6))
    features = np.random.default_rng(1).normal(size=(3, 2, 2, 6))
    np.testing.assert_allclose(
        layer(features, training=True),
        reference.critic_projection(features, layer),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("channels", [5, 8])
def test_shortcut_starts_as_a_noisy_identity(channels):
    kernel = np.array(build(8, channels).shortcut.kernel)
    is_diagonal = np.eye(channels, 8, dtype=bool)
    np.testing.assert_array_equal(kernel[is_diagonal], 1.0)
    noise = kernel[~is_diagonal]
    assert 0.005 < np.abs(noise).max() <= 0.01
    assert noise.min() < 0 < noise.max()


def test_shortcut_into_a_narrower_space_is_no_identity():
    kernel = np.array(build(8, 12).shortcut.kernel)
    assert np.abs(kernel).max() <= 1 / np.sqrt(12)


def test_norm_uses_running_statistics_in_inference():
    layer = build(8, 4)
    features = np.random.default_rng(0).normal(2, 3, size=(6, 2, 2, 4))
    before = np.array(layer(features))
    layer(features, training=True)
    assert np.abs(before - layer(features)).max() > 1e-3


@pytest.mark.parametrize(
    "channels, units, num_parameters",
    [
        (128, 2048, 4_728_832),
        (64, 2048, 4_466_688),
        (384, 2048, 5_777_408),
        (384, 1024, 1_840_128),
        (512, 2048, 6_301_696),
        (192, 1024, 1_446_912),
        (1024, 1024, 3_150_848),
        (64, 1024, 1_184_768),
    ],
)
def test_projection_has_the_published_size(channels, units, num_parameters):
    layer = build(units, channels)
    counts = [np.prod(weight.shape) for weight in layer.trainable_weights]
    assert sum(counts) == num_parameters


def test_half_precision_reaches_the_products():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = build(8, 4)
    projected = layer(np.ones((2, 2, 2, 4), "float32"))
    assert keras.backend.standardize_dtype(projected.dtype) == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    assert np.isfinite(ops.cast(projected, "float32")).all()


def test_config_builds_the_same_layer():
    layer = CriticProjection(12, name="here")
    copy = CriticProjection.from_config(layer.get_config())
    assert (copy.units, copy.name) == (12, "here")
