import numpy as np
import pytest
import tensorflow as tf

from keras_dim.mutual_information import coding_rate


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5)])
def test_it_is_the_log_determinant_of_the_paper(shape):
    vectors = np.random.default_rng(0).normal(size=shape)
    num_images, units = shape
    moments = vectors.T @ vectors * units / (num_images * 0.3)
    _, expected = np.linalg.slogdet(np.eye(units) + moments)
    found = coding_rate.coding_rate(vectors.astype("float32"), 0.3)
    np.testing.assert_allclose(found, expected / 2, rtol=1e-5)


def test_collapsed_vectors_fill_one_direction():
    # One eigenvalue of 1 + units / distortion, the others 1.
    found = coding_rate.coding_rate(np.tile(np.eye(1, 4), (6, 1)), 0.2)
    np.testing.assert_allclose(found, np.log(1 + 4 / 0.2) / 2, rtol=1e-5)


def test_orthonormal_vectors_fill_all_directions():
    # Each eigenvalue is 1 + units / (images distortion) = 6.
    found = coding_rate.coding_rate(np.eye(4), 0.2)
    np.testing.assert_allclose(found, 4 * np.log(6) / 2, rtol=1e-5)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_its_slope_is_right(shape):
    vectors = tf.constant(
        np.random.default_rng(0).normal(size=shape), "float32"
    )
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        value = coding_rate.coding_rate(vectors)
    found = tape.gradient(value, vectors).numpy()
    v = vectors.numpy().astype("float64")
    scale = shape[1] / (shape[0] * 0.2)
    inverse = np.linalg.inv(np.eye(shape[1]) + scale * v.T @ v)
    np.testing.assert_allclose(found, scale * v @ inverse, rtol=1e-3, atol=1e-5)
