"""Each check accepts valid values and raises one line for others."""

import keras
import numpy as np
import pytest

from keras_dim import checks


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            lambda: checks.one_of(("steps", "cosine"), schedule="cosin"),
            r"^Unknown schedule: 'cosin'\. Did you mean 'cosine'\? Expected "
            r"one of \['steps', 'cosine'\]$",
        ),
        (
            lambda: checks.one_of((32, 64), size=33),
            r"^Unknown size: 33\. Expected one of \[32, 64\]$",
        ),
        (
            lambda: checks.at_least(0, alpha=0, beta=-1),
            "^`beta` must be 0 or more. Received: -1$",
        ),
        (lambda: checks.above(0, rate=0), "`rate` must be above 0"),
        (lambda: checks.below(1, decay=1), "`decay` must be below 1"),
        (
            lambda: checks.between(0, 1, momentum=1.5),
            "`momentum` must be from 0 to 1. Received: 1.5",
        ),
        (
            lambda: checks.integers(1, epochs=2.5),
            "`epochs` must be an integer, 1 or more. Received: 2.5",
        ),
        (lambda: checks.integers(1, epochs=0), "epochs"),
        (
            lambda: checks.integers(0, 3, worker=4),
            "`worker` must be an integer from 0 to 3. Received: 4",
        ),
        (
            lambda: checks.distinct(2, names=("a", "a")),
            "^`names` must be a tuple of 2 or more different values. "
            r"Received: \('a', 'a'\)$",
        ),
        (lambda: checks.distinct(2, names=["a"]), "`names`"),
        (lambda: checks.distinct(1, steps=2), "`steps`.*: 2$"),
        (
            lambda: checks.shape((None, 3), rows=np.zeros((5, 4))),
            r"^`rows` must have the shape \(None, 3\). Received: \(5, 4\)$",
        ),
        (lambda: checks.shape((3,), rows=np.zeros((3, 1))), "rows"),
        (lambda: checks.shape((), rows=np.zeros(1)), "rows"),
    ],
)
def test_wrong_values_are_refused_in_one_line(check, message):
    with pytest.raises(ValueError, match=message):
        check()


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "2", None, True, np.array([2.0, 3.0])],
)
@pytest.mark.parametrize(
    "check",
    [
        lambda value: checks.at_least(0, x=value),
        lambda value: checks.above(0, x=value),
        lambda value: checks.below(9, x=value),
        lambda value: checks.between(0, 9, x=value),
        lambda value: checks.integers(0, x=value),
    ],
)
def test_values_that_are_not_finite_numbers_are_refused(check, value):
    with pytest.raises(ValueError, match="`x` must be"):
        check(value)


def test_right_values_pass():
    checks.one_of({"adam": 1, "sgd": 2}, optimizer="sgd")
    checks.at_least(1, a=1, b=1.0, c=np.float32(2), d=np.int64(3))
    checks.above(0, a=1e-9)
    checks.below(1, a=0.999)
    checks.between(0, 1, a=0, b=1)
    checks.integers(1, a=1, b=np.int64(3))
    checks.integers(1, 3, a=1, b=3)
    checks.shape((None, 3), a=np.zeros((5, 3)), b=keras.KerasTensor((None, 3)))
    checks.shape((), a=np.zeros(()))


class Base:
    def __init__(self, name=None, *, dtype=None):
        pass


class HandsOn(Base):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)


class Final(Base):
    def __init__(self, units):
        super().__init__()


def test_keywords_of_base_classes_are_known():
    assert checks.keywords_of(HandsOn) == ["units", "name", "dtype"]
    assert checks.keywords_of(Final) == ["units"]
    assert checks.keywords_of(lambda a, *rest, b=1, **kwargs: a) == ["a", "b"]
    assert {"rate", "trainable", "dtype"} <= set(
        checks.keywords_of(keras.layers.Dropout)
    )


def test_an_unknown_keyword_is_refused_with_the_nearest_name():
    checks.keywords(HandsOn, ["units", "dtype"], "The layer")
    with pytest.raises(
        ValueError,
        match="The layer has no argument 'unit'. Did you mean 'units'",
    ):
        checks.keywords(HandsOn, ["unit"], "The layer")


def test_the_nearest_name_beside_a_path_is_suggested(tmp_path):
    (tmp_path / "photos").mkdir()
    near = f" Did you mean {str(tmp_path / 'photos')!r}?"

    assert checks.did_you_mean_path(tmp_path / "phtos") == near
    assert checks.did_you_mean_path(f"{tmp_path / 'photo'}/") == near
    assert checks.did_you_mean_path(tmp_path / "none" / "photos") == ""
