"""A lab's process tree begins and ends as one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaosprsa.errors import Busy, ToolMissing, Unavailable
from chaosprsa.lab.process import default_tools, lab_status, running_lab, start_lab, stop_lab
from chaosprsa.lab.prometheus import find_prometheus
from chaosprsa.lab.topology import LabService, LabTopology, write_lab_topology

TINY = LabTopology(services=(LabService(name="one", start_s=0.1),), entry="one", rate_per_s=0)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_gone(pid, seconds=10.0):
    deadline = time.monotonic() + seconds
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _tools(_prometheus):
    """These need Prometheus."""


def test_it_starts_is_found_and_leaves_nothing_behind(tmp_path):
    with running_lab(tmp_path, TINY) as lab:
        assert lab_status(tmp_path) == lab
        assert lab.kubeconfig.is_file()
    wait_gone(lab.pid)
    wait_gone(lab.prometheus_pid)
    assert lab_status(tmp_path) is None
    assert stop_lab(tmp_path) is False


def test_a_second_lab_on_the_same_state_is_refused(tmp_path):
    with running_lab(tmp_path, TINY), pytest.raises(Busy, match="runs on"):
        start_lab(tmp_path, TINY, 1)


def test_a_killed_server_takes_prometheus_along_and_its_state_does_not_hinder_the_next(tmp_path):
    lab = start_lab(tmp_path, TINY, 1)
    os.kill(lab.pid, signal.SIGKILL)
    wait_gone(lab.prometheus_pid)
    stop_lab(tmp_path)
    (tmp_path / "lab.json").write_text(json.dumps({"pid": lab.pid, "prometheus_pid": lab.prometheus_pid}))
    with running_lab(tmp_path, TINY) as second:
        assert second.pid != lab.pid


def test_it_ends_when_whoever_started_it_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from chaosprsa.lab.process import start_lab\n"
        "from chaosprsa.lab.topology import read_lab_topology\n"
        "lab = start_lab(Path(sys.argv[1]), read_lab_topology(Path(sys.argv[2])), 1)\n"
        "print(lab.pid, lab.prometheus_pid, flush=True); time.sleep(60)"
    )
    topology = write_lab_topology(tmp_path / "topology.json", TINY)
    command = [sys.executable, "-c", script, str(tmp_path / "state"), str(topology)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        pids = [int(word) for word in starter.stdout.readline().split()]
        starter.kill()
    for pid in pids:
        wait_gone(pid)


def test_another_process_can_stop_it(tmp_path):
    lab = start_lab(tmp_path, TINY, 1)
    script = (
        "import sys; from pathlib import Path; from chaosprsa.lab.process import stop_lab; stop_lab(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    wait_gone(lab.pid)
    wait_gone(lab.prometheus_pid)
    stop_lab(tmp_path)


def test_without_prometheus_the_start_fails_with_the_ways_to_have_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="Ways to have it"):
        start_lab(tmp_path / "state", TINY, 1, tools=tmp_path / "tools")
    assert lab_status(tmp_path / "state") is None


def test_a_cached_prometheus_is_taken_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    binary = tmp_path / "tools" / "prometheus"
    binary.parent.mkdir()
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    assert find_prometheus(tmp_path / "tools") == binary


def test_a_prometheus_that_does_not_start_is_told_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    binary = tmp_path / "prometheus"
    binary.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    binary.chmod(0o755)
    with pytest.raises(Unavailable, match="no space left"):
        start_lab(tmp_path / "state", TINY, 1)


def test_the_tools_folder_can_be_given(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAOSPRSA_TOOLS", str(tmp_path))
    assert default_tools() == tmp_path


def test_a_tools_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolMissing, match="can't be written"):
        find_prometheus(tmp_path / "file" / "tools")
