"""What many rooms' tests share: one lab for the whole session, and how workers share the files."""

import signal
import time
from pathlib import Path

import hypothesis
import pytest

from chaosprsa.lab.process import running_lab
from chaosprsa.lab.shop import shop

TESTS = Path(__file__).parent
ON_THE_LAB = ("rollout/test_rollout_on_the_lab.py", "cluster_room", "test_trial.py")  # they ask for `lab` below
LONG = ("rehearsal/test_on_the_lab.py", "test_demo.py")  # minutes each: last, one would leave a worker alone
WAITING = (*ON_THE_LAB, *LONG, "history/lab", "rehearsal/test_loadtest.py", "lab/running", "cli", "lab")
FOLDERS = {"browser": ("browser/",), "cluster": ("cluster_room/", "contract/")}  # collecting the others takes longer

# Two workers, and whatever else runs, share the machine: an example's wall time says nothing about the code.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")

if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
):  # as behind `&` in a script: programs under test would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """What waits for programs comes first: it would leave one worker alone at the end."""
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        for mark, folders in FOLDERS.items():
            if item.get_closest_marker(mark) and _first_of(folders, place) == len(folders):
                raise pytest.UsageError(f"{item.nodeid}: the Makefile looks for `{mark}` tests in {folders} alone")
    items.sort(key=lambda item: _first_of(WAITING, item.path.relative_to(TESTS).as_posix()))


def _first_of(places, path):
    """The number of the first that the path lies in; as many as there are where it lies in none."""
    return next((at for at, place in enumerate(places) if path.startswith(place)), len(places))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With workers (-n), a file's tests stay together, and so do all on the shared lab: there is one."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::", 1)[0]
            on_the_lab = _first_of(ON_THE_LAB, file.removeprefix("tests/")) < len(ON_THE_LAB)
            return "the shared lab" if on_the_lab else file

    return Together(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The shop under a steady 40 requests/s, with a real Prometheus; started once, at its first use."""
    with running_lab(
        tmp_path_factory.mktemp("lab") / ".chaosprsa" / "lab", shop(), 1, rate_per_s=40, steady=True
    ) as it:
        time.sleep(8.0)  # a gate looks back some seconds; before that nothing was seen, and it says so
        yield it
