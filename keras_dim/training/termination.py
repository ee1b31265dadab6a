"""Handles SIGTERM, as of a scheduler, and Ctrl-C during a training."""

import contextlib
import pathlib
import signal
import threading
from collections.abc import Iterator

from absl import logging

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Terminated(SystemExit):
    """Raised when SIGTERM has stopped a run, which has written `checkpoint`.

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
    """The signal that was received, in the attribute `came`, or None."""

    came: int | None = None

    def stop(self, checkpoint: pathlib.Path) -> BaseException:
        """Returns the exception that ends a run after its last checkpoint."""
        if self.came == signal.SIGINT:
            return KeyboardInterrupt(f"The last checkpoint is {checkpoint}")
        return Terminated(checkpoint)


@contextlib.contextmanager
def noticed() -> Iterator[Notice]:
    """Lets the block continue after SIGTERM or Ctrl-C, and notes the signal.

    A second Ctrl-C interrupts the block. If the block ends without an
    exception, the signal is raised again. Python handles signals only in its
    main thread; in others they have their usual effect.
    """
    notice = Notice()
    if threading.current_thread() is not threading.main_thread():
        yield notice
        return

    def handle(number, frame):
        if number == notice.came == signal.SIGINT:
            raise KeyboardInterrupt
        notice.came = number
        if number == signal.SIGINT:
            logging.info(
                "Stopping at the end of this step, with a checkpoint; Ctrl-C "
                "again stops at once, without one"
            )

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield notice
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set by Python.
            signal.signal(number, handler or signal.SIG_DFL)
    if notice.came:
        signal.raise_signal(notice.came)
