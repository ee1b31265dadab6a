import golden
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim
from keras_dim.layers import color_spaces

NAMES = ("first", "second", "third")


def cmc(**arguments):
    arguments = {
        "views": tiny.one_view(),
        "features": NAMES,
        "num_noise": 4,
    } | arguments
    return keras_dim.CMC(tiny.three_networks(), 20, **arguments)


@pytest.mark.parametrize("softmax", [False, True])
def test_a_step_equals_the_authors(softmax):
    arrays = golden.load("contrastive_cmc")
    model = cmc(
        features=NAMES[:2],
        units=8,
        temperature=float(arrays["tau"]),
        num_noise=int(arrays["m"]),
        softmax=softmax,
    )
    keys = {"first": "l", "second": "ab"}
    vectors = {}
    for name, key in keys.items():
        model.banks[name].features.assign(arrays[f"bank_{key}_0"])
        vectors[name] = tf.constant(arrays[f"feat_{key}"], "float32")
    chosen = tf.constant(arrays["idx"], "int64")
    ratios = {
        term: model.contrasts[term](
            vectors[source],
            model.banks[target].read(chosen),
            model.sampler.log_probability(chosen),
            training=True,
        )
        for term, (source, target) in model.directions.items()
    }
    outputs = vectors, tf.constant(arrays["y"], "int64"), ratios
    terms = model.loss_terms(outputs)
    model.after_loss(outputs)
    for term, (source, _) in model.directions.items():
        key = keys[source]
        loss, expected = terms[term], arrays[f"loss_{key}"]
        if softmax:
            loss, expected = np.log(7) - loss, arrays[f"softmax_loss_{key}"]
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
    for name, key in keys.items():
        np.testing.assert_allclose(
            model.banks[name].read(), arrays[f"bank_{key}_1"], rtol=1e-5
        )


@pytest.mark.parametrize(
    "graph, pairs",
    [("core", {(0, 1), (0, 2)}), ("full", {(0, 1), (0, 2), (1, 2)})],
)
def test_the_graph_says_which_views_meet(graph, pairs):
    expected = set()
    for one, other in pairs:
        expected.add(f"{NAMES[one]}_to_{NAMES[other]}")
        expected.add(f"{NAMES[other]}_to_{NAMES[one]}")
    assert set(cmc(graph=graph).term_weights) == expected


def test_each_view_is_scored_against_the_bank_of_the_other():
    model = tiny.METHODS["cmc"]()
    batch = next(iter(tiny.batches()))

    def own_ratios():
        views = model.views_of(batch, training=False)
        ratios = model.outputs(views, training=False)[2]
        # Up to the normaliser, which depends on the rows drawn.
        return {term: np.diff(each[:, 0]) for term, each in ratios.items()}

    before = own_ratios()
    bank = model.banks["second"]
    bank.features.assign(-np.array(bank.features))
    after = own_ratios()
    changed = {
        term
        for term, values in before.items()
        if not np.allclose(values, after[term], atol=1e-4)
    }
    assert changed == {"first_to_second"}


def test_colours_are_those_of_the_authors():
    arrays = golden.load("contrastive_cmc")
    pixels = arrays["lab_rgb_uint8"].reshape(1, 1, 7, 3)
    found = np.concatenate(color_spaces.to_lab(pixels), axis=-1)[0, 0]
    np.testing.assert_allclose(found, arrays["lab"], rtol=1e-3, atol=2e-2)


def test_a_pair_of_networks_sees_luminance_and_chrominance():
    encoder = keras_dim.encoders.lab_pair(16, {"name": "resnet", "width": 2})
    shapes = {name: x.shape[-1] for name, x in encoder.output.items()}
    assert shapes == {"luminance": 16, "chrominance": 16, "global": 32}
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), "uint8")
    features = encoder(images)
    np.testing.assert_array_equal(
        features["global"][:, :16], features["luminance"]
    )
    # Grey images have no chrominance, and so all the same feature.
    grey = np.repeat(images[..., :1], 3, axis=-1)
    one, other = (
        np.abs(np.subtract(*encoder(grey)[name])).max()
        for name in ("luminance", "chrominance")
    )
    assert other < 0.02 * one


def test_a_pair_is_normalised_as_by_the_authors():
    arrays = golden.load("contrastive_cmc")
    encoder = keras_dim.encoders.lab_pair(16, {"name": "resnet", "width": 2})
    scalings = sorted(
        (x for x in encoder.layers if type(x).__name__ == "Rescaling"),
        key=lambda layer: layer.output.shape[-1],
    )
    for layer, part in zip(scalings, (slice(0, 1), slice(1, 3)), strict=True):
        pixels = layer(arrays["lab"][None, None, :, part])
        found = np.array(pixels)[0, 0] / 127.5 - 1
        expected = arrays["lab_normalised"][:, part]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_pair_of_ycbcr_is_normalised_as_by_the_authors():
    encoder = keras_dim.encoders.lab_pair(
        16, {"name": "resnet", "width": 2}, color_space="ycbcr"
    )
    luminance, chrominance = sorted(
        (x for x in encoder.layers if type(x).__name__ == "Rescaling"),
        key=lambda layer: layer.output.shape[-1],
    )
    # White, and the statistics of the authors' code.
    white = luminance(np.full((1, 1, 1, 1), 235.0))
    np.testing.assert_allclose(
        np.array(white).item() / 127.5 - 1, (235 - 116.151) / 109.5, rtol=1e-5
    )
    grey = chrominance(np.full((1, 1, 1, 2), 128.0))
    expected = [(128 - 121.080) / 111.855, (128 - 132.342) / 111.964]
    np.testing.assert_allclose(
        np.array(grey)[0, 0, 0] / 127.5 - 1, expected, rtol=1e-4, atol=1e-6
    )
    features = encoder(np.zeros((2, 16, 16, 3), "uint8"))
    assert features["global"].shape == (2, 32)
    with pytest.raises(ValueError, match="color_space: 'hsv'.*ycbcr"):
        keras_dim.encoders.lab_pair(16, color_space="hsv")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"graph": "star"}, "graph: 'star'.*core"),
        ({"features": ("first",)}, "2 or more different values"),
        ({"features": ("first", "colour")}, "no feature 'colour'"),
        ({"num_noise": 0}, "`num_noise`.*1 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        cmc(**arguments)
