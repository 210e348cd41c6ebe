"""`chaos run` as a child: bounded, and its rollbacks are played whoever ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chaosprsa.journals import parse_journal, verdict_of
from chaosprsa.running import run_chaos
from chaosprsa.types import Verdict

pytestmark = pytest.mark.timeout(180)


def experiment(folder, sleep_s):
    """Sleeps in its method, and leaves a file in its rollbacks."""
    folder.mkdir(exist_ok=True)

    def activity(name, module, func, **arguments):
        provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
        return {"type": "action", "name": name, "provider": provider}

    method = [
        {"type": "action", "name": "wait", "provider": {"type": "process", "path": "sleep", "arguments": str(sleep_s)}},
        activity("went on", "os", "mkdir", path=str(folder / "went-on")),
    ]
    document = {
        "title": "a long one",
        "description": "for being ended",
        "runtime": {"rollbacks": {"strategy": "always"}},
        "method": method,
        "rollbacks": [activity("put back", "os", "mkdir", path=str(folder / "put-back"))],
    }
    path = folder / "e.json"
    path.write_text(json.dumps(document))
    return path


def test_a_run_that_ends_by_itself_leaves_its_journal_and_no_problem(tmp_path):
    seen = []
    run = run_chaos(experiment(tmp_path, 0.2), tmp_path / "out", {}, limit_s=60, grace_s=30, tick=seen.append)
    assert run.problem == ""
    assert verdict_of(parse_journal(run.journal.read_text(), "j"))[0] is Verdict.PASSED
    assert seen == sorted(seen)
    assert run.log.exists()


def test_a_run_that_takes_too_long_is_ended_with_its_rollbacks_and_goes_no_further(tmp_path):
    run = run_chaos(experiment(tmp_path, 60), tmp_path / "out", {}, limit_s=5, grace_s=30)
    assert "did not end within 5 s" in run.problem
    assert (tmp_path / "put-back").exists()
    assert not (tmp_path / "went-on").exists()
    assert verdict_of(parse_journal(run.journal.read_text(), "j"))[0] is Verdict.INVALID


def test_an_experiment_that_is_none_has_no_journal_and_a_reason(tmp_path):
    (tmp_path / "e.json").write_text("{}")
    run = run_chaos(tmp_path / "e.json", tmp_path / "out", {}, limit_s=60, grace_s=5)
    assert "wrote no journal" in run.problem


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_ends_the_runner_the_rollbacks_are_played(tmp_path, number):
    path = experiment(tmp_path, 60)
    code = (
        "import sys, signal; from pathlib import Path; from chaosprsa.running import run_chaos\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"run_chaos(Path({str(path)!r}), Path({str(tmp_path / 'out')!r}), {{}}, limit_s=90, grace_s=30)\n"
    )
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    await_text(tmp_path / "out" / "chaos.log", "Action: wait")
    os.kill(runner.pid, number)
    runner.wait(timeout=60)
    await_path(tmp_path / "put-back")
    await_path(tmp_path / "out" / "journal.json")
    assert not (tmp_path / "went-on").exists()


def await_text(path: Path, text):
    deadline = time.monotonic() + 60
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{text!r} never came"
        time.sleep(0.02)


def await_path(path: Path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
