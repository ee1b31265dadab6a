"""SIGTERM, with which schedulers tell a process that it is about to end."""

import contextlib
import pathlib
import signal
import threading
from collections.abc import Iterator


class Terminated(SystemExit):
    """A run was stopped by SIGTERM, after it had written `checkpoint`.

    It is a `SystemExit`: a script that does not catch it ends without a
    traceback and with `code` 143, which is 128 plus SIGTERM's number.
    """

    def __init__(self, checkpoint: pathlib.Path):
        super().__init__(
            f"Stopped by SIGTERM. Resume the run (resume=True, --resume): it "
            f"continues from {checkpoint}"
        )
        self.checkpoint = checkpoint
        self.code = 143


class Notice:
    """Tells by its attribute `came` whether SIGTERM was received."""

    came = False


@contextlib.contextmanager
def noticed() -> Iterator[Notice]:
    """Lets the block go on when SIGTERM is received, and tells it by a notice.

    After a block without an exception it is raised again. In another thread
    than the main one, where Python handles no signals, it has its usual effect.
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
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
    if notice.came:
        signal.raise_signal(signal.SIGTERM)
