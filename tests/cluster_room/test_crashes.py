"""A crash at any line is undone: by a tracer that stops the work at a line, and by real SIGKILLs."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import chaosprsa.cluster
from chaosprsa.cluster import restore_all
from chaosprsa.cluster.snapshots import snapshots_folder
from chaosprsa.types import Allocation, Resources, ServiceAllocation

ROOM = str(Path(chaosprsa.cluster.__file__).parent)
LARGER = Resources(cpu_request_millicores=60, cpu_limit_millicores=250, memory_request_mib=40, memory_limit_mib=80)
SMALLER = Resources(cpu_request_millicores=20, cpu_limit_millicores=50, memory_request_mib=32, memory_limit_mib=64)


class KilledError(BaseException):
    """What nobody catches."""


class Crash:
    """Stops the work at its n-th line in this room; from then on nothing reaches the cluster or the disk."""

    def __init__(self, monkeypatch, line):
        self.lines = 0
        self.dead = False
        self._at = line
        call = chaosprsa.cluster.reading.Api.call
        write = chaosprsa.cluster.snapshots.write_text

        def guarded(function):
            def run(*arguments, **named):
                if self.dead:
                    raise KilledError
                return function(*arguments, **named)

            return run

        monkeypatch.setattr(chaosprsa.cluster.reading.Api, "call", guarded(call))
        monkeypatch.setattr(chaosprsa.cluster.snapshots, "write_text", guarded(write))
        monkeypatch.setattr(Path, "unlink", guarded(Path.unlink))

    def _trace(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self._at:
                self.dead = True
                raise KilledError
        return self._trace

    def run(self, work):
        """Whether it was stopped."""
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            work()
        except KilledError:
            return True
        finally:
            sys.settrace(before)
        return False


@pytest.fixture
def work(cluster, new_namespace, samples):
    """(namespace, a run that changes, creates, replaces and deletes there)."""
    objects = [
        samples.deployment("basket"),
        samples.deployment("front", 1),
        samples.deployment("store", 1, "StatefulSet"),
        samples.autoscaler("front", 1, 3),
        samples.service("basket"),
    ]
    name = new_namespace("shop", objects)

    def run():
        shadow = cluster.shadow(name)
        shadow.set_allocation(
            Allocation(
                services=(
                    ServiceAllocation(service="basket", replicas=1, resources=LARGER),
                    ServiceAllocation(service="front", replicas=2, resources=LARGER),
                    ServiceAllocation(service="store", replicas=1, resources=LARGER),
                )
            )
        )
        canary = samples.deployment("basket-canary", 1)
        shadow.apply([canary, samples.service("basket", selector={"app": "basket-canary"}), samples.service("new")])
        shadow.resize("store", SMALLER, timeout_s=0)
        shadow.delete("Service", "new")
        shadow.scale("basket", 2)

    return name, run


def count_lines(monkeypatch, run):
    with monkeypatch.context() as patches:
        crash = Crash(patches, -1)
        assert not crash.run(run)
        return crash.lines


def undo(cluster, name):
    return restore_all(cluster, snapshots_folder(cluster.state), name)


CRASHES = 24


def test_a_run_stopped_at_any_line_is_undone(cluster, work, plain, monkeypatch):
    name, run = work
    before = plain(name)
    total = count_lines(monkeypatch, run)
    undo(cluster, name)
    assert plain(name) == before
    for line in np.random.default_rng(7).choice(np.arange(1, total), CRASHES, replace=False):
        with monkeypatch.context() as patches:
            assert Crash(patches, int(line)).run(run)
        undo(cluster, name)
        assert plain(name) == before, f"stopped at line {line} of {total}"
    assert undo(cluster, name) == ()


def test_a_restore_stopped_at_any_line_is_finished_by_the_next(cluster, work, plain, monkeypatch):
    name, run = work
    before = plain(name)
    run()
    total = count_lines(monkeypatch, lambda: undo(cluster, name))
    for line in np.random.default_rng(8).choice(np.arange(1, total), CRASHES, replace=False):
        run()
        with monkeypatch.context() as patches:
            Crash(patches, int(line)).run(lambda: undo(cluster, name))
        undo(cluster, name)
        assert plain(name) == before, f"stopped at line {line} of {total}"


def test_a_squeeze_in_place_stopped_at_any_line_is_undone_in_the_pods(cluster, work, monkeypatch):
    """The template never said it, so the pods are what must be put back."""
    name, _ = work
    shadow = cluster.shadow(name)
    shadow.wait_ready(60)
    template = cluster.api.get("Deployment", name, "basket")["spec"]["template"]["spec"]["containers"][0]["resources"]
    total = count_lines(monkeypatch, lambda: shadow.resize("basket", SMALLER))
    for line in np.linspace(total // 2, total - 1, 6).astype(int):
        undo(cluster, name)
        pods = cluster.pods(name, "Deployment", "basket")
        assert [pod["spec"]["containers"][0]["resources"] for pod in pods] == [template] * 2
        with monkeypatch.context() as patches:
            Crash(patches, int(line)).run(lambda: shadow.resize("basket", SMALLER))


RUN = """
import sys
from pathlib import Path
from chaosprsa.cluster import connect
from chaosprsa.types import Allocation, Resources, ServiceAllocation
shadow = connect(state=Path(sys.argv[1])).shadow(sys.argv[2])
print("ready", flush=True)
with shadow.lease("a run that dies"):
    for turn in range(1, 1000):
        shadow.scale("basket", 1 + turn % 3)
        size = Resources(
            cpu_request_millicores=50, cpu_limit_millicores=200 + turn, memory_request_mib=32, memory_limit_mib=64
        )
        store = ServiceAllocation(service="store", replicas=1 + turn % 2, resources=size)
        shadow.set_allocation(Allocation(services=(store,)))
        metadata = {"name": f"extra-{turn}"}
        shadow.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"turn": str(turn)}}])
"""


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 9))])
def test_a_run_that_sigkill_ends_at_a_random_moment_is_undone(cluster, work, plain, seed):
    name, _ = work
    before = plain(name)
    command = [sys.executable, "-c", RUN, str(cluster.state), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(np.random.default_rng(seed).uniform(0.05, 1.0))
        child.kill()
    undo(cluster, name)
    assert plain(name) == before
    assert undo(cluster, name) == ()
