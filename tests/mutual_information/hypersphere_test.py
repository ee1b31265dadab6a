import golden
import numpy as np
import pytest
import tensorflow as tf

from keras_dim.mutual_information import hypersphere


@pytest.fixture(scope="module")
def arrays():
    return golden.load("contrastive_align_uniform")


@pytest.mark.parametrize("exponent", [1, 2])
def test_alignment_equals_the_published_one(arrays, exponent):
    found = hypersphere.alignment(arrays["x"], arrays["y"], exponent)
    expected = arrays[f"align_alpha{exponent}"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("t", [1, 2, 3])
def test_uniformity_equals_the_published_one(arrays, t):
    found = hypersphere.uniformity(arrays["x"], t)
    np.testing.assert_allclose(found, arrays[f"uniform_t{t}"], rtol=1e-5)


def test_uniformity_equals_a_slow_version(arrays):
    x = arrays["x"]
    values = [
        np.exp(-1.5 * np.sum((x[i] - x[j]) ** 2))
        for i in range(len(x))
        for j in range(i)
    ]
    found = hypersphere.uniformity(x, 1.5)
    np.testing.assert_allclose(found, np.log(np.mean(values)), rtol=1e-5)


def test_equal_vectors_have_zero_and_orthogonal_ones_minus_two_t():
    equal = np.tile(np.eye(1, 4), (5, 1))
    assert float(hypersphere.uniformity(equal)) == pytest.approx(0, abs=1e-6)
    orthogonal = hypersphere.uniformity(np.eye(4))
    assert float(orthogonal) == pytest.approx(-4, rel=1e-6)


def test_random_vectors_come_near_the_optimum_of_the_sphere(arrays):
    dims = arrays["sphere_dims"].astype(int).tolist()
    optimum = dict(zip(dims, arrays["sphere_uniform_optimum_t2"], strict=True))
    x = np.random.default_rng(0).normal(size=(2000, 16))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    # Two million pairs: the log mean deviates by less than a hundredth.
    found = float(hypersphere.uniformity(x))
    assert found == pytest.approx(optimum[16], abs=0.02)


@pytest.mark.parametrize("exponent", [1, 2])
def test_the_slope_of_alignment_of_equal_views_is_zero(exponent):
    x = tf.constant(np.eye(3), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        other = tf.constant(np.eye(3), "float32")
        value = hypersphere.alignment(x, other, exponent)
    np.testing.assert_array_equal(tape.gradient(value, x), np.zeros((3, 3)))


def test_views_of_other_numbers_of_images_are_refused():
    with pytest.raises(ValueError, match="`others` must have the shape"):
        hypersphere.alignment(np.eye(3), np.eye(3)[:1])


def test_one_image_is_refused():
    with pytest.raises(ValueError, match="two or more. Received: 1"):
        hypersphere.uniformity(np.eye(1, 4))
