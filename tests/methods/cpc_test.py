import golden
import keras
import numpy as np
import pytest
import tiny

import keras_dim
from keras_dim.encoders import patches
from keras_dim.layers import context
from keras_dim.mutual_information import bounds
from keras_dim.mutual_information import pairs


@pytest.fixture(scope="module")
def arrays():
    return golden.load("contrastive_cpc")


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_loss_with_all_patches_equals_the_published_one(arrays, step):
    targets = arrays["targets_bhwc"].astype("float32")
    predictions = arrays["preds_bhwc"] * arrays["emb_scale"]
    of_step = pairs.row_pairs(predictions.astype("float32"), targets, step)
    loss = np.log(3 * 5 * 5) - bounds.info_nce(*of_step)
    np.testing.assert_allclose(loss, arrays[f"v2_loss_k{step}"], rtol=1e-5)


@pytest.mark.parametrize("number", [1, 2])
def test_loss_with_drawn_patches_equals_the_published_one(arrays, number):
    targets = arrays["targets_bhwc"].astype("float32")
    # Their steps begin with 2. They count patches by row, column and image.
    step = number + 1
    rows = 5 - step
    drawn = arrays[f"gim_neg_idx{number}_yxbn"].astype(int)
    row, rest = np.divmod(drawn, 5 * 3)
    column, image = np.divmod(rest, 3)
    places = np.moveaxis((image * rows + row) * 5 + column, 2, 0)
    draws = (places + 0.5) / (3 * rows * 5)
    # A score is `c . (W z)`, which is `(W^T c) . z`.
    predictions = arrays["preds_bhwc"] @ arrays[f"gim_W{number}"]
    of_step = pairs.drawn_row_pairs(
        predictions.astype("float32"), targets, step, draws.astype("float32")
    )
    loss = np.log(5) - bounds.info_nce(*of_step)
    np.testing.assert_allclose(loss, arrays[f"gim_loss_k{number}"], rtol=1e-5)


def test_the_context_sees_no_row_below(arrays):
    network = context.row_context(3, units=4, num_blocks=5)
    # Without rectification, so that every path shows.
    for layer in network.layers:
        if hasattr(layer, "activation"):
            layer.activation = keras.activations.linear
    network = keras.Model(network.input, network.layers[-2].output)
    grid = np.random.default_rng(0).normal(size=(1, 7, 7, 3)).astype("float32")
    before = np.array(network(grid))
    row, column = arrays["rf_source_rc"].astype(int)
    grid[0, row, column] += 1.0
    reached = np.any(np.abs(network(grid) - before)[0] > 1e-9, axis=-1)
    expected = arrays["rf_paper_rows_cols_reached"].astype(bool)
    np.testing.assert_array_equal(reached, expected)


@pytest.mark.parametrize("num_directions", [1, 2, 4])
def test_each_direction_has_pairs_of_its_own(num_directions):
    model = keras_dim.CPC(
        tiny.grid_encoder(),
        views=tiny.one_view(),
        steps=(1,),
        num_directions=num_directions,
        context_units=4,
        num_blocks=1,
    )
    turns = model.outputs({"image": tiny.images()[:2]}, training=False)
    (of_turn,) = turns.values()
    assert len(of_turn) == num_directions
    # Of two images, three of four rows of four predict; all 32 are there.
    assert all(pair.scores.shape == (24, 32) for pair in of_turn)
    assert all(np.sum(pair.positives) == 24 for pair in of_turn)


def test_no_prediction_depends_on_its_target():
    model = keras_dim.CPC(
        tiny.grid_encoder(),
        views=tiny.one_view(),
        steps=(1,),
        num_directions=4,
        context_units=4,
    )
    grid = np.random.default_rng(0).normal(size=(1, 4, 4, 4)).astype("float32")

    def context_of(turn):
        turned = np.swapaxes(grid, 1, 2) if turn > 1 else grid
        turned = np.flip(turned, axis=1) if turn % 2 else turned
        return np.array(model.context(turned.copy()))

    before = [context_of(turn) for turn in range(4)]
    grid[0, 2, 1] += 1.0
    # Where the changed patch lies in each direction's grid.
    for turn, row in enumerate((2, 1, 1, 2)):
        changed = np.abs(context_of(turn) - before[turn])[0].max(axis=(1, 2))
        assert not changed[:row].any()


