"""Log lines of a synthetic time: what the services would have written, second by second, the issues' errors among it.

One JSON object a line: time, service, level, message, issue (empty for usual lines), simulated. Where the history has
log templates (log_templates.json in the bundle, rates in metrics log_template_<id>_per_s) lines follow those rates and
texts; a service without them gets access lines at its request rate and error lines at the rate at which it fails.
Where there would be more than `most` lines, each is kept with the same chance.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import EDGE, History
from chaosprsa.history.queries import RATE
from chaosprsa.types import Fault, SimulatedIssue

FloatArray = npt.NDArray[np.float64]
MOST = 20_000
TEMPLATE, SUCCESS, LATENCY = "log_template_", "success_ratio", "latency_p50_ms"
ERRORS: Mapping[Fault, str] = {
    Fault.POD_KILL: "connection to {0} refused: no endpoint is ready",
    Fault.REPLICA_LOSS: "{0}: no connection left in the pool, gave up waiting",
    Fault.CPU_SQUEEZE: "{0} did not answer within its deadline",
    Fault.MEMORY_SQUEEZE: "{0} was killed: out of memory (exit code 137)",
    Fault.DEPENDENCY_SLOW: "{0} did not answer within its deadline",
    Fault.DEPENDENCY_FAILING: "{0} answered 500 Internal Server Error",
    Fault.TRAFFIC_SURGE: "{0}: queue is full, request was shed",
}


def log_lines(
    history: History,
    issues: Sequence[SimulatedIssue],
    rng: np.random.Generator,
    templates: Mapping[str, str] | None = None,
    most: int = MOST,
) -> Iterator[str]:
    """In order of time. templates: id -> text. Same arguments and generator state: same lines."""
    sources = [*_templated(history, templates or {}), *_access(history)]
    grid, step_s = history.grid_ms / 1000, history.step_s
    expected = sum(float(np.nansum(rate)) for _, _, _, rate, _ in sources) * step_s
    kept = min(1.0, most / expected) if expected > 0 else 0.0
    found: list[tuple[float, str, str, str]] = []
    for service, level, message, rate, filled in sources:
        counts = rng.poisson(np.maximum(np.nan_to_num(rate), 0.0) * step_s * kept)
        steps = np.repeat(np.arange(len(grid)), counts)
        times = grid[steps] - step_s * rng.uniform(size=len(steps))
        draws = rng.exponential(size=len(steps))
        told = zip(times.tolist(), steps.tolist(), draws.tolist(), strict=True)
        found += [(at, service, level, message.format(filled[step] * draw)) for at, step, draw in told]
    spans = _spans(issues)
    for at, service, level, message in sorted(found):
        issue = _felt(at, service, spans) if level == "error" else None
        yield _line(at, service, level, _error(issue, message) if issue else message, issue.id if issue else "")


Source = tuple[str, str, str, FloatArray, FloatArray]  # service, level, message, lines a second, what fills the message


def _templated(history: History, templates: Mapping[str, str]) -> Iterator[Source]:
    for metric in history.metric_names:
        number = metric.removeprefix(TEMPLATE).removesuffix("_per_s")
        if not metric.startswith(TEMPLATE) or number not in templates:
            continue
        table = history.table(metric)
        text = templates[number].replace("{", "{{").replace("}", "}}").replace("<*>", "{0:.0f}")
        level = "error" if any(word in text.lower() for word in ("error", "exception", "fail", "refused")) else "info"
        for service in table.columns:
            rate = table[service].to_numpy(dtype=float)
            yield str(service), level, text, rate, np.full(len(rate), 100.0)


def _access(history: History) -> Iterator[Source]:
    """Access and error lines of the services without templates."""
    rates, success, latency = (history.table(name) for name in (RATE, SUCCESS, LATENCY))
    logged = {
        str(name) for metric in history.metric_names if metric.startswith(TEMPLATE) for name in history.table(metric)
    }
    for service in rates.columns:
        if service in logged or EDGE in service:
            continue
        rate = rates[service].to_numpy(dtype=float)
        good = success[service].to_numpy(dtype=float) if service in success else np.ones(len(rate))
        good = np.clip(np.nan_to_num(good, nan=1.0), 0.0, 1.0)
        took = latency[service].to_numpy(dtype=float) if service in latency else np.full(len(rate), 10.0)
        took = np.nan_to_num(took, nan=10.0)
        yield str(service), "info", "GET / 200 {0:.1f} ms", rate * good, took
        yield str(service), "error", "GET / 500 {0:.1f} ms", rate * (1 - good), took


def _spans(issues: Sequence[SimulatedIssue]) -> list[tuple[float, float, SimulatedIssue]]:
    return [(one.start.timestamp(), one.start.timestamp() + one.duration_s, one) for one in issues]


def _felt(at: float, service: str, spans: Sequence[tuple[float, float, SimulatedIssue]]) -> SimulatedIssue | None:
    return next((one for start, end, one in spans if start <= at < end and service in one.components), None)


def _error(issue: SimulatedIssue, message: str) -> str:
    return f"{message}: {ERRORS[issue.fault].format(issue.component)}"


def _line(at: float, service: str, level: str, message: str, issue: str) -> str:
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    told = {"time": time, "service": service, "level": level, "message": message, "issue": issue, "simulated": True}
    return json.dumps(told, ensure_ascii=False) + "\n"
