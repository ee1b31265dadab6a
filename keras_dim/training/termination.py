"""SIGTERM, with which schedulers tell a process that it is about to end."""

import contextlib
import pathlib
import signal
import threading
from collections.abc import Iterator

# The exit code of a process that SIGTERM ended: 128 plus its number.
EXIT_CODE = 143


class Terminated(SystemExit):
    """A run was stopped by SIGTERM, after it had written a checkpoint.

    It is a `SystemExit`: a script that does not catch it ends with exit code
    143 and without a traceback.

    Args:
        checkpoint: path. The checkpoint from which the run can be resumed.

    Attributes:
        checkpoint: the same.
        code: int. 143.
    """

    def __init__(self, checkpoint: pathlib.Path):
        super().__init__(
            f"Stopped by SIGTERM. Resume the run (resume=True, --resume): it "
            f"continues from {checkpoint}"
        )
        self.checkpoint = checkpoint
        self.code = EXIT_CODE


class Notice:
    """Tells whether SIGTERM was received.

    Attributes:
        came: bool.
    """

    def __init__(self):
        self.came = False


@contextlib.contextmanager
def noticed() -> Iterator[Notice]:
    """Lets the block finish or react when SIGTERM is received.

    If the block finishes without an exception, a SIGTERM that was received is
    raised again after it. Python handles signals in the main thread only: in
    another thread, SIGTERM has its usual effect.

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
        # None is a handler that was not set by Python, which cannot be set.
        signal.signal(
            signal.SIGTERM, signal.SIG_DFL if before is None else before
        )
    if notice.came:
        # The block has not acted on it.
        signal.raise_signal(signal.SIGTERM)
