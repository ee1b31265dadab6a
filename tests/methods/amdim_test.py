import itertools

import golden
import keras
import numpy as np
import pytest
import tiny
from reference import amdim as reference

import keras_dim
from keras_dim import layers
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import pairs


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    shape = (6, *tiny.IMAGE_SHAPE)
    return {
        name: rng.integers(0, 256, shape).astype("float32")
        for name in ("view_1", "view_2")
    }


def terms_of(model, batch, training=False):
    outputs = model(batch, training=training)
    terms = model.loss_terms(outputs)
    return {name: float(term) for name, term in terms.items()}


def perturb(model):
    """Takes weights away from zeros and identities that hide mistakes."""
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    return model


def features_of(model, images):
    """Arrays `(images, locations, units)`, projected, in inference."""
    features = model.encoder(images, training=False)
    units = features["global"].shape[-1]
    projected = {"global": features["global"]} | {
        name: projection(features[name], training=False)
        for name, projection in model.critic.projections.items()
    }
    return {
        name: np.array(value).reshape(len(images), -1, units)
        for name, value in projected.items()
    }


PAIRINGS = list(itertools.product(["global", "map_2", "map_3"], repeat=2))


@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_every_pairing_equals_loops(pairing, chunk_size, views):
    source, target = pairing
    model = perturb(
        tiny.amdim(
            pairings=[pairing],
            score_limit=3.0,
            score_penalty=0.04,
            bound=bounds.InfoNCE(chunk_size=chunk_size),
        )
    )
    one, other = (features_of(model, images) for images in views.values())
    information, squares = [], []
    for a, b in ((one, other), (other, one)):
        # In evaluation the source is the middle location.
        middle = a[source].shape[1] // 2
        values, square = reference.nce_scores(
            a[source][:, middle], b[target], 3.0
        )
        information.append(values.mean())
        squares.append(square)
    assert terms_of(model, views) == {
        f"{source}_to_{target}": pytest.approx(np.mean(information), rel=1e-4),
        "score_penalty": pytest.approx(np.mean(squares), rel=1e-4),
    }
    assert model.term_weights == {
        f"{source}_to_{target}": -1.0,
        "score_penalty": 0.04,
    }


@pytest.mark.parametrize("limit", [10, 20])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_losses_equal_the_authors(limit, chunk_size):
    arrays = golden.load("amdim_losses")
    image = keras.Input((7, 7, 16))
    maps = {"map_7": image, "map_5": image[:, :5, :5]}
    model = keras_dim.AMDIM(
        keras.Model(image, maps | {"global": image[:, 0, 0]}),
        views=keras_dim.views.TwoViews(),
        score_limit=limit,
        bound=bounds.InfoNCE(chunk_size=chunk_size),
    )
    features = [
        {
            "global": arrays[f"r1_{view}"][:, :, 0, 0],
            "map_5": golden.channels_last(arrays[f"r5_{view}"]),
            "map_7": golden.channels_last(arrays[f"r7_{view}"]),
            "drawn": golden.channels_last(arrays[f"r5_{view}"]).reshape(
                6, 25, 16
            )[np.arange(6), arrays[f"idx_{view}"]],
        }
        for view in (1, 2)
    ]
    outputs = {
        f"{source}_to_{target}": [
            pairs.dot_product_pairs(
                one["drawn" if source == "map_5" else source], other[target], 4
            ).clipped(limit, chunk_size)
            for one, other in (features, features[::-1])
        ]
        for source, target in model.pairings
    }
    terms = model.loss_terms(outputs)
    *losses, penalty = arrays[f"clip{limit}"]
    # An InfoNCE bound is the logarithm of the number of candidates less the
    # loss of telling them apart.
    for loss, (source, target) in zip(losses, model.pairings, strict=True):
        num_negatives = 5 * (49 if target == "map_7" else 25)
        expected = np.log(1 + num_negatives) - loss
        got = float(terms[f"{source}_to_{target}"])
        assert got == pytest.approx(expected, rel=1e-5, abs=1e-5 * loss)
    weighted = model.score_penalty * float(terms["score_penalty"])
    assert weighted == pytest.approx(penalty, rel=1e-5)


