"""Classifiers that are trained together with the encoder."""

import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from tiny_encoder import pixels
from tiny_encoder import tiny_encoder

from keras_dim.evaluation import OnlineProbe
from keras_dim.evaluation.callbacks import online_probe_loss


@pytest.fixture
def labelled():
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 2
    # Dark and bright images.
    return pixels(generator, 40) // 4 + (labels * 180).astype("uint8").reshape(
        -1, 1, 1, 1
    ), labels


class Method(keras.Model):
    """A minimal and fast model with an encoder that can be fitted."""

    def __init__(self):
        super().__init__()
        self.encoder = tiny_encoder()
        self.compile(keras.optimizers.SGD(1e-6), "mse", jit_compile=False)

    def call(self, images):
        return self.encoder(images)["global"]


def fit(labelled, train=None, test=None, epochs=4, global_seed=0, **arguments):
    arguments = {"batch_size": 16, "learning_rate": 0.02} | arguments
    probe = OnlineProbe(
        labelled if train is None else train,
        labelled if test is None else test,
        num_classes=2,
        **arguments,
    )
    keras.utils.set_random_seed(0)
    model = Method()
    keras.utils.set_random_seed(global_seed)
    images = labelled[0].astype("float32")
    return model.fit(
        images,
        np.zeros((len(images), 5)),
        batch_size=2,
        epochs=epochs,
        shuffle=False,
        callbacks=[probe],
        verbose=0,
    ).history


def test_loss_equals_the_authors():
    arrays = golden.load("amdim_losses")
    loss = online_probe_loss(arrays["xent_y"], arrays["xent_z"])
    assert (arrays["xent_y"] == -1).any()
    assert float(loss) == pytest.approx(float(arrays["xent"]), rel=1e-6)


def test_both_classifiers_learn_the_classes(labelled):
    history = fit(labelled)
    for name in ("online_linear_global", "online_mlp_global"):
        assert len(history[name]) == 4
        assert history[name][-1] > 0.9


def test_classifiers_that_diverge_have_no_accuracy(labelled):
    history = fit(labelled, epochs=1, learning_rate=1e38)
    assert np.isnan(history["online_linear_global"])


def test_the_encoder_learns_nothing_from_labels(labelled):
    def weights(callbacks):
        model = tiny.make("deep_infomax_local")
        model.fit(tiny.batches(), callbacks=callbacks, verbose=0)
        return model.get_weights()

    probed = weights([OnlineProbe(labelled, labelled, 2, batch_size=16)])
    for one, other in zip(weights([]), probed, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["dict", "dataset", "dataset of dicts"])
def test_takes_labelled_images_of_any_kind(kind, labelled):
    images, labels = labelled
    train = {"image": images, "label": labels}
    if kind == "dataset":
        train = tf.data.Dataset.from_tensor_slices(labelled).batch(8)
    elif kind == "dataset of dicts":
        train = tf.data.Dataset.from_tensor_slices(train).batch(8)
    history = fit(labelled, train=train, test=train, epochs=1)
    assert 0 <= history["online_linear_global"][0] <= 1


def test_images_without_a_label_are_neither_learned_from_nor_scored(labelled):
    images, labels = labelled
    more = np.concatenate([images, images[::-1]])
    labels = np.concatenate([labels, -np.ones(40, int)])
    history = fit(labelled, train=(more, labels), test=(more, labels))
    assert history["online_linear_global"][-1] > 0.9


def test_equal_seeds_give_equal_scores(labelled):
    one = fit(labelled, epochs=2)
    other = fit(labelled, epochs=2, global_seed=77)
    assert one == other


@pytest.mark.parametrize(
    "train", [{"image": np.zeros((4, 8, 8, 3))}, np.zeros((4, 8, 8, 3))]
)
def test_images_without_labels_are_refused(train, labelled):
    with pytest.raises(ValueError, match="`train` of OnlineProbe needs labels"):
        fit(labelled, train=train, epochs=1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_classes": 1}, "`num_classes`.*: 1"),
        ({"num_classes": 2, "batch_size": 1}, "`batch_size`.*: 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlineProbe(None, None, **arguments)


class Uncounted(keras.utils.PyDataset):
    """The same batch again and again, without a known end."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __getitem__(self, index):
        # Fails if it is not refused.
        assert index < 100
        return self.batch


class Endless(Uncounted):
    num_batches = None


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("kind", [Endless, Uncounted])
def test_a_data_set_without_an_end_is_refused(kind, part, labelled):
    with pytest.raises(ValueError, match="repeats for ever"):
        fit(labelled, **{part: kind(labelled)}, epochs=1)


def test_a_data_set_without_labels_to_score_is_refused(labelled):
    unlabelled = labelled[0], -np.ones(40, int)
    test = tf.data.Dataset.from_tensor_slices(unlabelled).batch(8)
    with pytest.raises(ValueError, match="`test` of OnlineProbe.* All are -1"):
        fit(labelled, test=test, epochs=1)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("train", "`train` of OnlineProbe is a data set without images"),
        ("test", "There are no images"),
    ],
)
def test_a_data_set_without_images_is_refused(part, message, labelled):
    empty = tf.data.Dataset.from_tensor_slices(labelled).batch(8).take(0)
    with pytest.raises(ValueError, match=message):
        fit(labelled, **{part: empty}, epochs=1)
