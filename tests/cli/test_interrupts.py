"""Ctrl-C in the middle: exit code 130, one sentence, nothing half written, nothing left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from chaosprsa.chain.labs import lab_history

CHAOS = [str(Path(sys.executable).parent / "chaos"), "--no-version-check", "--no-log-file", "prsa"]


def start(folder, *arguments):
    return subprocess.Popen([*CHAOS, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupt(process, within_s=60):
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=within_s)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Interrupted" in errors


def running_below(folder):
    """Processes whose command line names the folder."""
    processes = psutil.process_iter(["cmdline"])
    return [process for process in processes if str(folder) in " ".join(process.info["cmdline"] or [])]


def test_learn_interrupted_leaves_no_bundle(folder):
    folder.settings(history="history")
    lab_history(7.0, 1, None, folder.path / "history")
    before = folder.files()
    process = start(folder.path, "learn")
    assert "learning ..." in process.stderr.readline()
    time.sleep(0.3)
    interrupt(process)
    assert folder.files() == before


@pytest.mark.slow
def test_compare_interrupted_leaves_no_comparison(folder):
    folder.settings(history="history")
    lab_history(2.0, 1, None, folder.path / "history")
    before = folder.files()
    process = start(folder.path, "compare", "--duration", "2h")
    assert "comparing ..." in process.stderr.readline()
    assert "policies" in process.stderr.readline()  # planned: it plays now
    time.sleep(1.0)
    interrupt(process)
    assert folder.files() == before


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("when", ["learn", "trial", "recommend"])
def test_a_demo_interrupted_ends_its_lab_and_everything_it_started(tmp_path, when):
    process = start(tmp_path, "demo", "--dir", "run")
    for line in process.stderr:
        if line.strip() == f"{when} ...":
            break
    time.sleep(2.0)
    interrupt(process)
    time.sleep(1.0)
    assert running_below(tmp_path) == []
