import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import keras_dim


def linear_moco(arrays, version):
    """The authors' method on a linear encoder, with their first weights."""
    image = keras.Input((1, 1, 6))
    encoder = keras.Model(image, {"global": keras.layers.Flatten()(image)})
    model = keras_dim.MoCo(
        encoder,
        views=keras_dim.views.TwoViews(names=("query", "key")),
        units=4,
        hidden_units=None,
        queue_size=int(arrays[f"{version}_K"]),
        momentum=float(arrays[f"{version}_m"]),
        temperature=float(arrays[f"{version}_T"]),
        seed=0,
    )
    for network, letter in (
        (model.head, "q"),
        (model.teacher.networks[1], "k"),
    ):
        network.set_weights(
            [
                arrays[f"{version}_W{letter}_0"].T,
                arrays[f"{version}_b{letter}_0"],
            ]
        )
    model.queue.features.assign(arrays[f"{version}_queue_0"])
    # The authors' first keys are not copies, and move in the first step, too.
    model.teacher.step.assign(1)
    model.compile(keras.optimizers.SGD(float(arrays["lr"])))
    return model


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_four_steps_equal_the_authors(version):
    arrays = golden.load("contrastive_moco")
    model = linear_moco(arrays, version)
    for step in range(1, 5):
        batch = {
            name: arrays[f"{version}_x{name[0]}_{step}"]
            .reshape(4, 1, 1, 6)
            .astype("float32")
            for name in ("query", "key")
        }
        query, _ = model(batch, training=False)
        # The authors' numbers are no pixels, which our own would refuse.
        logs = keras.Model.train_on_batch(model, batch, return_dict=True)

        def check(value, name, step=step):
            np.testing.assert_allclose(
                value,
                arrays[f"{version}_{name}_{step}"],
                rtol=1e-5,
                atol=1e-5,
                err_msg=f"{name} of step {step}",
            )

        check(query, "q")
        # The bound is the logarithm of the number of scores less the loss.
        check(np.log(13) + logs["loss"], "loss")
        check(model.queue.read(), "queue")
        check(int(model.queue.pointer), "ptr")
        check(np.transpose(model.teacher.networks[1].weights[0]), "Wk")
        check(np.transpose(model.head.weights[0]), "Wq")
        model.reset_metrics()


def test_no_gradient_reaches_keys_and_queue():
    model = tiny.make("moco")
    views = model.views_of(tiny.images(), training=True)
    with tf.GradientTape() as tape:
        query, key = model.outputs(views, training=True)
        tape.watch(key)
        model.loss_terms((query, key))
        total = tf.reduce_sum(key)
    gradients = tape.gradient(total, model.trainable_weights)
    assert all(gradient is None for gradient in gradients)


def test_keys_come_back_to_their_queries():
    model = tiny.make("moco")
    images = tiny.images()[:8]
    views = {"query": images, "key": images}
    # With equal weights, and with inference's batch norm, a key is its query.
    for network in model.teacher.networks:
        for layer in network._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    for layer in model.encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    query, key = model.outputs(views, training=True)
    np.testing.assert_allclose(query, key, atol=1e-5)


def test_split_batch_norms_are_plain_in_the_exported_encoder():
    from keras_dim.training import in_float32

    encoder = tiny.encoder()
    model = keras_dim.MoCo(
        encoder,
        views=tiny.two_views(("query", "key")),
        queue_size=8,
        num_splits=2,
    )
    kinds = {type(layer).__name__ for layer in model.encoder.layers}
    assert "SplitBatchNormalization" in kinds

    exported = in_float32(model.encoder)

    kinds = {type(layer).__name__ for layer in exported.layers}
    assert "BatchNormalization" in kinds
    assert "SplitBatchNormalization" not in kinds
    images = tiny.images()
    np.testing.assert_allclose(
        exported(images)["global"], encoder(images)["global"], rtol=1e-5
    )


def test_a_queue_of_the_own_keys_alone_has_no_information_to_give():
    # All scores are equal: the bound is zero.
    model = tiny.make("moco")
    key = keras.ops.ones((4, 5)) / 5**0.5
    model.queue.features.assign(np.ones((12, 5)) / 5**0.5)
    terms = model.loss_terms((key, key))
    assert float(terms["contrastive_information"]) == pytest.approx(
        0.0, abs=1e-5
    )


def test_both_directions_are_summed_and_stored():
    model = tiny.METHODS["moco_symmetric"]()
    views = model.views_of(tiny.images()[:4], training=True)
    query, key = model.outputs(views, training=False)
    assert query.shape == key.shape == (8, 5)
    swapped = {"query": views["key"], "key": views["query"]}
    other_query, other_key = model.outputs(swapped, training=False)
    # The two directions of an image are next to each other.
    for one, other in ((query, other_query), (key, other_key)):
        np.testing.assert_allclose(one[0::2], other[1::2], atol=1e-6)
    assert model.term_weights == {"contrastive_information": -2.0}
    model.after_loss((query, key))
    assert int(model.queue.pointer) == 8
    np.testing.assert_allclose(model.queue.read()[:8], key, atol=1e-6)


def test_default_views_are_those_of_the_second_version():
    model = keras_dim.MoCo(tiny.encoder(32), queue_size=4, seed=3)
    images = np.random.default_rng(0).uniform(0, 255, (2, 40, 40, 3))
    published = keras_dim.views.moco_v2(32, seed=3)(images, training=True)
    views = model.views(images, training=True)
    assert set(views) == set(published) == {"query", "key"}
    for name, view in views.items():
        np.testing.assert_array_equal(view, published[name])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"queue_size": 0}, "`size`.*1 or more.*: 0"),
        ({"temperature": 0.0}, "`temperature`.*above 0"),
        ({"units": 0}, "`units`.*1 or more"),
        ({"momentum": 1.5}, "`momentum`.*from 0 to 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_dim.MoCo(
            tiny.encoder(), views=tiny.two_views(("query", "key")), **arguments
        )
