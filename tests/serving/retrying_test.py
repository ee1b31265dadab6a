"""`with_retries`: the waits, the time for each attempt, and the end."""

import types

import pytest

from keras_dim.serving import ServerError
from keras_dim.serving import transport


class Clock:
    """A clock that advances only by `sleep`."""

    def __init__(self):
        self.seconds = 100.0
        self.waits = []

    def monotonic(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds
        self.waits.append(seconds)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(transport, "time", clock)
    return clock


@pytest.fixture
def draw(monkeypatch):
    """Replaces the random waits, by default by the shortest ones."""

    def set_draw(function):
        module = types.SimpleNamespace(uniform=function)
        monkeypatch.setattr(transport, "random", module)

    set_draw(lambda low, high: low)
    return set_draw


def fail(seconds):
    raise ServerError("away", "UNAVAILABLE")


def test_waits_double_up_to_a_limit(clock, draw):
    with pytest.raises(ServerError):
        transport.with_retries(fail, 1e6, 8)

    # Half of 0.1, 0.2, 0.4, ..., and of 5 at most.
    expected = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.5, 2.5]
    assert clock.waits == pytest.approx(expected)


def test_random_waits_are_up_to_twice_as_long(clock, draw):
    draw(lambda low, high: high)
    with pytest.raises(ServerError):
        transport.with_retries(fail, 1e6, 3)

    assert clock.waits == pytest.approx([0.1, 0.2, 0.4])


def test_each_attempt_gets_the_time_that_is_left(clock, draw):
    left = []

    def attempt(seconds):
        left.append(seconds)
        fail(seconds)

    with pytest.raises(ServerError) as caught:
        transport.with_retries(attempt, 0.5, 99)
    # After waits of 0.05, 0.1 and 0.2; one of 0.4 would come too late.
    assert left == pytest.approx([0.5, 0.45, 0.35, 0.15])
    assert caught.value.num_attempts == 4


def test_without_max_retries_the_timeout_ends_the_retries(clock, draw):
    def attempt(seconds):
        # A server that comes back after a minute.
        if clock.seconds < 157:
            fail(seconds)
        return "here"

    assert transport.with_retries(attempt, 60, None) == "here"
    clock.seconds = 0
    with pytest.raises(ServerError):
        transport.with_retries(attempt, 60, None)
    # One more wait, of 2.5 seconds, would be too long.
    assert 57.5 <= clock.seconds < 60


def test_a_timeout_does_not_hide_the_earlier_failure(clock, draw):
    codes = ["UNAVAILABLE", "DEADLINE_EXCEEDED"]

    def attempt(seconds):
        code = codes.pop(0)
        raise ServerError("away" if codes else "", code)

    with pytest.raises(ServerError, match="away") as caught:
        transport.with_retries(attempt, 60, None)
    assert (caught.value.code, caught.value.num_attempts) == ("UNAVAILABLE", 2)


def test_max_retries_of_0_is_one_attempt(clock):
    with pytest.raises(ServerError) as caught:
        transport.with_retries(fail, 10, 0)
    assert caught.value.num_attempts == 1


def test_other_exceptions_are_not_retried(clock):
    def attempt(seconds):
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        transport.with_retries(attempt, 10, 5)
    assert clock.waits == []
