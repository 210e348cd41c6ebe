"""What many rooms' tests share: one lab for the whole session."""

import signal
import time

import pytest

from chaosprsa.lab.process import running_lab
from chaosprsa.lab.shop import shop

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # as behind `&` in a script: programs under test would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The shop under a steady 40 requests/s, with a real Prometheus; started once, at its first use."""
    with running_lab(
        tmp_path_factory.mktemp("lab") / ".chaosprsa" / "lab", shop(), 1, rate_per_s=40, steady=True
    ) as it:
        time.sleep(8.0)  # a gate looks back some seconds; before that nothing was seen, and it says so
        yield it
