"""SIGTERM, by which schedulers ask for a machine back before they take it."""

import contextlib
import pathlib
import signal
import threading
from collections.abc import Iterator

# What a shell tells of a process that ended by SIGTERM: 128 and its number.
EXIT_CODE = 143


class Terminated(SystemExit):
    """A run was stopped by SIGTERM, after it had written a checkpoint.

    It is a `SystemExit`, so that a script that does not catch it ends there,
    with exit code 143 and without a trace.

    Args:
        checkpoint: path. The file that the run goes on from.

    Attributes:
        checkpoint: the same.
        code: int. 143.
    """

    def __init__(self, checkpoint: pathlib.Path):
        super().__init__(
            f"Stopped by SIGTERM. {checkpoint} holds the run: go on with it "
            "(resume=True, --resume)"
        )
        self.checkpoint = checkpoint
        self.code = EXIT_CODE


class Notice:
    """Whether SIGTERM has come.

    Attributes:
        came: bool.
    """

    def __init__(self):
        self.came = False


@contextlib.contextmanager
def noticed() -> Iterator[Notice]:
    """Notices SIGTERM within the block, instead of ending the process.

    Signals reach Python's main thread alone: in another one the block runs as
    it is, and SIGTERM does what it did before. So it does, once more, behind a
    block that has come to its end although SIGTERM came.

    Example:
    ```python
    with termination.noticed() as sigterm:
        while not sigterm.came:
            work()
    ```
    """
    notice = Notice()
    if threading.current_thread() is not threading.main_thread():
        yield notice
        return

    def handle(number, frame):
        notice.came = True

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield notice
    finally:
        # None stands for a handler that Python did not set and cannot set.
        signal.signal(
            signal.SIGTERM, signal.SIG_DFL if before is None else before
        )
    if notice.came:
        # Too late for the block to act on it.
        signal.raise_signal(signal.SIGTERM)