def test_a_perfect_prediction_is_found():
    targets = np.eye(12, dtype="float32").reshape(1, 4, 3, 12)
    predictions = np.roll(targets, -2, axis=1)
    of_step = pairs.row_pairs(50 * predictions, targets, 2)
    information = bounds.info_nce(*of_step)
    np.testing.assert_allclose(information, np.log(12), rtol=1e-5)


def test_features_of_whole_images_are_the_mean_over_patches():
    encoder = keras_dim.encoders.patch_resnet(32, width=2)
    assert encoder.output["local"].shape[1:] == (7, 7, 16)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    found = encoder(images)
    np.testing.assert_allclose(
        found["global"], np.mean(found["local"], axis=(1, 2)), rtol=1e-4
    )


def test_patches_do_not_see_each_other():
    encoder = keras_dim.encoders.patch_resnet(32, width=2)
    kinds = {type(layer).__name__ for layer in encoder._flatten_layers()}
    assert "BatchNormalization" not in kinds
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3))
    images = images.astype("float32")
    before = encoder(images, training=True)["local"]
    images[0, 31, 31] += 50.0
    after = encoder(images, training=True)["local"]
    changed = np.any(np.abs(after - before)[0] > 1e-6, axis=-1)
    assert changed[6, 6]
    assert np.sum(changed) == 1


def test_published_grids_have_their_sizes(arrays):
    for size, patch, stride, side in arrays["grid_img_patch_stride_n"].tolist():
        for given in ({}, {"patch_size": patch, "stride": stride}):
            encoder = keras_dim.encoders.patch_resnet(size, width=1, **given)
            assert encoder.output["local"].shape[1:3] == (side, side)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"steps": (4,)}, "`steps`.*from 1 to 3.*: 4"),
        ({"steps": (0,)}, "`steps`.*from 1 to 3.*: 0"),
        ({"num_directions": 3}, "num_directions: 3.*1, 2, 4"),
        ({"score_scale": 0.0}, "`score_scale`.*above 0"),
        ({"num_negatives": 0}, "`num_negatives`.*1 or more"),
        ({"units": 0}, "`units`.*1 or more"),
        ({"steps": ()}, "`steps`.*1 or more different"),
        ({"steps": (1, 1)}, "`steps`.*1 or more different"),
        ({"steps": 2}, "`steps`.*tuple.*: 2"),
        ({"bound": "margin"}, "compares cosines"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    arguments = {"steps": (1,)} | arguments
    with pytest.raises(ValueError, match=message):
        keras_dim.CPC(tiny.grid_encoder(), views=tiny.one_view(), **arguments)


def test_batch_norm_between_patches_is_warned_of():
    with pytest.warns(UserWarning, match="statistics of their image"):
        keras_dim.CPC(tiny.encoder(), views=tiny.one_view())


@pytest.mark.parametrize("kernel, is_warned_of", [(2, False), (8, True)])
def test_locations_that_see_the_same_pixels_are_warned_of(kernel, is_warned_of):
    image = keras.Input((8, 8, 3))
    grid = keras.layers.Conv2D(4, kernel, 2, padding="same")(image)
    encoder = keras.Model(image, {"local": grid})
    assert patches.overlap(encoder, 1) == is_warned_of
    assert not patches.overlap(tiny.patch_encoder(), 2)
    if is_warned_of:
        with pytest.warns(UserWarning, match="those 1 rows below"):
            keras_dim.CPC(encoder, views=tiny.one_view(), steps=(1,))


def test_a_grid_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="do not fill images of 31 pixels"):
        keras_dim.encoders.patch_resnet(31, patch_size=8, stride=4)
    with pytest.raises(ValueError, match="no published grid.*50 pixels"):
        keras_dim.encoders.patch_resnet(50)


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4), (None, None, 3)])
def test_a_feature_that_is_no_grid_is_refused(shape):
    image = keras.Input((8, 8, 3))
    maps = {
        (4,): keras.layers.Dense(4)(keras.layers.Flatten()(image)),
        (1, 1, 4): keras.layers.Conv2D(4, 8)(image),
    }
    if shape not in maps:
        image = maps[shape] = keras.Input(shape)
    with pytest.raises(ValueError, match="grid of 2 x 2 patches or more"):
        keras_dim.CPC(keras.Model(image, {"local": maps[shape]}))


