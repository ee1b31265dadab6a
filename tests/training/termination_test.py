import signal
import subprocess
import sys

import pytest

from keras_dim.training import termination


@pytest.fixture
def counted():
    """A handler of the user's own, and how often it was called."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda *_: calls.append(1))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_a_block_continues_after_sigterm(counted):
    with pytest.raises(KeyError):
        with termination.noticed() as sigterm:
            assert not sigterm.came
            signal.raise_signal(signal.SIGTERM)
            assert sigterm.came
            raise KeyError
    assert counted == []


def test_afterwards_sigterm_has_its_old_handler(counted):
    with termination.noticed():
        pass
    signal.raise_signal(signal.SIGTERM)
    assert counted == [1]


def test_a_signal_that_the_block_ignored_is_raised_again(counted):
    with termination.noticed():
        signal.raise_signal(signal.SIGTERM)
        assert counted == []
    assert counted == [1]


def test_the_first_ctrl_c_is_noticed_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with termination.noticed() as notice:
            signal.raise_signal(signal.SIGINT)
            assert notice.came == signal.SIGINT
            error = notice.stop("run/checkpoints/epoch_00001.keras")
            assert isinstance(error, KeyboardInterrupt)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("It did not interrupt.")
    assert signal.getsignal(signal.SIGINT) == before


def test_a_script_ends_with_code_143_without_a_traceback():
    # Only this module, since importing the package takes seconds.
    script = (
        "import runpy, sys\n"
        "Terminated = runpy.run_path(sys.argv[1])['Terminated']\n"
        "raise Terminated('run/checkpoints/epoch_00001.keras')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, termination.__file__],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 143
    assert "Traceback" not in done.stderr
