import numpy as np
import pytest

from keras_dim import encoders


def num_trainable(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize(
    "depth, stem, expected",
    [
        # torchvision's, less the classifier of 1,000 classes: 513,000
        # parameters of 11,689,512 and 21,797,672, 2,049,000 of 25,557,032.
        (18, "large", 11_689_512 - 513_000),
        (34, "large", 21_797_672 - 513_000),
        (50, "large", 25_557_032 - 2_049_000),
        # A kernel of 3 x 3 instead of 7 x 7, of 3 channels to 64.
        (18, "small", 11_689_512 - 513_000 - 3 * 64 * (49 - 9)),
    ],
)
def test_parameters_are_those_of_torchvision(depth, stem, expected):
    model = encoders.resnet(32, depth=depth, stem=stem)
    assert num_trainable(model) == expected


def test_a_stem_may_be_wider_than_the_first_stage():
    model = encoders.resnet(16, width=4, stem_width=6)
    kernels = [w.shape for w in model.weights if len(w.shape) == 4]
    # The stem, the first block, and the shortcut around it.
    assert kernels[:4] == [
        (3, 3, 3, 6),
        (3, 3, 6, 4),
        (3, 3, 4, 4),
        (1, 1, 6, 4),
    ]


def test_small_alexnet_has_its_parameters():
    # Five convolutions without bias, two dense layers without bias of
    # 7 x 7 x 192 and 4,096 inputs, and scale and offset of each output.
    filters = (3, 96, 192, 384, 384, 192)
    convolutions = sum(
        9 * i * o for i, o in zip(filters[:-1], filters[1:], strict=True)
    )
    dense = 7 * 7 * 192 * 4096 + 4096 * 4096
    norms = 2 * (sum(filters[1:]) + 2 * 4096)
    model = encoders.small_alexnet()
    assert num_trainable(model) == convolutions + dense + norms
    assert model.output["global"].shape == (None, 4096)


def test_half_alexnet_has_its_parameters():
    # Half of the filters; dense layers with bias.
    convolutions = (
        3 * 48 * 121 + 48 * 128 * 25 + 9 * (128 * 192 + 192 * 192 + 192 * 128)
    )
    dense = 6 * 6 * 128 * 2048 + 2048 * 2048 + 2 * 2048
    norms = 2 * (48 + 128 + 192 + 192 + 128 + 2 * 2048)
    model = encoders.half_alexnet()
    assert num_trainable(model) == convolutions + dense + norms
    assert model.output["conv"].shape == (None, 6, 6, 128)


@pytest.mark.parametrize(
    "image_size, stem, sides",
    [(32, "small", (8, 4)), (64, "small", (16, 8)), (96, "large", (6, 3))],
)
def test_features_have_the_sizes_of_their_stages(image_size, stem, sides):
    model = encoders.resnet(image_size, width=4)
    same = encoders.resnet(image_size, width=4, stem=stem)
    shapes = {name: tuple(x.shape[1:]) for name, x in model.output.items()}
    assert shapes == {
        "local": (sides[0], sides[0], 16),
        "conv": (sides[1], sides[1], 32),
        "global": (32,),
    }
    assert [w.shape for w in model.weights] == [w.shape for w in same.weights]


def test_the_global_feature_is_the_mean_of_the_last_map():
    model = encoders.resnet(32, width=4)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3))
    found = model(images.astype("float32"))
    np.testing.assert_allclose(
        found["global"], np.mean(found["conv"], axis=(1, 2)), rtol=1e-4
    )


@pytest.mark.parametrize("norm", ["batch", "split", "group", "layer"])
def test_each_norm_trains(norm):
    groups = {"num_groups": 2} if norm in ("split", "group") else {}
    model = encoders.resnet(16, width=4, norm=norm, **groups)
    kinds = {type(layer).__name__ for layer in model.layers}
    assert (
        kinds
        & {
            "batch": {"BatchNormalization"},
            "split": {"SplitBatchNormalization"},
            "group": {"GroupNormalization"},
            "layer": {"GroupNormalization"},
        }[norm]
    )
    images = np.random.default_rng(0).uniform(0, 255, (4, 16, 16, 3))
    found = model(images, training=True)["global"]
    assert found.shape == (4, 32)
    assert np.isfinite(found).all()


def test_blocks_start_as_identities():
    gammas = [
        w.numpy()
        for w in encoders.resnet(16, width=4).weights
        if w.path.endswith("gamma")
    ]
    # One of each of eight blocks.
    assert sum(not gamma.any() for gamma in gammas) == 8
    ones = encoders.resnet(16, width=4, zero_gamma=False).weights
    assert all(w.numpy().all() for w in ones if w.path.endswith("gamma"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"depth": 20}, "depth: 20.*18, 34, 50"),
        ({"norm": "instance"}, "norm: 'instance'"),
        ({"stem": "tiny"}, "stem: 'tiny'"),
        ({"width": 0}, "`width`.*1 or more"),
        ({"num_groups": 4}, "norm='batch', num_groups=4"),
    ],
)
def test_unknown_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        encoders.resnet(32, **arguments)