def test_loss_is_weighted_penalty_less_information(views):
    model = perturb(tiny.amdim(score_penalty=0.5))
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    logs = model.evaluate(views, verbose=0, return_dict=True)
    loss, penalty = logs.pop("loss"), logs.pop("score_penalty")
    assert penalty > 0.001
    assert len(logs) == 3
    assert loss == pytest.approx(0.5 * penalty - sum(logs.values()), rel=1e-5)


def test_a_penalty_without_weight_is_no_term(views):
    model = tiny.amdim(score_penalty=0.0)
    assert set(model.term_weights) == {
        "global_to_map_2",
        "global_to_map_3",
        "map_2_to_map_2",
    }


def test_each_image_draws_its_own_location_of_a_source_map(views):
    model = tiny.amdim(pairings=[("map_3", "map_2")])
    for training in (True, False):
        anchored, _ = model(views, training=training)["map_3_to_map_2"]
        assert anchored.scores.anchors.shape == (6, 6)
    maps = np.arange(2000 * 9, dtype="float32").reshape(2000, 3, 3, 1)
    drawn = np.array(model.critic.sampler(maps, training=True))[:, 0, 0, 0]
    image, place = np.divmod(drawn, 9)
    np.testing.assert_array_equal(image, np.arange(2000))
    assert (np.bincount(place.astype(int), minlength=9) > 100).all()


def test_views_pass_the_encoder_one_by_one(views):
    model = tiny.amdim()
    outputs = model(views, training=True)
    directions = outputs["global_to_map_2"]
    for direction, images in zip(directions, views.values(), strict=True):
        alone = model.encoder(images, training=True)["global"]
        np.testing.assert_allclose(
            np.sqrt(6) * np.array(direction.scores.anchors), alone, rtol=1e-4
        )


def test_mixture_of_one_that_changes_nothing_is_plain(views):
    plain, mixed = tiny.amdim(), tiny.amdim(mixture=1)
    mixture = mixed.mixture
    mixture.set_weights([0 * weight for weight in mixture.get_weights()])
    for model in (plain, mixed):
        keras.utils.set_random_seed(0)
        rng = np.random.default_rng(2)
        for part in (model.encoder, *model.critic.projections.values()):
            for weight in part.trainable_weights:
                weight.assign(rng.normal(size=weight.shape))
    expected = terms_of(plain, views)
    assert terms_of(mixed, views) == pytest.approx(expected, rel=1e-6)


def test_mixture_equals_loops(views):
    model = perturb(
        tiny.amdim(
            pairings=[("global", "map_3")],
            mixture=layers.MixtureFeatures(3, temperature=2.5),
            score_penalty=0.0,
        )
    )
    one, other = (features_of(model, images) for images in views.values())
    objectives = []
    for a, b in ((one, other), (other, one)):
        mixture = np.array(model.mixture(a["global"][:, 0]))
        values = np.stack(
            [
                reference.nce_scores(mixture[:, j], b["map_3"], 20.0)[0]
                for j in range(3)
            ],
            axis=1,
        )
        shares = np.exp(2.5 * values)
        shares /= shares.sum(1, keepdims=True)
        objectives += [
            reference.mixture_objective(value, share, 1 / 2.5)
            for value, share in zip(values, shares, strict=True)
        ]
    terms = terms_of(model, views)
    assert set(model.term_weights) == {"global_to_map_3"}
    assert terms["global_to_map_3"] == pytest.approx(
        np.mean(objectives), rel=1e-4
    )


