"""Real Locust plays profiles against a real server: open arrivals, its own clock, and nothing left behind."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from chaosprsa.documents import lineage, write_document
from chaosprsa.errors import InvalidDocument, Unavailable
from chaosprsa.loadtest import runner
from chaosprsa.loadtest.log import read_load, read_requests
from chaosprsa.loadtest.schedule import arrivals
from chaosprsa.types import EndpointShare, LoadMode, LoadPoint, LoadProfile

REPOSITORY = Path(__file__).parents[2]


def profile(folder, points, mix=("/",), mode=LoadMode.RATE, timeout_s=5.0):
    made = LoadProfile(
        id="test",
        mode=mode,
        points=tuple(LoadPoint(time_s=time_s, level=level) for time_s, level in points),
        mix=tuple(EndpointShare(path=path, weight=1.0) for path in mix),
        seed=5,
        timeout_s=timeout_s,
        lineage=lineage("profile", "a test"),
    )
    return write_document(folder / "test.profile.json", made), made


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid, within_s=8.0):
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


@pytest.fixture(scope="module")
def played(http_server, tmp_path_factory):
    """One load of four seconds with every kind of answer, and the profile that it played."""
    folder = tmp_path_factory.mktemp("load")
    file, made = profile(folder, [(0, 40), (4, 40)], mix=("/", "/", "/slow", "/bad"))
    run = runner.start(file, http_server, folder / "load")
    clock = runner.wait_until(folder / "load", 4.0)
    runner.stop(folder / "load")
    return made, folder / "load", run, clock


def test_every_arrival_of_the_schedule_is_sent_and_logged_under_its_intended_time(played):
    made, folder, _, _ = played
    times, parts = arrivals(made)
    requests = read_requests(folder)
    assert len(requests) == len(times)
    assert np.allclose(np.sort(requests.time_s), times, atol=1e-4)
    assert sorted(requests.endpoint) == sorted(made.mix[part].path for part in parts)


def test_a_slow_answer_holds_no_other_request_back(played):
    """A closed loop of one user would have sent a tenth: every fourth answer takes 0.4 s."""
    _, folder, _, _ = played
    requests = read_requests(folder)
    slow = np.array([name == "/slow" for name in requests.endpoint])
    assert np.all(requests.latency_ms[slow] >= 395)
    assert np.median(requests.latency_ms[~slow]) < 100


def test_an_error_is_no_good_answer(played):
    _, folder, _, _ = played
    requests = read_requests(folder)
    bad = np.array([name == "/bad" for name in requests.endpoint])
    assert not requests.ok[bad].any()
    assert requests.ok[~bad].all()


def test_the_log_says_when_the_load_began_and_that_it_ended(played):
    _, folder, _, clock = played
    said = read_load(folder)
    requests = read_requests(folder)
    assert said["requests"] == len(requests)
    assert said["failures"] == int((~requests.ok).sum())
    assert said["ended"] is not None
    assert said["profile"] == "test"
    assert clock >= 4.0


def test_the_seconds_add_up_to_the_requests(played):
    _, folder, _, _ = played
    rows = list(csv.DictReader((folder / "seconds.csv").read_text().splitlines()))
    assert [int(row["time_s"]) for row in rows] == sorted({int(row["time_s"]) for row in rows})
    assert sum(int(row["requests"]) for row in rows) == len(read_requests(folder))


def test_failed_requests_are_no_error_of_the_load(played):
    _, _, run, _ = played
    assert run.process.returncode == 0


def test_phases_are_cut_exactly(played):
    _, folder, _, _ = played
    requests = read_requests(folder)
    cut = requests.between(1.0, 3.0)
    assert len(cut) == int(((requests.time_s >= 1.0) & (requests.time_s < 3.0)).sum())
    assert len(cut.endpoint) == len(cut)


@pytest.mark.slow
def test_an_answer_that_takes_too_long_counts_as_failed(http_server, tmp_path):
    file, _ = profile(tmp_path, [(0, 10), (1.5, 10)], mix=("/never",), timeout_s=0.5)
    runner.start(file, http_server, tmp_path / "load")
    runner.wait_until(tmp_path / "load", 1.5)
    runner.stop(tmp_path / "load")
    requests = read_requests(tmp_path / "load")
    assert len(requests) > 3
    assert not requests.ok.any()


@pytest.mark.slow
def test_a_server_that_is_not_there_fails_every_request_and_the_load_goes_on(tmp_path):
    file, made = profile(tmp_path, [(0, 20), (1.5, 20)])
    runner.start(file, "http://127.0.0.1:9", tmp_path / "load")
    runner.wait_until(tmp_path / "load", 1.5)
    runner.stop(tmp_path / "load")
    requests = read_requests(tmp_path / "load")
    assert len(requests) == len(arrivals(made)[0])
    assert not requests.ok.any()


@pytest.mark.slow
def test_users_wait_for_their_answers(http_server, tmp_path):
    file, _ = profile(tmp_path, [(0, 4), (4, 4)], mode=LoadMode.USERS)
    runner.start(file, http_server, tmp_path / "load")
    runner.wait_until(tmp_path / "load", 4.0)
    runner.stop(tmp_path / "load")
    requests = read_requests(tmp_path / "load")
    assert 4 <= len(requests) <= 40  # four users, about one page a second each
    assert requests.ok.all()


def test_a_stopped_load_is_gone_and_its_log_can_be_read(http_server, tmp_path):
    file, _ = profile(tmp_path, [(0, 20), (60, 20)])
    run = runner.start(file, http_server, tmp_path / "load")
    eventually(lambda: len(read_requests(tmp_path / "load")) > 5)
    said = runner.stop(tmp_path / "load")
    assert gone(run.process.pid, 0.1)
    assert said["ended"] is None
    assert len(read_requests(tmp_path / "load")) > 5
    assert (said["requests"], said["failures"]) == (len(read_requests(tmp_path / "load")), 0)
    assert runner.stop(tmp_path / "load")["running"] is False


def test_a_load_dies_with_the_process_that_started_it(http_server, tmp_path):
    file, _ = profile(tmp_path, [(0, 5), (60, 5)])
    program = (
        "import sys, time; from pathlib import Path; from chaosprsa.loadtest import runner;"
        "run = runner.start(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]));"
        "print(run.process.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(file), http_server, str(tmp_path / "load")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        pid = int(starter.stdout.readline())
        assert alive(pid)
        starter.send_signal(signal.SIGKILL)
    assert gone(pid)


def test_a_load_that_is_killed_is_missed(http_server, tmp_path):
    file, _ = profile(tmp_path, [(0, 5), (60, 5)])
    run = runner.start(file, http_server, tmp_path / "load")
    os.kill(run.process.pid, signal.SIGKILL)
    with pytest.raises(Unavailable, match="before its profile did"):
        runner.wait_until(tmp_path / "load", 60.0)
    runner.stop(tmp_path / "load")


def test_waiting_for_a_load_that_was_never_started_says_so(tmp_path):
    with pytest.raises(Unavailable, match="start_load comes first"):
        runner.wait_until(tmp_path, 1.0)


def locust(*arguments, **environment):
    command = [sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtests" / "locustfile.py")]
    return subprocess.run(
        [*command, "--headless", "--only-summary", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"points": [{"time_s": 0.0, "level": -5.0}]}, "level is -5.0, expected 0 or more"),
        ({"mode": "users", "points": [{"time_s": 0.0, "level": -1.0}]}, "level is -1.0, expected 0 or more"),
        ({"points": [{"time_s": 5.0, "level": 1.0}, {"time_s": 5.0, "level": 1.0}]}, "times must rise"),
        ({"schema": "chaosprsa/profile/99"}, "write it again with this version"),
        ({"timeout_s": "soon"}, "timeout_s"),
    ],
)
def test_a_profile_that_cannot_be_played_is_refused_in_one_line(tmp_path, change, says):
    file, _ = profile(tmp_path, [(0, 5), (10, 5)])
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InvalidDocument, match=says):
        runner.start(file, "http://127.0.0.1:9", tmp_path / "load")


def test_locust_itself_refuses_it_without_a_traceback(tmp_path):
    file, _ = profile(tmp_path, [(0, 5), (10, 5)])
    file.write_text(file.read_text().replace('"level": 5.0', '"level": -5.0'))
    done = locust("--host", "http://127.0.0.1:9", CHAOSPRSA_PROFILE=str(file))
    assert done.returncode == 2
    assert "expected 0 or more" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_web_ui_plays_the_profile_too(http_server, tmp_path):
    """As a person would: the page is there, a click on start plays, and the statistics fill."""
    file, _ = profile(tmp_path, [(0, 20), (3, 20)])
    port = free_port()
    command = [sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtests" / "locustfile.py")]
    arguments = ["--web-host", "127.0.0.1", "--web-port", str(port), "--host", http_server]
    environment = {**os.environ, "CHAOSPRSA_PROFILE": str(file)}
    with subprocess.Popen(
        [*command, *arguments], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            base = f"http://127.0.0.1:{port}"
            assert b"Locust" in eventually(lambda: get(base))
            body = b"user_count=1&spawn_rate=1&host=" + http_server.encode()
            assert json.loads(get(f"{base}/swarm", body))["success"]
            requests = eventually(lambda: json.loads(get(f"{base}/stats/requests"))["stats"][-1]["num_requests"])
            assert requests > 0
        finally:
            process.terminate()
            process.wait(10)


def free_port():
    import socket

    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def get(url, body=None):
    with urllib.request.urlopen(url, data=body, timeout=5) as answer:
        return answer.read()


def eventually(ask, within_s=30.0):
    deadline = time.monotonic() + within_s
    while True:
        try:
            found = ask()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)


def test_a_log_that_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(InvalidDocument, match="play the load first"):
        read_requests(tmp_path)
    (tmp_path / "requests.csv").write_text("time_s,endpoint,latency_ms,ok\n1.0,/,abc,1\n")
    with pytest.raises(InvalidDocument, match="damaged line"):
        read_requests(tmp_path)


def test_a_line_that_is_still_being_written_is_left_out(tmp_path):
    (tmp_path / "requests.csv").write_text("time_s,endpoint,latency_ms,ok\n1.0,/,5.0,1\n2.0,/,5.")
    assert len(read_requests(tmp_path)) == 1


@pytest.mark.slow
def test_two_hundred_requests_a_second_are_sent_on_time(http_server, tmp_path):
    """The Python server here is the bottleneck of the two: what counts is that every request left within 50 ms."""
    file, made = profile(tmp_path, [(0, 200), (8, 200)])
    runner.start(file, http_server, tmp_path / "load")
    runner.wait_until(tmp_path / "load", 8.0)
    runner.stop(tmp_path / "load")
    requests = read_requests(tmp_path / "load")
    assert len(requests) == len(arrivals(made)[0])
    assert requests.ok.all()
    assert np.median(requests.latency_ms) < 50
