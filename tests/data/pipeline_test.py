import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_images import indices_of
from tiny_images import pixels

import keras_dim.data

IMAGES = pixels(0, (10, 4, 4, 3))


def orders(num_epochs=3, **arguments):
    dataset = keras_dim.data.load(IMAGES, batch_size=2, **arguments)
    return [indices_of(dataset) for _ in range(num_epochs)]


def test_each_iteration_is_another_order_of_all_images():
    epochs = orders()
    assert len({tuple(order) for order in epochs}) == 3
    for order in epochs:
        assert sorted(order) == list(range(10))


def test_the_order_depends_only_on_seed_and_epoch():
    first = orders()
    keras.utils.set_random_seed(123)
    assert orders() == first
    assert orders(seed=1) != first


def test_a_resumed_run_sees_the_batches_of_an_uninterrupted_one():
    assert orders(2, first_epoch=2) == orders(4)[2:]


def test_a_run_continues_within_an_epoch():
    whole = orders(2)
    rest = keras_dim.data.load(IMAGES, batch_size=2, first_batch=3)
    assert len(rest) == 2
    # Six images are in the three batches that are left out.
    assert [indices_of(rest) for _ in range(2)] == [one[6:] for one in whole]


def test_only_training_splits_are_shuffled_and_cut():
    test = keras_dim.data.load(IMAGES, "test", 4)
    assert indices_of(test) == list(range(10))
    assert len(test) == 3
    train = keras_dim.data.load(IMAGES, "train[:50%]", 4)
    assert len(train) == 2
    assert indices_of(train) != sorted(indices_of(train))
    # As the folder of a split may be called.
    assert orders(split="Training") == orders()


def test_an_interrupted_iteration_counts_as_an_epoch():
    dataset = keras_dim.data.load(IMAGES, batch_size=2)
    next(iter(dataset))
    assert indices_of(dataset) == orders()[1]


def test_fit_sees_one_epoch_after_another():
    seen = []

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=())

        def call(self, batch):
            return self.scale * tf.cast(batch["index"], "float32")

        def compute_loss(self, x=None, y=None, y_pred=None, *_, **__):
            seen.extend(int(index) for index in x["index"])
            return tf.reduce_sum(y_pred)

    model = Model()
    model.compile(run_eagerly=True)
    dataset = keras_dim.data.load(IMAGES, batch_size=2)
    history = model.fit(dataset, epochs=3, verbose=0, shuffle=False)
    assert len(history.epoch) == 3
    assert seen == sum(orders(), [])


def test_replicas_share_the_batches_of_one(two_replicas):
    dataset = keras_dim.data.load(IMAGES, batch_size=2)
    distributed = two_replicas.experimental_distribute_dataset(dataset)
    for order in orders(2):
        seen = [
            int(index)
            for batch in distributed
            for part in two_replicas.experimental_local_results(batch["index"])
            for index in part
        ]
        assert seen == order


def test_replicas_share_each_batch():
    options = keras_dim.data.load(IMAGES, batch_size=2).options()
    policies = tf.data.experimental.AutoShardPolicy
    policy = options.experimental_distribute.auto_shard_policy
    assert policy == policies.DATA


def test_autotuning_is_switched_off():
    # With autotuning `fit` can hang: see `keras_dim.data.pipeline`.
    dataset = keras_dim.data.load(IMAGES, batch_size=2)
    assert dataset.options().autotune.enabled is False


def test_batches_are_of_uint8_images_and_int64_indices():
    spec = keras_dim.data.load(IMAGES, batch_size=2).element_spec
    assert spec == {
        "image": tf.TensorSpec((2, 4, 4, 3), "uint8"),
        "index": tf.TensorSpec((2,), "int64"),
    }


def test_an_open_source_is_loaded():
    source = keras_dim.data.open_source(IMAGES, image_size=8)
    assert next(iter(keras_dim.data.load(source, batch_size=2)))[
        "image"
    ].shape == (2, 8, 8, 3)
    with pytest.raises(ValueError, match="Pass image_size to `open_source`"):
        keras_dim.data.load(source, batch_size=2, image_size=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be"),
        ({"batch_size": 2.0}, "`batch_size` must be"),
        ({"batch_size": True}, "`batch_size` must be"),
        ({"batch_size": 11}, "no full batch would be left"),
        ({"shuffle": "no"}, "Unknown shuffle: 'no'"),
        ({"drop_remainder": "no"}, "Unknown drop_remainder: 'no'"),
        ({"as_pairs": "no"}, "Unknown as_pairs: 'no'"),
        ({"exif_orientation": "no"}, "Unknown exif_orientation: 'no'"),
        ({"seed": -1}, "`seed` must be"),
        ({"first_epoch": -1}, "`first_epoch` must be"),
        ({"first_batch": -1}, "`first_batch` must be"),
        ({"first_batch": 5}, "`first_batch` must be below 5"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        keras_dim.data.load(IMAGES, **{"batch_size": 2, **arguments})
    assert "\n" not in str(error.value)


def test_a_batch_may_be_larger_than_the_data_without_drop_remainder():
    (batch,) = keras_dim.data.load(IMAGES, "test", 128)
    np.testing.assert_array_equal(batch["image"], IMAGES)


def test_channels_first_of_keras_is_refused(monkeypatch):
    monkeypatch.setattr(
        keras.config, "image_data_format", lambda: "channels_first"
    )
    with pytest.raises(ValueError, match="Keras is set to 'channels_first'"):
        keras_dim.data.load(pixels(0, (2, 4, 4, 3)), batch_size=2)


def test_pairs_are_the_images_and_labels_of_the_dicts():
    source = (IMAGES, np.arange(10) % 3)
    pairs, dicts = (
        keras_dim.data.load(source, batch_size=4, as_pairs=as_pairs)
        for as_pairs in (True, False)
    )
    assert len(pairs) == len(dicts)
    for (image, label), batch in zip(pairs, dicts, strict=True):
        np.testing.assert_array_equal(image, batch["image"])
        np.testing.assert_array_equal(label, batch["label"])


def test_a_classifier_is_fitted_to_pairs():
    pairs = keras_dim.data.load(
        (IMAGES, np.arange(10) % 3), batch_size=5, as_pairs=True
    )
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    # Keras warns of its default, shuffle=True, for a data set.
    history = model.fit(pairs, epochs=2, shuffle=False, verbose=0).history
    assert len(history["loss"]) == 2


@pytest.mark.parametrize(
    "source, message",
    [
        (IMAGES, "has no labels"),
        ((IMAGES, np.arange(10) - 1), "-1.*no label, in 1 of 10 rows"),
    ],
)
def test_pairs_of_unlabelled_images_are_refused(source, message):
    with pytest.raises(ValueError, match=message):
        keras_dim.data.load(source, batch_size=5, as_pairs=True)


def test_labels_that_are_read_with_the_images_are_checked_then(
    monkeypatch,
):
    # As for a large source: its labels are read together with its images.
    source = keras_dim.data.open_source((IMAGES, np.arange(10) - 1))
    labels = source.labels
    monkeypatch.setattr(type(source), "has_labels", True)
    source.labels = None
    monkeypatch.setattr(
        type(source),
        "read",
        lambda self, rows: {
            "image": self.images[rows],
            "index": rows,
            "label": labels[rows],
        },
    )
    pairs = keras_dim.data.load(source, batch_size=5, as_pairs=True)
    with pytest.raises(ValueError, match="no label, in 1 of 5 rows"):
        with keras_dim.distribution.value_errors():
            list(pairs)
