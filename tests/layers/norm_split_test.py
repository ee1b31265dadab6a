import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_dim.layers import norm as norm_lib
from keras_dim.layers.norm import SplitBatchNormalization


def images(num=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(2, 3, (num, 2, 2, 3)).astype("float32")


def built(num_splits, **kwargs):
    layer = SplitBatchNormalization(num_splits, momentum=0.9, **kwargs)
    layer.build((None, 2, 2, 3))
    return layer


@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_equals_the_golden_numbers(jit_compile):
    numbers = golden.load("contrastive_splitbn")
    layer = built(int(numbers["num_splits"]), epsilon=float(numbers["eps"]))
    layer.gamma.assign(numbers["gamma"])
    layer.beta.assign(numbers["beta"])
    inputs = golden.channels_last(numbers["x_nchw"]).astype("float32")

    call = tf.function(layer, jit_compile=jit_compile, autograph=False)
    outputs = call(tf.constant(inputs), training=True)

    np.testing.assert_allclose(
        outputs, golden.channels_last(numbers["y_nchw"]), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        layer.moving_mean, numbers["running_mean"], rtol=1e-5
    )
    np.testing.assert_allclose(
        layer.moving_variance, numbers["running_var_biased"], rtol=1e-5
    )


@pytest.mark.parametrize("scale_and_center", [False, True])
def test_one_split_equals_plain_batch_norm(scale_and_center):
    arguments = {"scale": scale_and_center, "center": scale_and_center}
    split = built(1, **arguments)
    plain = layers.BatchNormalization(momentum=0.9, **arguments)
    np.testing.assert_allclose(
        split(images(), training=True),
        plain(images(), training=True),
        rtol=1e-5,
        atol=1e-6,
    )
    for one, other in zip(split.weights, plain.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_each_split_is_normalized_by_its_own_rows():
    outputs = np.array(built(4)(images(), training=True))
    for split in range(4):
        plain = layers.BatchNormalization()
        np.testing.assert_allclose(
            outputs[split::4],
            plain(images()[split::4], training=True),
            rtol=1e-4,
            atol=1e-5,
        )


def test_inference_is_that_of_plain_batch_norm_for_any_batch():
    split = built(4)
    split(images(), training=True)
    plain = layers.BatchNormalization(momentum=0.9)
    plain.build((None, 2, 2, 3))
    plain.set_weights(split.get_weights())
    before = split.get_weights()
    np.testing.assert_array_equal(split(images(5)), plain(images(5)))
    # A frozen one runs in inference mode, too, as in Keras.
    split.trainable = False
    np.testing.assert_array_equal(
        split(images(5), training=True), plain(images(5))
    )
    for one, other in zip(before, split.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_and_images_of_unknown_size_are_split_in_a_graph():
    layer = built(4)
    call = tf.function(lambda rows: layer(rows, training=True), autograph=False)
    call = call.get_concrete_function(tf.TensorSpec((None, None, None, 3)))
    np.testing.assert_allclose(
        call(tf.constant(images())),
        built(4)(images(), training=True),
        rtol=1e-5,
        atol=1e-6,
    )


def test_vectors_are_split_too():
    layer = SplitBatchNormalization(2)
    outputs = np.array(layer(images()[:, 0, 0], training=True))
    np.testing.assert_allclose(outputs[0::2].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(outputs[1::2].mean(0), 0, atol=1e-6)


def test_half_precision_is_normalized_in_float32():
    layer = built(2, dtype="mixed_float16")
    # The squares overflow in float16.
    outputs = layer(1000 * images(), training=True)
    assert outputs.dtype == "float16"
    np.testing.assert_allclose(
        outputs, built(2)(images(), training=True), atol=0.02
    )


def test_replicas_split_their_own_rows_and_share_moving_statistics(
    two_replicas,
):
    rows = images()
    with two_replicas.scope():
        layer = built(2, synchronized=True)
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            rows[4 * context.replica_id_in_sync_group :][:4]
        )
    )
    outputs = tf.function(
        lambda halves: two_replicas.run(
            lambda half: layer(half, training=True), (halves,)
        ),
        autograph=False,
    )(halves)
    found = two_replicas.experimental_local_results(outputs)
    ones = [built(2), built(2)]
    for one, half, output in zip(
        ones, (rows[:4], rows[4:]), found, strict=True
    ):
        np.testing.assert_allclose(
            output, one(half, training=True), rtol=1e-5, atol=1e-6
        )
    for name in ("moving_mean", "moving_variance"):
        expected = sum(np.array(getattr(one, name)) for one in ones) / 2
        for copy in two_replicas.experimental_local_results(
            getattr(layer, name).value
        ):
            np.testing.assert_allclose(copy, expected, rtol=1e-5)


def nested_model():
    inputs = keras.Input((2, 2, 3))
    block = keras.Sequential(
        [keras.Input((2, 2, 3)), layers.BatchNormalization(momentum=0.7)]
    )
    outputs = layers.Dense(2)(layers.BatchNormalization()(block(inputs)))
    return keras.Model(inputs, {"global": outputs})


def norms_of(model):
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, layers.BatchNormalization)
    ]


def test_a_model_is_split_and_made_plain_again(tmp_path):
    plain = nested_model()
    split = norm_lib.split_batch_norms(plain, 4)
    split(images(), training=True)
    assert [type(norm) for norm in norms_of(split)] == (
        [SplitBatchNormalization] * 2
    )
    assert {norm.num_splits for norm in norms_of(split)} == {4}
    assert sorted(norm.momentum for norm in norms_of(split)) == [0.7, 0.99]
    split.save(tmp_path / "split.keras")
    loaded = keras.models.load_model(tmp_path / "split.keras")
    again = norm_lib.split_batch_norms(loaded, None)
    assert [type(norm) for norm in norms_of(again)] == (
        [layers.BatchNormalization] * 2
    )
    assert "keras_dim" not in again.to_json()
    assert [layer.name for layer in again.layers] == [
        layer.name for layer in plain.layers
    ]
    np.testing.assert_array_equal(
        again(images())["global"], split(images())["global"]
    )
    assert not np.allclose(
        again(images())["global"], plain(images())["global"], rtol=1e-3
    )


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="divisible by num_splits=4"):
        built(4)(images(6), training=True)


def test_masks_are_refused():
    with pytest.raises(ValueError, match="takes no masks"):
        built(2)(images(), training=True, mask=np.ones((8, 2, 2), bool))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_splits": 0}, "1 or more"),
        ({"num_splits": 2, "axis": 1}, "axis=1"),
        ({"num_splits": 2, "renorm": True}, "renorm=True"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SplitBatchNormalization(**arguments)
