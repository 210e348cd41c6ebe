"""What grows is warned of: time to exhaustion, counters, drift beside peers and with neighbours, odd series."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.counters import counters_of, increases, is_counter, measured
from chaosprsa.models.drift import Spans, changes, pieces, shared
from chaosprsa.models.evidence import growing
from chaosprsa.models.exhaustion import exhaustion
from chaosprsa.models.growth import ALARM, GrowthModel
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.surprise import Surprise
from chaosprsa.types import Edge, Topology

START = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = tuple(f"node-{i}" for i in range(8))
PAIRS = Topology(
    services=NAMES,
    edges=tuple(Edge(caller=NAMES[i], callee=NAMES[i + 1]) for i in range(0, 8, 2)),
    entry=NAMES[0],
)


def history_of(values: dict[tuple[str, str], np.ndarray], start: datetime = START) -> History:
    parts = [
        pd.DataFrame(
            {
                "timestamp": pd.date_range(start, periods=len(column), freq="min").as_unit("ms"),
                "component": name,
                "metric": metric,
                "value": column,
            }
        )
        for (name, metric), column in sorted(values.items())
    ]
    return History(metrics=pd.concat(parts, ignore_index=True), topology=PAIRS)


def calm(minutes: int, seed: int) -> dict[tuple[str, str], np.ndarray]:
    """Eight nodes that do nothing special: memory, its limit, CPU, and a counter of packets."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in NAMES:
        found[name, "memory_bytes"] = 4e8 * rng.normal(1, 0.01, minutes)
        found[name, "memory_limit_bytes"] = np.full(minutes, 8e8)
        found[name, "cpu_usage_cores"] = rng.normal(0.5, 0.03, minutes)
        found[name, "network_in_packets_total"] = np.cumsum(rng.poisson(1000, minutes)).astype(float)
    return found


@pytest.fixture(scope="module")
def model() -> GrowthModel:
    return GrowthModel().fit(history_of(calm(1200, seed=1)))


def leaking(seed: int = 2) -> History:
    """node-2 leaks 4 MB a minute for the last 50 of 200 minutes; its limit is 200 MB further: 50 minutes to go."""
    values = calm(200, seed)
    values["node-2", "memory_bytes"][150:] += 4e6 * np.arange(1, 51)
    return history_of(values, START + timedelta(days=3))


def test_a_leak_is_seen_first_where_it_is_and_said_with_the_time_to_its_limit(model):
    track = model.track(leaking())
    assert track.components[int(np.argmax(track.strength[:, -1]))] == "node-2"
    assert track.strength[:, -1].max() >= ALARM
    found = {each.component: each for each in growing(model, leaking(), timedelta(minutes=30))}
    assert found["node-2"].probability > 0.4
    assert found["node-2"].lead_time_s == pytest.approx(50 * 60, rel=0.15)
    assert "memory_bytes of node-2 has grown for" in found["node-2"].evidence[0]
    assert "reaches its limit" in found["node-2"].evidence[1]


def test_nothing_is_warned_of_in_more_than_one_of_twenty_normal_minutes(model):
    track = model.track(history_of(calm(600, seed=3), START + timedelta(days=5)))
    judged = np.isfinite(track.strength).all(axis=0)
    assert np.mean((track.strength[:, judged] >= ALARM).any(axis=0)) <= 0.05


def test_no_strength_depends_on_what_comes_later(model):
    whole = leaking()
    early = replace(whole, metrics=whole.metrics[(whole.metrics["timestamp"] < whole.grid[170]).to_numpy()])
    assert model.track(early).strength == pytest.approx(model.track(whole).strength[:, :170], nan_ok=True, abs=1e-6)


def test_a_rise_of_all_nodes_at_once_is_load_and_no_fault(model):
    values = calm(200, seed=4)
    for name in NAMES:
        values[name, "cpu_usage_cores"][120:] += 0.4
    track = model.track(history_of(values, START + timedelta(days=6)))
    assert np.nanmax(track.strength[:, 120:]) < ALARM


def test_a_slower_counter_is_seen_through_its_increase(model):
    assert model.counters == ("network_in_packets_total",)
    rng = np.random.default_rng(5)
    values = calm(200, seed=5)
    for name in ("node-4", "node-5"):
        slower = np.r_[rng.poisson(1000, 150), rng.poisson(1000 * np.linspace(1, 0.3, 50))]
        values[name, "network_in_packets_total"] = np.cumsum(slower).astype(float)
    track = model.track(history_of(values, START + timedelta(days=7)))
    assert {track.components[i] for i in np.argsort(-track.strength[:, -1])[:2]} == {"node-4", "node-5"}
    assert track.together[4, -1]
    assert model.metrics[track.metric[4, -1]] == "network_in_packets_total"


def test_where_nothing_is_learned_from_incidents_growth_alone_is_told(model):
    history = history_of(calm(1200, seed=1))
    precursors = PrecursorModel(seed=1).fit(history, normals_of(history))
    assert precursors.quality is None
    assert "at least 15 incidents" in precursors.refusal
    first = precursors.predict(leaking())[0]
    assert first.component == "node-2"
    assert first.lead_time_s == pytest.approx(3000, rel=0.15)
    assert precursors.predict(history_of(calm(3, seed=1))) == ()
    again = PrecursorModel.from_json(precursors.as_json(), None)
    assert again.predict(leaking()) == precursors.predict(leaking())


