"""Statistics of stored values equal those that NumPy computes."""

import json

import numpy as np
import pytest

from keras_dim import data


def source_of(images):
    return data.open_source(images, values="stored")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_statistics_are_those_of_all_values(dtype, monkeypatch):
    # The result must not depend on the sizes of batches.
    monkeypatch.setattr(data.measuring, "_BATCH_VALUES", 700)
    values = np.random.default_rng(0).gamma(2.0, 20.0, (40, 8, 8, 3))
    images = (values + [0, 10, 1]).clip(0, 255).astype(dtype)

    found = data.measure(source_of(images), percentiles=(1, 99))
    flat = images.reshape(-1, 3).astype(float)
    method = "linear" if dtype == "float32" else "inverted_cdf"
    low, middle, high = np.percentile(flat, [1, 50, 99], 0, method=method)

    assert (found.dtype, found.num_images) == (dtype, 40)
    np.testing.assert_allclose(found.mean, flat.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, flat.std(0), rtol=1e-6)
    np.testing.assert_array_equal(found.min, flat.min(0))
    np.testing.assert_array_equal(found.max, flat.max(0))
    np.testing.assert_allclose(found.low, low, rtol=1e-6)
    np.testing.assert_allclose(found.median, middle, rtol=1e-6)
    np.testing.assert_allclose(found.high, high, rtol=1e-6)
    beyond = ((flat < low) | (flat > high)).mean(0)
    np.testing.assert_allclose(found.beyond, beyond, atol=1e-9)


def test_percentiles_of_many_floats_are_those_of_a_sample(monkeypatch):
    monkeypatch.setattr(data.measuring, "NUM_SAMPLED", 20_000)
    # Columns differ, and every n-th value could lie in one of them.
    images = np.random.default_rng(1).uniform(size=(100, 32, 32, 1))
    images = (images + np.arange(32)[:, None]).astype("float32")

    found = data.measure(source_of(images), percentiles=(10, 90))

    # A rank of 20,000 values has a deviation of 0.2 percent, of 32 here.
    assert found.low[0] == pytest.approx(3.2, abs=0.3)
    assert found.high[0] == pytest.approx(28.8, abs=0.3)


def test_the_range_of_sparse_bands_is_from_the_least_to_the_greatest_value():
    images = np.zeros((10, 32, 32, 2), "uint16")
    images[0, 0, 0] = 900, 0

    found = data.measure(source_of(images))

    assert (found.low, found.high) == ([0, 0], [900, 0])
    # The second one is constant.
    assert found.range.affine[0] == [255 / 900, 0]


def test_constant_bands_and_small_ranges_are_warned_of(warnings):
    images = np.random.default_rng(0).integers(0, 4096, (8, 32, 32, 3))
    images[..., 1] = 7

    data.measure(source_of(images.astype("uint16")))
    assert (
        len(warnings) == 1
        and "Band 1 of the arrays is constant, 7" in (warnings[0])
    )
    declared = (0, [4095, 10, 2047])
    data.measure(source_of(images.astype("uint16")), declared)
    assert len(warnings) == 3
    assert "percent of the values of band 2" in warnings[2]
    assert "from 0 to 2047. The values reach from 0 to 4095" in warnings[2]


def test_a_declared_range_is_kept_and_what_lies_beyond_is_counted():
    images = np.arange(1000, dtype="uint16").reshape(10, 10, 10, 1)

    found = data.measure(source_of(images), declared=(0, 899))

    assert (found.low, found.high, found.beyond) == ([0], [899], [0.1])
    again = data.Statistics.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.range == found.range


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ((5, 5), "lower one first"),
        (([0, 0], [1, 1]), "each of the 1 bands"),
        ((0, float("nan")), "lower one first"),
        ((0, "much"), "Received: .0, 'much'."),
        ((0, float("inf")), "each a finite number"),
    ],
)
def test_an_invalid_range_is_refused(declared, message):
    images = np.zeros((2, 4, 4, 1), "uint16")

    with pytest.raises(ValueError, match=message):
        data.measure(source_of(images), declared=declared)


def test_nan_in_an_array_is_refused_with_its_place():
    images = np.zeros((5, 4, 4, 1), "float32")
    images[3, 1, 1] = np.nan

    with pytest.raises(ValueError, match="such as image 3"):
        data.measure(source_of(images))
    # If images are read one by one, it is skipped, as in files.
    resized = data.open_source(images, values="stored", image_size=2)
    assert data.measure(resized).num_images == 4
    assert resized.skipped == ["image 3"]
