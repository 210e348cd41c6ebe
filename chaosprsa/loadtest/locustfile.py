"""Plays a load profile: `locust -f locustfile.py --load-profile FILE --host URL`, headless or in the web UI.

CHAOSPRSA_PROFILE (or --load-profile) names the profile, a sample otherwise; CHAOSPRSA_LOAD_FOLDER (or --load-folder) is
where the log goes, none otherwise. Mode rate: requests arrive on their own at times drawn from the profile's seed, each
is timed from its intended arrival, and a slow answer never holds the next request back (no coordinated omission: Tene
2013). Mode users: a LoadTestShape follows the profile; each user waits for its answer and then, on average, a second.
"""

# mypy: disable-error-code="import-untyped, no-untyped-call, untyped-decorator, misc, override"
# gevent has no stubs here, and Locust's own types say less than its documentation.

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gevent
import numpy as np
from gevent.pool import Pool
from locust import FastHttpUser, LoadTestShape, events, task
from locust.exception import StopUser

from chaosprsa.documents import read_document
from chaosprsa.errors import BadInput
from chaosprsa.loadtest.log import LoadLog
from chaosprsa.loadtest.schedule import arrivals, level_at
from chaosprsa.types import EndpointShare, LoadMode, LoadProfile

SAMPLE = Path(__file__).with_name("sample.profile.json")
MAX_IN_FLIGHT = 8192  # open requests at once: 500 a second that all wait 10 s, with room
THINK_S = 1.0
USERS_AT_ONCE = 100  # spawned a second: a step in the profile is followed within a tick of Locust's shape
GRACE_S = 10.0  # a load that should have ended this long ago is ended


class Play:
    """The one load of this process: its profile, its clock, its log."""

    profile: LoadProfile
    folder: Path | None = None
    log: LoadLog | None = None
    began: float = 0.0
    in_flight: int = 0
    finished: bool = False

    def now_s(self) -> float:
        """Seconds since the load began."""
        return time.perf_counter() - self.began

    def begin(self) -> None:
        """A new run: the clock at zero, empty logs."""
        self.began, self.in_flight, self.finished = time.perf_counter(), 0, False
        self.log = LoadLog(self.folder, self.profile) if self.folder else None
        gevent.spawn(self._tick, self.log)

    def _tick(self, log: LoadLog | None) -> None:
        """Close each second while this run's log is open."""
        second = 0
        while log and log is self.log:
            second += 1
            gevent.sleep(max(second - self.now_s(), 0.0))
            if log is self.log:
                log.second(second - 1, self.in_flight)

    def end(self) -> None:
        """Write what is left; once."""
        log, self.log = self.log, None
        if log:
            log.second(int(self.now_s()), self.in_flight)
            log.close(finished=self.finished)

    @property
    def overdue(self) -> bool:
        """Long after its end: whatever still runs, it isn't the load."""
        return self.now_s() > self.profile.duration_s + self.profile.timeout_s + GRACE_S


PLAY = Play()


class Visitor(FastHttpUser):
    """Sends requests and times them from when they were meant to be sent."""

    abstract = True
    concurrency = MAX_IN_FLIGHT

    def on_start(self) -> None:
        self.client.client.redirect_response_codes = frozenset()  # a redirect is an answer, not two requests

    def ask(self, part: EndpointShare, arrival_s: float) -> None:
        """One request; it fails on an error, on a status that isn't good, and when slower than the profile allows."""
        PLAY.in_flight += 1
        ok = False
        try:
            with self.client.request(part.method, part.path, catch_response=True) as answer:
                latency_ms = (PLAY.now_s() - arrival_s) * 1000
                answer.request_meta["response_time"] = latency_ms
                if latency_ms > PLAY.profile.timeout_s * 1000:
                    answer.failure(f"slower than {PLAY.profile.timeout_s:g} s")
            ok = answer.request_meta["exception"] is None
        except UnicodeError:  # geventhttpclient decodes an error's body for its message
            latency_ms = (PLAY.now_s() - arrival_s) * 1000
        finally:
            PLAY.in_flight -= 1
        if PLAY.log:
            PLAY.log.add(arrival_s, part.path, latency_ms, ok)