@pytest.mark.parametrize("noise", [0.0, 2e6])
def test_a_linear_leak_s_time_to_exhaustion_is_within_a_tenth(noise):
    rng = np.random.default_rng(0)
    times = np.arange(40) * 60.0
    uses = 1e8 + 5e4 * times + rng.normal(0, noise, 40)
    found = exhaustion(times, uses, limit=1e8 + 5e4 * (times[-1] + 1500))
    assert found is not None
    assert found.seconds == pytest.approx(1500, rel=0.1)
    assert found.within(3000) > 0.99
    assert found.within(750) < 0.01


@pytest.mark.parametrize(
    "uses", [np.full(40, 5.0), np.full(40, np.nan), np.array([1.0, 2.0]), 100 - np.arange(40.0), np.arange(40.0) + 1e3]
)
def test_what_does_not_grow_or_is_full_is_never_exhausted(uses):
    assert exhaustion(np.arange(len(uses)) * 60.0, uses, limit=200.0) is None


def test_counters_are_told_by_how_they_move_and_resets_are_unknown():
    rng = np.random.default_rng(0)
    counted = np.cumsum(rng.poisson(5, 300)).astype(float)
    counted[150:] -= counted[150]  # the process started again
    history = history_of(
        {
            ("a", "requests_total"): counted,
            ("a", "jobs"): counted,
            ("a", "leak_bytes"): np.arange(300.0),
            ("a", "users"): rng.normal(10, 1, 300),
        }
    )
    assert counters_of(history) == ("jobs", "requests_total")
    steps = measured(history, "requests_total", ("requests_total",))["a"].to_numpy()
    assert np.flatnonzero(np.isnan(steps)).tolist() == [0, 150]
    assert np.nanmean(steps) == pytest.approx(5, rel=0.1)
    assert not is_counter(np.r_[np.arange(50.0), np.arange(50.0)[::-1]])


@given(arrays(float, st.tuples(st.integers(0, 40), st.integers(1, 3)), elements=st.floats(-1e9, 1e9) | st.just(np.nan)))
@settings(max_examples=40, deadline=None)
def test_changes_and_increases_take_any_series(values):
    spans = Spans.of(60.0)
    at = np.arange(len(values))
    assert changes(values, spans, at).shape == (4, values.shape[1], len(at))
    assert not (increases(values) < 0).any()


def test_a_change_is_the_mean_now_less_the_mean_a_span_ago_and_peers_take_the_common_off():
    ramp = np.arange(100.0)[:, None]
    spans = Spans.of(60.0)
    assert changes(ramp, spans, np.array([99]))[:, 0, 0] == pytest.approx(spans.lags)
    six = np.repeat(ramp, 6, axis=1)
    six[:, 5] *= 3
    assert changes(six, spans, np.array([99]))[0, :, 0] == pytest.approx([0, 0, 0, 0, 0, 2 * spans.lags[0]])


def test_a_neighbour_that_moves_the_other_way_is_no_witness():
    scores = np.array([[3.0], [2.0], [-4.0]])
    neighbours = np.array([[1, 2], [0, -1], [0, -1]])
    assert shared(scores, neighbours)[:, 0].tolist() == [2.0, 2.0, 0.0]


def test_a_long_silence_makes_two_recordings():
    present = np.zeros(30, dtype=bool)
    present[2:10] = present[12:14] = present[25:] = True
    assert pieces(present, 5) == ((2, 14), (25, 30))


def test_rare_strengths_are_surprising_and_usual_ones_leave_the_prior():
    strengths = np.random.default_rng(0).exponential(1.0, 100_000)
    surprise = Surprise.fit(strengths)
    assert surprise.rarity(np.array([3.0, 9.0])) == pytest.approx(np.exp([-3.0, -9.0]), rel=0.3)
    told = surprise.posterior(np.array([0.1, 2.0, 20.0]), 0.01)
    assert told[0] == pytest.approx(0.01)
    assert (np.diff(told) > 0).all()
    assert told[2] > 0.99


def test_a_history_with_no_quiet_time_or_of_two_points_is_too_short():
    with pytest.raises(NotEnoughHistory, match=r"samples in a row without incidents, there are \d"):
        GrowthModel().fit(history_of({("a", "x"): np.array([1.0, 2.0])}))


@pytest.mark.parametrize("column", [np.full(400, 7.0), np.r_[np.full(399, 7.0), 1e18], -np.arange(400.0)])
def test_constant_huge_and_negative_series_are_taken_and_warn_of_nothing_false(column):
    model = GrowthModel().fit(history_of({("a", "x"): column, ("b", "x"): np.full(400, 7.0)}))
    track = model.track(history_of({("a", "x"): np.full(100, 7.0), ("b", "x"): np.full(100, 7.0)}))
    assert not (track.strength >= ALARM).any()
