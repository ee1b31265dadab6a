import golden
import numpy as np
import pytest
import tensorflow as tf

from keras_dim.mutual_information import readings

JOINT = np.random.default_rng(0).normal(1.0, 1.0, (2, 5)).astype("float32")
PRODUCT = np.random.default_rng(1).normal(-1.0, 2.0, (2, 5, 4))
PRODUCT = PRODUCT.astype("float32")
BASELINE = np.linspace(-1.0, 1.0, 10).reshape(2, 5).astype("float32")


def softplus(values):
    return np.log1p(np.exp(values))


def slow(name, joint, product):
    """One problem, from the papers' formulas."""
    exp, log, mean = np.exp, np.log, np.mean
    m = product.shape[1]
    ratio, noise = np.exp(joint), np.exp(product)
    with_own = [
        (r + row.sum()) / (m + 1) for r, row in zip(ratio, noise, strict=True)
    ]
    return {
        "density_ratio": lambda: mean(joint),
        "donsker_varadhan": lambda: mean(joint) - log(mean(noise)),
        "nwj": lambda: mean(joint) - mean(exp(product - 1)),
        "info_nce": lambda: mean(log(ratio / with_own)),
        "smile": lambda: mean(joint) - log(mean(exp(product.clip(-5, 5)))),
        "jensen_shannon": lambda: (
            2 * log(2) - mean(softplus(-joint)) - mean(softplus(product))
        ),
        # KL of the joint, and of each noise sample, from their mixture.
        "noise_contrastive": lambda: (
            mean(log((1 + m) * ratio / (ratio + m)))
            + m * mean(log((1 + m) / (noise + m)))
        ),
        "kullback_leibler": lambda: mean(joint) + 1 - mean(noise),
        "reverse_kullback_leibler": lambda: 1 - mean(1 / ratio) - mean(product),
        "squared_hellinger": lambda: 2 - mean(ratio**-0.5) - mean(noise**0.5),
        "pearson_chi_squared": lambda: 2 * mean(ratio) - mean(noise**2) - 1,
        "club": lambda: mean(joint) - mean(product),
        "leave_one_out": lambda: mean(joint - log(noise.mean(axis=1))),
    }[name]()


@pytest.mark.parametrize(
    "name",
    [
        "density_ratio",
        "donsker_varadhan",
        "nwj",
        "info_nce",
        "smile",
        "jensen_shannon",
        "noise_contrastive",
        "kullback_leibler",
        "reverse_kullback_leibler",
        "squared_hellinger",
        "pearson_chi_squared",
        "club",
        "leave_one_out",
    ],
)
def test_equals_the_formula(name):
    found = getattr(readings, name)(JOINT, PRODUCT)

    expected = [slow(name, j, p) for j, p in zip(JOINT, PRODUCT, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_tuba_equals_the_formula():
    expected = [
        np.mean(j - b - np.exp(p - b[:, None]).mean(axis=1)) + 1
        for j, p, b in zip(JOINT, PRODUCT, BASELINE, strict=True)
    ]
    found = readings.tuba(JOINT, PRODUCT, BASELINE)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_interpolated_equals_the_formula(alpha):
    expected = []
    for j, p, b in zip(JOINT, PRODUCT, BASELINE, strict=True):
        every = np.concatenate([j[:, None], p], axis=1)
        baseline = (1 - alpha) * np.exp(b)
        own = alpha * np.exp(every).mean(axis=1) + baseline
        rest = np.exp(p).mean(axis=1)
        own = np.mean(np.log(np.exp(j) / own))
        expected.append(own + 1 - np.mean(rest / (alpha * rest + baseline)))

    found = readings.interpolated(JOINT, PRODUCT, BASELINE, alpha)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_bounds_equal_stored_numbers_of_public_code(step):
    arrays = golden.load("contrastive_mine_ndm")
    joint = arrays["t_joint"][step].astype("float32")
    product = arrays["t_marginal"][step].astype("float32")[:, None]
    for name, key in (
        ("donsker_varadhan", "dv"),
        ("nwj", "nwj"),
        ("jensen_shannon", "jsd"),
    ):
        found = getattr(readings, name)(joint, product)
        np.testing.assert_allclose(
            found, arrays[f"{key}_{step}"], rtol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("alpha", ["0.01", "0.1"])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_mine_has_the_gradient_of_the_moving_average(alpha, step):
    arrays = golden.load("contrastive_mine_ndm")
    joint = arrays["t_joint"][step].astype("float32")
    product = tf.constant(arrays["t_marginal"][step].astype("float32"))
    average = np.log(arrays[f"ema_alpha{alpha}_{step}"]).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(product)
        value = readings.mine(joint, product[:, None], average)

    # The stored gradient is that of the term that is subtracted.
    np.testing.assert_allclose(
        tape.gradient(value, product),
        -arrays[f"grad_tm_alpha{alpha}_{step}"],
        rtol=1e-4,
        atol=1e-8,
    )


def test_large_scores_do_not_overflow():
    scores = np.array([[300.0, 301.0]], dtype="float32")
    value = readings.donsker_varadhan(scores[0], scores.T)
    assert abs(float(value) - (300.5 - 300 - np.log((1 + np.e) / 2))) < 1e-3


def test_split_leaves_each_anchor_the_candidates_of_others():
    joint, product = readings.split(np.arange(9).reshape(1, 3, 3))

    np.testing.assert_array_equal(joint, [[0, 4, 8]])
    np.testing.assert_array_equal(product, [[[1, 2], [3, 5], [6, 7]]])
