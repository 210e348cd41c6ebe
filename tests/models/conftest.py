"""Histories made on purpose: with incidents that announce themselves, and with incidents that don't."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.types import Edge, Incident, Topology

START = datetime(2026, 1, 5, tzinfo=UTC)
SERVICES = ("cart", "gateway", "payment")
TOPOLOGY = Topology(
    services=SERVICES,
    edges=(Edge(caller="gateway", callee="cart"), Edge(caller="cart", callee="payment")),
    entry="gateway",
)


def made_history(days: float = 4, incidents: int = 45, ramp: float = 8.0, seed: int = 1) -> History:
    """Three services by the minute; in the 25 minutes before an incident its memory grows by `ramp` spreads."""
    rng = np.random.default_rng(seed)
    steps = round(days * 1440)
    times = pd.date_range(START, periods=steps, freq="min").as_unit("ms")
    daily = 1 + 0.4 * np.sin(2 * np.pi * np.arange(steps) / 1440)
    values = {
        (name, metric): level * (daily if metric == "request_rate_per_s" else 1) * rng.normal(1, 0.05, steps)
        for name in SERVICES
        for metric, level in (("request_rate_per_s", 30.0), ("memory_bytes", 2e8), ("latency_p99_ms", 120.0))
    }
    happened = []
    for at in rng.choice(np.arange(60, steps - 60, 75), incidents, replace=False):
        name = str(rng.choice(SERVICES))
        at += int(rng.integers(0, 20))  # noqa: PLW2901  # off the grid
        values[name, "memory_bytes"][at - 25 : at] += np.linspace(0, ramp, 25) * 1e7
        values[name, "latency_p99_ms"][at : at + 6] *= 5
        start = START + timedelta(minutes=int(at))
        happened.append(Incident(start=start, end=start + timedelta(minutes=6), component=name, kind="memory-leak"))
    parts = [
        pd.DataFrame({"timestamp": times, "component": name, "metric": metric, "value": column})
        for (name, metric), column in values.items()
    ]
    metrics, _ = clean(pd.concat(parts, ignore_index=True), START + timedelta(days=365), "made")
    return History(metrics=metrics, incidents=tuple(sorted(happened, key=lambda each: each.start)), topology=TOPOLOGY)


@pytest.fixture(scope="session")
def announced() -> History:
    return made_history()


@pytest.fixture(scope="session")
def abrupt() -> History:
    return made_history(ramp=0.0)
