import keras
import numpy as np
import pytest
import tiny
from keras import layers

import keras_dim
from keras_dim import batches
from keras_dim import encoders
from keras_dim.layers import FrozenNetwork


@pytest.fixture(scope="module")
def model():
    return tiny.distillation()


def test_the_loss_is_that_of_a_slow_version(model):
    rng = np.random.default_rng(0)
    predictions, targets = rng.normal(size=(2, 9, 6))
    expected = 0.0
    for prediction, target in zip(predictions, targets, strict=True):
        product = prediction @ target
        norms = np.sqrt(prediction @ prediction) * np.sqrt(target @ target)
        expected += (2 - 2 * product / norms) / 9
    terms = model.loss_terms((predictions, targets))
    assert float(terms["prediction_error"]) == pytest.approx(expected, rel=1e-5)
    # Only the direction counts.
    terms = model.loss_terms((3 * targets, targets))
    assert float(terms["prediction_error"]) == pytest.approx(0.0, abs=1e-6)


def test_targets_are_the_teachers_features_of_the_students_view():
    teacher = tiny.encoder()
    model = tiny.distillation(teacher=teacher, teacher_feature="fc")
    images = tiny.images()
    for training in (True, False):
        view = model.views(images, training=training)["image"]
        _, targets = model.outputs({"image": view}, training=training)
        np.testing.assert_allclose(
            targets, teacher(view, training=False)["fc"], rtol=1e-5, atol=1e-6
        )


def test_views_are_resized_to_the_teachers_image_size(model):
    images = tiny.images()
    _, targets = model(images)
    resized = keras.ops.image.resize(
        images.astype("float32"), (10, 10), antialias=True
    )
    expected = model.teacher.network(resized, training=False)["global"]
    np.testing.assert_allclose(targets, expected, rtol=1e-4, atol=1e-5)


def test_the_teacher_is_a_copy_that_nothing_changes(tmp_path):
    teacher = tiny.encoder(10)
    inner = keras.Model(teacher.input, teacher(teacher.input)["global"])
    # A model within a model: its batch norm must run in inference mode, too.
    model = tiny.distillation(teacher=inner)
    before = teacher.get_weights()
    model.trainable = True
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(tiny.images(), batch_size=8, epochs=2, verbose=0)
    model.evaluate(tiny.images(), batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, restored):
        assert not each.teacher.trainable_weights
        copies = each.teacher.get_weights()
        # Those of the other features are left out.
        assert 0 < len(copies) < len(before) + 1
        for weight in copies:
            assert any(np.array_equal(weight, old) for old in before)
    # The teacher given can still be trained, and shares nothing.
    assert teacher.trainable_weights
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    # The student's file is without it.
    assert len(model.encoder.weights) == len(tiny.encoder().weights)


def test_a_student_can_be_its_own_teacher():
    encoder = tiny.encoder()
    model = keras_dim.Distillation(encoder, teacher=encoder, seed=1)
    model.compile(keras.optimizers.SGD(0.1))
    before = model.teacher.get_weights(), encoder.get_weights()
    model.fit(tiny.images(), verbose=0)
    for old, new in zip(before[0], model.teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert not np.array_equal(before[1][0], encoder.get_weights()[0])


def test_a_backbone_teaches_with_its_own_normalisation():
    image = keras.Input((8, 8, 3))
    flat = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    maps = keras.Model(image, layers.Reshape((1, 1, 4))(flat))
    teacher = encoders.from_backbone(maps, lambda x: x / 255.0)
    model = tiny.distillation(teacher=teacher)
    config = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(model)
    )
    # Weights are drawn anew, the division is kept.
    copy = config.teacher.network
    copy.set_weights(teacher.get_weights())
    images = tiny.images()
    np.testing.assert_allclose(
        copy(images)["global"], teacher(images)["global"], rtol=1e-5, atol=1e-6
    )


def test_the_error_falls():
    model = tiny.distillation()
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(tiny.images(), epochs=15, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]


def gray():
    image = keras.Input((8, 8, 1))
    return keras.Model(image, {"global": layers.Flatten()(image)})


def application():
    arguments = {"include_top": False, "weights": None, "pooling": "avg"}
    return keras.applications.MobileNet(
        (32, 32, 3), alpha=0.25, depth_multiplier=1, **arguments
    )


def test_a_teacher_that_takes_no_raw_pixels_is_refused():
    with pytest.raises(ValueError, match="mobilenet.preprocess_input.*wrap it"):
        tiny.distillation(teacher=application())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"teacher": None}, "needs a teacher"),
        ({"teacher": "amdim"}, "needs a teacher"),
        ({"teacher_feature": "nothing"}, "no feature 'nothing'"),
        ({"teacher_feature": "local"}, "must be a vector"),
        ({"teacher": gray()}, "channels. Received: 1 and 3"),
    ],
)
def test_an_unfit_teacher_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny.distillation(**arguments)


def test_a_teacher_of_another_range_is_refused():
    deep = batches.ValueRange((0,) * 3, (65535,) * 3, "uint16")
    teacher = encoders.with_range(tiny.encoder(), deep)
    with pytest.raises(ValueError, match="values of the same range"):
        keras_dim.Distillation(tiny.encoder(), teacher=teacher)


def test_a_frozen_network_has_the_outputs_of_its_network():
    encoder = tiny.encoder()
    layer = FrozenNetwork(encoder)
    images = tiny.images().astype("float32")
    for name, expected in encoder(images, training=False).items():
        np.testing.assert_array_equal(layer(images)[name], expected)


def test_a_recipe_names_its_teacher(tmp_path):
    teacher = tiny.encoder()
    teacher.save(tmp_path / "teacher.keras")
    recipe = keras_dim.Recipe(
        name="mine",
        source="digits",
        method={
            "name": "distillation",
            "teacher": str(tmp_path / "teacher.keras"),
        },
        encoder={"name": "resnet", "width": 2},
        optimizer="adam",
    )
    model = recipe.build_model((8, 8, 3))
    for one, other in zip(
        model.teacher.network.get_weights()[:2],
        teacher.get_weights()[:2],
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(FileNotFoundError, match="no preset 'nowhere'"):
        recipe.replace(teacher="nowhere").build_model((8, 8, 3))