class Arrivals(Visitor):
    """Mode rate: one user that only keeps the clock; every request runs on its own."""

    def on_start(self) -> None:
        super().on_start()
        self.client.client.cookiejar = None  # arrivals are strangers to each other
        self.open = Pool()

    def on_stop(self) -> None:
        self.open.kill(block=False)

    @task
    def play(self) -> None:
        """Send the whole schedule, wait for the last answers, and be done."""
        times, parts = arrivals(PLAY.profile)
        PLAY.begin()
        for arrival_s, part in zip(times.tolist(), parts.tolist(), strict=True):
            gevent.sleep(max(arrival_s - PLAY.now_s(), 0.0))
            self.open.spawn(self.ask, PLAY.profile.mix[part], arrival_s)
        gevent.sleep(max(PLAY.profile.duration_s - PLAY.now_s(), 0.0))
        self.open.join(timeout=PLAY.profile.timeout_s + 1)
        PLAY.finished = True
        PLAY.end()
        raise StopUser


class Users(Visitor):
    """Mode users: asks, waits for the answer, thinks."""

    numbers = iter(range(sys.maxsize))

    def on_start(self) -> None:
        super().on_start()
        self.rng = np.random.default_rng((PLAY.profile.seed, next(self.numbers)))
        weights = np.array([part.weight for part in PLAY.profile.mix])
        self.shares = weights / weights.sum()

    def wait_time(self) -> float:
        return float(self.rng.exponential(THINK_S))

    @task
    def visit(self) -> None:
        """One page."""
        self.ask(PLAY.profile.mix[self.rng.choice(len(self.shares), p=self.shares)], PLAY.now_s())


class ProfileShape(LoadTestShape):
    """Follows the profile, whichever its mode."""

    def tick(self) -> tuple[int, float, list[type[FastHttpUser]]] | None:
        if PLAY.profile.mode is LoadMode.RATE:
            return None if PLAY.finished or self._lost() else (1, 1.0, [Arrivals])
        if self.get_run_time() >= PLAY.profile.duration_s:
            PLAY.finished = True
            return None
        return round(level_at(PLAY.profile.points, self.get_run_time())), float(USERS_AT_ONCE), [Users]

    def _lost(self) -> bool:
        return PLAY.began > 0 and PLAY.overdue


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    parser.add_argument(
        "--load-profile",
        env_var="CHAOSPRSA_PROFILE",
        default=str(SAMPLE),
        include_in_web_ui=False,
        help="The load profile to play (JSON, schema chaosprsa/profile/1). Default: a sample of one minute.",
    )
    parser.add_argument(
        "--load-folder",
        env_var="CHAOSPRSA_LOAD_FOLDER",
        default="",
        include_in_web_ui=False,
        help="Where requests.csv, seconds.csv and load.json are written. Default: nowhere.",
    )


@events.init.add_listener
def _prepare(environment: Any, **_: Any) -> None:
    """Read the profile; one that can't be played ends Locust with one message."""
    options = environment.parsed_options
    try:
        PLAY.profile = read_document(Path(options.load_profile), LoadProfile)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    PLAY.folder = Path(options.load_folder) if options.load_folder else None
    Visitor.network_timeout = Visitor.connection_timeout = PLAY.profile.timeout_s
    gevent.spawn(_watch_parent, environment)
    gevent.signal_handler(signal.SIGTERM, _leave, environment)  # Locust sets its own only after a headless shape's end


def _leave(environment: Any) -> None:
    """End in order: the log is closed, the statistics are written."""
    PLAY.end()
    environment.runner.quit()


def _watch_parent(environment: Any) -> None:
    """End with the process that started this load, however that one ended."""
    parent = int(os.environ.get("CHAOSPRSA_LOAD_PARENT", "0"))
    while parent and os.getppid() == parent:
        gevent.sleep(1)
    if parent:
        sys.stderr.write("the process that started this load is gone: the load ends\n")
        _leave(environment)


@events.test_start.add_listener
def _start(**_: Any) -> None:
    PLAY.finished, PLAY.began = False, 0.0
    if PLAY.profile.mode is LoadMode.USERS:
        PLAY.begin()


@events.test_stop.add_listener
@events.quitting.add_listener
def _stop(**_: Any) -> None:
    PLAY.end()
