"""A twin from production's own metrics: what went into them comes out."""

import numpy as np
import pandas as pd
import pytest

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.twin.past import MIB, USUAL_START_S, allocation_of_past, twin_of_past
from chaosprsa.types import Edge, Topology

TOPOLOGY = Topology(
    services=("web", "cart"), edges=(Edge(caller="web", callee="cart", calls_per_request=1.0),), entry="web"
)
LOAD = 50 + 20 * np.sin(np.arange(1440) / 100)
SEEN = {
    ("web", "request_rate_per_s"): LOAD,
    ("cart", "request_rate_per_s"): 0.4 * LOAD,
    ("web", "cpu_usage_cores"): 0.01 * LOAD,
    ("cart", "cpu_usage_cores"): 0.4 * 0.03 * LOAD,
    ("web", "replicas"): np.full(1440, 4.0),
    ("cart", "replicas"): np.full(1440, 2.0),
    ("web", "cpu_limit_cores"): np.full(1440, 2.0),
    ("cart", "cpu_limit_cores"): np.full(1440, 4.0),
    ("web", "memory_limit_bytes"): np.full(1440, 4 * 256 * MIB),
    ("cart", "memory_limit_bytes"): np.full(1440, 2 * 512 * MIB),
    ("web", "success_ratio"): np.full(1440, 0.98),
}


def past(seen) -> History:
    times = pd.date_range("2026-03-02", periods=1440, freq="min", tz="UTC").as_unit("ms")
    parts = [
        pd.DataFrame({"timestamp": times, "component": name, "metric": metric, "value": values})
        for (name, metric), values in sorted(seen.items())
    ]
    return History(metrics=pd.concat(parts, ignore_index=True))


def without(metric):
    return {key: values for key, values in SEEN.items() if key[1] != metric}


def test_pods_and_limits_are_those_of_the_last_hour():
    found = allocation_of_past(past(SEEN), TOPOLOGY)
    told = [(o.replicas, o.resources.cpu_limit_millicores, o.resources.memory_limit_mib) for o in found.services]
    assert told == [(4, 500, 256), (2, 2000, 512)]


@pytest.mark.parametrize("metric", ["replicas", "cpu_limit_cores", "memory_limit_bytes"])
def test_without_one_of_them_there_is_no_allocation(metric):
    assert allocation_of_past(past(without(metric)), TOPOLOGY) is None


def test_demand_and_calls_are_those_that_made_the_metrics():
    history = past(SEEN)
    twin = twin_of_past(history, TOPOLOGY, allocation_of_past(history, TOPOLOGY))
    assert twin.nominal.demand_s == pytest.approx([0.01, 0.03], rel=0.01)
    assert twin.graph.visits == pytest.approx([1.0, 0.4], rel=0.01)
    assert twin.nominal.error_share == pytest.approx([0.02, 0.0], abs=1e-6)
    assert twin.nominal.start_delay_s.tolist() == [USUAL_START_S] * 2
    assert not twin.fit.trusted


def test_calls_counted_at_the_caller_tell_what_the_callee_does_not_count():
    seen = without("request_rate_per_s") | {
        ("web", "request_rate_per_s"): LOAD,
        ("web->cart", "request_rate_per_s"): 0.3 * LOAD,
    }
    twin = twin_of_past(past(seen), TOPOLOGY, allocation_of_past(past(SEEN), TOPOLOGY))
    assert twin.graph.visits == pytest.approx([1.0, 0.3], rel=0.01)
    assert twin.spread.visits[1] < 0.05
    assert not any("not counted" in note for note in twin.notes)


def test_what_pods_use_without_requests_is_told_apart():
    idle = {("web", "cpu_usage_cores"): 4 * 0.02 + 0.01 * LOAD}
    twin = twin_of_past(past(SEEN | idle), TOPOLOGY, allocation_of_past(past(SEEN), TOPOLOGY))
    assert twin.nominal.demand_s[0] == pytest.approx(0.01, rel=0.02)
    assert twin.idle_cores[0] == pytest.approx(0.02, rel=0.1)


def test_a_wait_is_what_latency_leaves_after_cpu():
    """web takes 100 ms however quiet: exponential, as its median and p99 say; 10 ms of a half core are 20 of them."""
    latency = {("web", "latency_p50_ms"): np.full(1440, 69.3), ("web", "latency_p99_ms"): np.full(1440, 460.5)}
    quiet = {
        key: values * (0.05 if key[1] in {"request_rate_per_s", "cpu_usage_cores"} else 1)
        for key, values in SEEN.items()
    }
    history = past(quiet | latency)
    twin = twin_of_past(history, TOPOLOGY, allocation_of_past(history, TOPOLOGY))
    assert twin.nominal.wait_s[0] == pytest.approx(0.08, rel=0.1)


def test_without_cpu_nobody_can_tell_what_a_request_costs():
    present = allocation_of_past(past(SEEN), TOPOLOGY)
    with pytest.raises(NotEnoughHistory, match="cpu_usage_cores"):
        twin_of_past(past(without("cpu_usage_cores")), TOPOLOGY, present)
