"""Retries with exponential backoff, alike for gRPC and REST.

The retries of gRPC and of urllib3 end after a number of attempts; these end
when the time of the request does.
"""

import itertools
import random
import time
from collections.abc import Callable
from typing import TypeVar

from keras_dim.serving.transport import Failure

UNAVAILABLE = "UNAVAILABLE"
FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0

_Answer = TypeVar("_Answer")


def backoff_seconds(num_failures: int, draw: float) -> float:
    """Returns how long to wait before the next attempt.

    The wait doubles with every failure, from 0.1 up to 5 seconds. A random
    half of it is left out, so that the clients of a server that comes back do
    not all return at the same moment.

    Args:
        num_failures: int. How many attempts have failed, at least 1.
        draw: float. Uniform in `[0, 1)`.

    Returns:
        float. Seconds.

    Reference: M Brooker, [Exponential backoff and
    jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/),
    2015, "equal jitter".
    """
    # 2**1024 would be no float any more.
    doublings = min(num_failures - 1, 30)
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2**doublings)
    return longest * (1 + draw) / 2


def call(
    attempt: Callable[[float], _Answer],
    timeout: float,
    max_retries: int | None,
    draw: Callable[[], float] = random.random,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> _Answer:
    """Calls `attempt` until it succeeds, fails for good, or time is up.

    Only a failure with the code `UNAVAILABLE` is retried; a request for
    features may be sent twice without harm. No wait begins that would outlast
    the time: the server's failure says more than a timeout.

    Args:
        attempt: function of the seconds that are left.
        timeout: float. Seconds for all attempts and waits together.
        max_retries: int or None. Most attempts after the first; None for as
            many as there is time for.
        draw, sleep, clock: functions. Defaults to those of `random` and
            `time`.

    Returns:
        The result of `attempt`.

    Raises:
        Failure: the last one, with `num_attempts`.
    """
    end = clock() + timeout
    for num_attempts in itertools.count(1):
        try:
            return attempt(end - clock())
        except Failure as failure:
            failure.num_attempts = num_attempts
            seconds = backoff_seconds(num_attempts, draw())
            if (
                failure.code != UNAVAILABLE
                or (max_retries is not None and num_attempts > max_retries)
                or clock() + seconds >= end
            ):
                raise
        sleep(seconds)