@pytest.mark.parametrize("num_negatives", [None, 3])
def test_training_lowers_the_loss(num_negatives):
    model = keras_dim.CPC(
        tiny.grid_encoder(),
        views=tiny.one_view(),
        steps=(1, 2),
        units=None if num_negatives else 3,
        num_negatives=num_negatives,
        context_units=4,
        score_scale=1.0,
        seed=1,
    )
    model.compile(keras.optimizers.Adam(0.01))
    losses = model.fit(tiny.batches(), epochs=20, verbose=0).history["loss"]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def of_patches(patch_views):
    keras.utils.set_random_seed(0)
    return keras_dim.CPC(
        tiny.patch_encoder(),
        views=keras_dim.views.SingleView(),
        patch_views=patch_views,
        steps=(1,),
        seed=1,
    )


def losses_of(patch_views, training):
    model = of_patches(patch_views)
    views = {"image": tiny.images().astype("float32")}
    outputs = model.outputs(views, training=training)
    return float(model.loss_terms(outputs)["information_1"])


def test_patches_that_are_not_changed_make_no_difference():
    expected = losses_of(None, training=True)
    found = losses_of(keras_dim.views.SingleView(), training=True)
    assert found == pytest.approx(expected, rel=1e-5)


def test_patches_are_changed_in_training_alone():
    expected = losses_of(None, training=True)
    assert losses_of("cpc_patches", training=False) == pytest.approx(
        expected, rel=1e-5
    )
    changed = losses_of("cpc_patches", training=True)
    assert abs(changed - expected) > 1e-4


def test_each_patch_is_changed_on_its_own():
    jitter = keras_dim.views.ColorJitter(brightness=0.8, seed=1)
    model = of_patches(keras_dim.views.SingleView([jitter]))
    # It repeats from patch to patch.
    tile = np.random.default_rng(0).uniform(20, 140, (1, 2, 2, 3))
    image = np.tile(tile, (1, 4, 4, 1)).astype("float32")

    alike = np.reshape(model.encoder(image)["local"], (9, -1))
    changed = patches.encode(model.encoder, image, model.patch_views)
    changed = np.reshape(changed, (9, -1))

    np.testing.assert_allclose(alike, np.tile(alike[:1], (9, 1)), atol=1e-5)
    for one in range(9):
        for other in range(one):
            assert np.abs(changed[one] - changed[other]).max() > 1e-4


def test_patch_views_have_names_in_recipes():
    recipe = keras_dim.recipes.get("cpc_stl10").replace(
        **{
            "width": 2,
            "method.patch_views": "cpc_patches",
            "patch_views.drop_probability": 0.5,
        }
    )
    model = recipe.build_model((96, 96, 3))
    drop, jitter, gray = model.patch_views.augmentations

    assert drop.probability == 0.5
    assert (jitter.probability, gray.probability) == (0.8, 0.25)
    assert len({drop.seed, jitter.seed, gray.seed}) == 3


def test_patch_views_need_a_network_of_patches():
    with pytest.raises(ValueError, match="'patch_network'"):
        keras_dim.CPC(tiny.grid_encoder(), patch_views="cpc_patches")