def test_assignments_are_probabilities_of_every_location(views):
    model = perturb(tiny.amdim(mixture=3))
    shares = np.array(model.assignments(views, "map_3"))
    assert shares.shape == (6, 3, 3, 3)
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
    one, other = (features_of(model, images) for images in views.values())
    mixture = np.array(model.mixture(one["global"][:, 0]))
    values = np.stack(
        [
            reference.nce_scores(mixture[:, j], other["map_3"], 20.0)[0]
            for j in range(3)
        ],
        axis=-1,
    )
    expected = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
    np.testing.assert_allclose(
        shares.reshape(6, 9, 3), expected, rtol=1e-3, atol=1e-5
    )


def test_assignments_need_a_mixture(views):
    with pytest.raises(ValueError, match="set `mixture`"):
        tiny.amdim().assignments(views)


@pytest.mark.parametrize(
    ("target", "map_size"), [("map_3", (3, 3)), ("global", ())]
)
def test_every_place_of_a_target_chooses_among_the_features(
    views, target, map_size
):
    model = tiny.amdim(
        mixture=3, pairings=(("global", "map_3"), ("global", "global"))
    )
    chosen = np.array(model.assignments(views, target))
    assert chosen.shape == (len(views["view_1"]), *map_size, 3)
    np.testing.assert_allclose(chosen.sum(axis=-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"target: 'map_9'.*'map_3', 'global'"):
        model.assignments(views, "map_9")


def test_uniform_scores_carry_no_information(views):
    model = tiny.amdim()
    for weight in model.trainable_weights:
        weight.assign(np.zeros(weight.shape))
    assert terms_of(model, views) == {
        "global_to_map_2": pytest.approx(0, abs=1e-5),
        "global_to_map_3": pytest.approx(0, abs=1e-5),
        "map_2_to_map_2": pytest.approx(0, abs=1e-5),
        "score_penalty": pytest.approx(0, abs=1e-5),
    }


def test_only_maps_that_are_paired_are_projected():
    model = tiny.amdim(pairings=[("global", "map_2")])
    assert set(model.critic.projections) == {"map_2"}


def test_default_views_are_those_of_the_encoders_size():
    encoder = keras_dim.encoders.amdim_resnet(32, 2, 8, 1)
    views = keras_dim.AMDIM(encoder, seed=1).views(
        np.zeros((2, 32, 32, 3), "uint8"), training=True
    )
    assert {name: view.shape for name, view in views.items()} == {
        "view_1": (2, 32, 32, 3),
        "view_2": (2, 32, 32, 3),
    }


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pairings": []}, "1 or more different"),
        ({"pairings": [("global", "map_9")]}, "map_2.*Received.*map_9"),
        ({"pairings": [("global",)]}, "two features.*Received"),
        ({"score_limit": 0}, "`score_limit`.*Received: 0"),
        ({"score_penalty": -1}, "`score_penalty`.*Received: -1"),
        (
            {"bound": {"name": "info_nce", "chunk_size": 0}},
            "`chunk_size`.*Received: 0",
        ),
        ({"mixture": 0}, "`num_mixtures`.*1 or more. Received: 0"),
        (
            {"mixture": {"num_mixtures": 2, "temperature": 0.0}},
            "`temperature`.*Received: 0.0",
        ),
        (
            {"mixture": 2, "bound": "jensen_shannon"},
            "mixture needs the bound 'info_nce'.*jensen_shannon",
        ),
        ({"bound": "margin"}, "compares cosines"),
    ],
)
def test_refuses_what_makes_no_sense(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny.amdim(**arguments)


def test_refuses_an_encoder_without_a_global_vector():
    image = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="no feature 'global'.*map_8"):
        keras_dim.AMDIM(
            keras.Model(image, {"map_8": keras.layers.ReLU()(image)})
        )


def test_refuses_a_batch_of_one():
    with pytest.raises(ValueError, match="no negatives.*Received"):
        tiny.amdim()(np.zeros((1, *tiny.IMAGE_SHAPE), "uint8"))
