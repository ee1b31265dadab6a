import io

import numpy as np
import pytest
from PIL import Image
from PIL import ImageEnhance

from keras_dim import curation

NUM = 120
CHANGES = {
    "crop": lambda im: im.crop((5, 2, 47, 44)).resize((48, 48)),
    "smaller": lambda im: im.resize((31, 31)).resize((48, 48)),
    "darker": lambda im: ImageEnhance.Brightness(im).enhance(0.7),
    "mirrored": lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "encoded": lambda im: Image.open(as_jpeg(im)),
    "same": lambda im: im,
}


def as_jpeg(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return file


def drawn(num, seed=0, points=7):
    """Smooth textures in colour, uint8 (num, 48, 48, 3)."""
    shape = (num, points, points, 3)
    points = np.random.default_rng(seed).integers(0, 256, shape)
    return np.stack(
        [
            np.asarray(
                Image.fromarray(p).resize((48, 48), Image.Resampling.BICUBIC)
            )
            for p in points.astype(np.uint8)
        ]
    )


@pytest.fixture(scope="module")
def planted():
    """Drawn images, then 3 changed copies of each kind; and their originals."""
    images = drawn(NUM)
    originals = np.arange(3 * len(CHANGES))
    changes = list(CHANGES.values()) * 3
    copies = [
        np.asarray(change(Image.fromarray(images[row])))
        for row, change in zip(originals, changes, strict=True)
    ]
    return curation.greys(np.concatenate([images, copies])), originals


def features_of(greys, seed=1):
    """Random projections of the centre: near for crops, as an encoder's are."""
    rows = greys[:, 4:28, 4:28].reshape(len(greys), -1).astype("f4")
    rows -= rows.mean(axis=1, keepdims=True)
    weights = np.random.default_rng(seed).normal(size=(rows.shape[1], 64))
    return rows @ weights


def test_planted_copies_and_nothing_else_are_found(planted):
    greys, originals = planted
    groups = curation.duplicates(greys, features_of(greys))

    for original, copy in enumerate(groups[NUM:]):
        assert groups[original] == copy == original
    assert np.all(groups[len(originals) : NUM] == -1)


def test_without_features_only_crops_may_be_missed(planted):
    greys, originals = planted
    groups = curation.duplicates(greys)
    kinds = np.array(list(CHANGES) * 3)
    missed = kinds[groups[originals] != groups[NUM:]]

    assert set(missed) <= {"crop"}
    assert np.all(groups[originals] >= -1)


def test_known_neighbours_give_the_same_groups(planted):
    from keras_dim import neighbors

    greys, _ = planted
    features = features_of(greys)
    nearest, _ = neighbors.nearest(features, 5)

    np.testing.assert_array_equal(
        curation.duplicates(greys, nearest=nearest),
        curation.duplicates(greys, features),
    )


def test_groups_are_transitive_beyond_the_candidates():
    # Twenty copies, each a little darker: more than each image's candidates.
    image = curation.greys(drawn(1))[0]
    copies = [(image * (1 - n / 60)).astype(np.uint8) for n in range(20)]
    others = curation.greys(drawn(8, seed=3))

    groups = curation.duplicates(np.concatenate([copies, others]))

    assert groups.tolist() == [0] * 20 + [-1] * 8


def test_blank_images_are_equal_to_each_other_alone():
    greys = curation.greys(drawn(3))
    blank = np.full((2, 32, 32), [[[10]], [[200]]], np.uint8)

    groups = curation.duplicates(np.concatenate([greys, blank]))

    assert groups.tolist() == [-1, -1, -1, 0, 0]


@pytest.mark.parametrize("num", [1, 2])
def test_one_and_two_images_are_enough(num):
    greys = curation.greys(np.repeat(drawn(1), num, axis=0))

    groups = curation.duplicates(greys, np.ones((num, 2)))

    assert groups.tolist() == ([-1] if num == 1 else [0, 0])


def test_exact_duplicates_are_of_equal_pixels():
    images = drawn(4)
    images[2] = images[0]
    images[3] = images[1]
    images[3, 0, 0, 0] ^= 1

    assert curation.exact_duplicates(images).tolist() == [0, -1, 0, -1]
    assert curation.exact_duplicates([b"a", b"\0", b"\0\0"]).max() == -1


def test_correlation_of_a_crop_is_found_where_plain_correlation_is_low():
    image = drawn(1, points=4)[0]
    crop = np.asarray(Image.fromarray(image[:39, 9:]).resize((48, 48)))
    greys = curation.greys(np.stack([image, crop]))
    plain = np.corrcoef(greys[0].ravel(), greys[1].ravel())[0, 1]

    both_ways = curation.best_correlation(greys, [0, 1], [1, 0])

    assert plain < 0.9 < 0.97 < both_ways.min()
    assert both_ways[0] == pytest.approx(both_ways[1], abs=1e-6)


def test_correlation_ignores_brightness_and_contrast():
    image = drawn(1)[0]
    changed = (image * 0.4 + 90).astype(np.uint8)
    greys = curation.greys(np.stack([image, changed]))

    assert curation.best_correlation(greys, [0], [1])[0] > 0.999


def test_pictures_that_share_a_horizon_alone_are_not_duplicates():
    draw = np.random.default_rng(0)
    lands = draw.normal(60, 9, (3, 32, 32))
    lands[:, :14] = draw.normal(200, 9, (3, 14, 32))
    lands = np.clip(lands, 0, 255).astype(np.uint8)
    # The first one again, darker and mirrored.
    greys = np.concatenate([lands, (0.8 * lands[:1, :, ::-1]).astype("uint8")])
    left, right = np.array([0, 0, 1, 0]), np.array([1, 2, 2, 3])

    assert curation.best_correlation(greys, left, right).min() > 0.97
    found = curation.detail_correlation(greys, left, right)
    assert found[:3].max() < 0.6 and found[3] > 0.97
    assert curation.duplicates(greys).tolist() == [0, -1, -1, 0]


def test_a_hash_survives_encoding_and_not_another_image():
    image = Image.fromarray(drawn(1)[0])
    images = [np.asarray(image), np.asarray(Image.open(as_jpeg(image)))]
    greys = curation.greys(np.stack([*images, *drawn(1, seed=9)]))
    hashes = curation.perceptual_hash(greys)

    assert hashes.shape == (3, 63)
    # Half of the 63, but for the median itself.
    assert hashes.sum(axis=1).tolist() == [31, 31, 31]
    assert np.sum(hashes[0] != hashes[1]) <= 4
    assert np.sum(hashes[0] != hashes[2]) > 15


def test_greys_are_means_of_cells_of_any_size():
    image = np.zeros((1, 64, 96, 3), np.uint8)
    image[0, :32, :48] = 200

    greys = curation.greys(image)[0]

    assert np.all(greys[:16, :16] == 200) and greys[16:].max() == 0
    assert curation.greys(np.full((1, 7, 5), 9, np.uint8)).max() == 9


@pytest.mark.parametrize(
    "call",
    [
        lambda: curation.greys(np.zeros((2, 8, 8, 3))),
        lambda: curation.greys(np.zeros((8, 8), np.uint8)),
        lambda: curation.duplicates(np.zeros((2, 8, 8), np.uint8)),
        lambda: curation.duplicates(
            np.zeros((2, 32, 32), np.uint8), np.ones((3, 2))
        ),
        lambda: curation.duplicates(np.zeros((2, 32, 32), "u1"), correlation=2),
        lambda: curation.duplicates(np.zeros((2, 32, 32))),
        lambda: curation.duplicates(np.zeros((0, 32, 32), "u1")),
        lambda: curation.duplicates(
            np.zeros((2, 32, 32), "u1"), nearest=[[1], [-1]]
        ),
        lambda: curation.perceptual_hash(np.zeros((2, 32, 32))),
        lambda: curation.best_correlation(np.ones((2, 32, 32)), [0], [1]),
        lambda: curation.detail_correlation(np.ones((2, 32, 32)), [0], [1]),
        lambda: curation.best_correlation(
            np.ones((2, 32, 32), "u1"), [0, 1], [1]
        ),
        lambda: curation.best_correlation(
            np.ones((2, 32, 32), "u1"), [0.5], [1]
        ),
    ],
)
def test_unusable_arrays_are_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()


def test_exact_duplicates_of_arrays_have_equal_shapes_and_types():
    ones = np.ones((2, 3), "u1")

    images = [ones, ones.T, ones.copy(), ones.view("i1")]

    assert curation.exact_duplicates(images).tolist() == [0, -1, 0, -1]
