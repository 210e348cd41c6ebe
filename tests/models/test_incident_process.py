import itertools
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto, kstest

from chaosprsa.history.incidents import read_incidents
from chaosprsa.models.durations import Durations
from chaosprsa.models.incident_clock import WeekClock, multiples
from chaosprsa.models.incident_load import LoadPull
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.models.selfexciting import Belief, SelfExciting, decayed
from chaosprsa.types import Edge, Incident, Severity, Topology, Window

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
NONE = np.empty(0)
TRUE = SelfExciting(base=0.5, memories_days=(1 / 24, 4.0), branching=(0.2, 0.3), usual=1.0)


def window(first: float, last: float) -> Window:
    return Window(start=START + timedelta(days=first), end=START + timedelta(days=last))


def incident(day: float, *components: str, kind: str = "oom", minutes: float | None = 10, **more) -> Incident:
    start = START + timedelta(days=day)
    end = None if minutes is None else start + timedelta(minutes=minutes)
    first, *others = components or ("",)
    return Incident(start=start, end=end, component=first, kind=kind, others=tuple(others), **more)


def test_the_branching_of_a_simulated_process_is_recovered():
    times = TRUE.simulate(0, 6000, NONE, 0.0, np.random.default_rng(1))[0]
    found = SelfExciting.fit(times, 6000.0, memories={1 / 24: Belief(0.05), 4.0: Belief(0.05)})
    assert found.branching == pytest.approx(TRUE.branching, abs=0.06)
    assert found.base == pytest.approx(TRUE.base, rel=0.1)


def test_a_poisson_process_is_found_to_raise_next_to_nothing():
    times = np.sort(np.random.default_rng(2).uniform(0, 4000, 4000))
    assert SelfExciting.fit(times, 4000.0, memories={1 / 24: Belief(0.1), 4.0: Belief(0.2)}).total_branching < 0.06


def test_a_level_that_rose_for_months_is_believed_to_go_on_rather_than_to_fall_back():
    rng = np.random.default_rng(15)
    times = np.sort(np.concatenate([rng.uniform(0, 600, 180), rng.uniform(600, 800, 160)]))  # .3, then .8 a day
    found = SelfExciting.fit(times, 800.0)
    ahead = [len(found.simulate(800.0, 890.0, times, 0.0, rng)[0]) / 90 for _ in range(300)]
    assert 0.6 < np.mean(ahead) < 0.85
    # A known rate of .8 leaves .8 +- 1.64 sqrt(.8 / 90), .64 to .95: the level's own doubt adds to it.
    assert np.quantile(ahead, 0.05) < 0.6
    assert np.quantile(ahead, 0.95) > 0.95


def test_events_come_at_the_stationary_rate_in_the_long_run():
    times = TRUE.simulate(0, 20_000, NONE, 0.0, np.random.default_rng(3))[0]
    assert TRUE.stationary == pytest.approx(0.5 / (1 - 0.5))
    # A count's variance is stationary / (1 - n)^2 a day (Hawkes 1971): one standard deviation is 1.4 %.
    assert len(times) / 20_000 == pytest.approx(TRUE.stationary, rel=0.05)


def test_the_likelihood_is_that_of_a_plain_double_loop():
    past, times = np.array([-3.0, -0.5]), np.array([0.1, 0.15, 2.0, 2.0, 7.5])
    start, end, since = 0.0, 9.0, -4.0

    def rate(at: float) -> float:
        total = TRUE.base
        for memory, ratio in zip(TRUE.memories_days, TRUE.branching, strict=True):
            total += ratio * TRUE.usual * np.exp(-(at - since) / memory)
            for before in (*past, *times):
                if before < at:
                    total += ratio * np.exp(-(at - before) / memory) / memory
        return total

    cuts = np.unique([start, end, *times])
    fine = [np.geomspace(1e-9, two - one, 4001) + one for one, two in itertools.pairwise(cuts)]
    integral = sum(np.trapezoid([rate(at) for at in grid], grid) for grid in fine)
    expected = sum(np.log(rate(at)) for at in times) - integral
    assert TRUE.log_likelihood(times, start, end, past, since) == pytest.approx(expected, abs=1e-4)


def test_excitation_is_the_sum_over_all_earlier_events():
    rng = np.random.default_rng(4)
    past = np.sort(np.round(rng.uniform(0, 10, 300), 1))  # with ties
    at = np.concatenate([rng.uniform(-1, 12, 50), past[:50]])
    plain = [[np.sum(np.exp(-(t - past[past < t]) / m)) / m for t in at] for m in (0.01, 2.0)]
    assert decayed(at, past, (0.01, 2.0)) == pytest.approx(np.array(plain), rel=1e-9, abs=1e-12)


def test_on_its_own_clock_a_simulated_process_is_even_and_on_the_wall_it_is_not():
    times = TRUE.simulate(0, 1500, NONE, 0.0, np.random.default_rng(5))[0]
    waits = TRUE.waits(np.concatenate([[0.0], times]), times, 0.0)
    assert kstest(-np.expm1(-waits), "uniform").pvalue > 0.05
    assert kstest(-np.expm1(-np.diff(times) * len(times) / 1500), "uniform").pvalue < 1e-6
    assert waits.sum() == pytest.approx(TRUE.expected(0.0, float(times[-1]), times, 0.0))


def test_every_child_comes_after_its_parent_and_short_memories_raise_sooner():
    past = np.array([-1.0, -0.01])
    times, parents, memories = TRUE.simulate(0, 3000, past, -5.0, np.random.default_rng(6))
    assert np.all(np.diff(times) >= 0)
    raised = parents >= 0
    delays = times[raised] - times[parents[raised]]
    assert np.all(delays >= 0)
    assert np.mean(delays[memories[raised] == 0]) == pytest.approx(1 / 24, rel=0.2)
    assert np.mean(delays[memories[raised] == 1]) == pytest.approx(4.0, rel=0.2)
    assert np.mean(raised) == pytest.approx(TRUE.total_branching, abs=0.05)
    assert set(parents[~raised]) <= {-1, -2, -3}


def test_a_week_by_the_clock_is_a_week_and_its_inverse_leads_back():
    clock = WeekClock.of(np.linspace(0.2, 1.8, 24), (1.5, 1.5, 1.4, 1.1, 0.9, 0.3, 0.3))
    at = START.timestamp() + np.random.default_rng(7).uniform(0, 9e7, 200)
    assert clock.times_s(clock.days(at)) == pytest.approx(at, abs=1e-4)
    assert clock.days(at + 7 * 86_400) - clock.days(at) == pytest.approx(np.full(200, 7.0))
    slope = (clock.days(at + 1) - clock.days(at)) * 86_400
    assert np.median(np.abs(slope - clock.speed(at))) < 1e-3


def test_hours_are_smoothed_where_neighbours_tell_and_left_sharp_where_not():
    rng = np.random.default_rng(8)
    year = window(0, 364)
    broad = [START + timedelta(days=int(day), hours=float(np.clip(rng.normal(13, 3), 0, 23.9))) for day in range(60)]
    hours = multiples(broad, year)[0]
    assert max(np.abs(np.diff(hours))) < 0.8  # bare counts of 60 jump by more
    nightly = [START + timedelta(days=day, hours=3.2) for day in range(60)]
    assert multiples(nightly, year)[0][3] > 12


def test_an_incident_makes_one_on_the_same_component_likelier_for_a_while():
    seen = [incident(4.93 * i + d, ("a", "b")[i % 2]) for i in range(20) for d in (0, 0.02, 0.05)]
    model = IncidentModel().fit(seen, window(0, 100), ["a", "b"])
    now = incident(100, "a")
    at = [START + timedelta(days=100, minutes=minutes) for minutes in (-1, 1, 60 * 24 * 9)]
    on_a, on_b = (model.intensity_per_day(name, at, [*seen, now]) for name in ("a", "b"))
    assert on_a[1] > 3 * on_a[0]
    assert on_a[2] < on_a[1] / 3
    assert on_a[1] > 2 * on_b[1] > 0


def test_incidents_go_along_call_edges_where_the_past_shows_it():
    calls = Topology(services=("web", "cart", "db"), edges=(Edge(caller="web", callee="cart"),), entry="web")
    seen = [each for i in range(40) for each in (incident(4.93 * i, "cart"), incident(4.93 * i + 0.01, "web"))]
    model = IncidentModel().fit(seen, window(0, 200), calls.services, calls)
    just = [incident(200, "cart")]
    soon = [START + timedelta(days=200.01)]
    with_calls = model.intensity_per_day("web", soon, [*seen, *just])[0]
    assert with_calls > 5 * model.intensity_per_day("db", soon, [*seen, *just])[0]
    alone = IncidentModel().fit(seen, window(0, 200), calls.services)
    assert with_calls > alone.intensity_per_day("web", soon, [*seen, *just])[0]
    assert model.naming.along[0] > 0.3


def test_what_the_components_have_adds_up_to_the_whole_with_and_without_call_edges():
    calls = Topology(services=("web", "cart", "db"), edges=(Edge(caller="web", callee="cart"),), entry="web")
    seen = [incident(1.37 * i, ("web", "cart", "db", "")[i % 4]) for i in range(120)]
    at = [START + timedelta(days=165 + hours / 24) for hours in (0, 1, 30, 400)]
    for topology in (None, calls):
        model = IncidentModel().fit(seen, window(0, 165), calls.services, topology)
        names = (*calls.services, "")
        parts = sum(model.intensity_per_day(name, at, seen) for name in names)
        assert parts == pytest.approx(model.intensity_per_day(None, at, seen))


def test_a_probability_is_the_share_of_simulated_streams_that_have_one():
    seen = [incident(2.3 * i, ("a", "b", "a")[i % 3], *(("b",) if i % 3 == 2 else ())) for i in range(80)]
    model = IncidentModel().fit(seen, window(0, 184), ["a", "b", "c"])
    ahead, rng, count = window(184, 185), np.random.default_rng(15), 3000
    streams = [model.simulate(ahead, seen[-40:], rng) for _ in range(count)]
    for name, told in model.probability(ahead, seen[-40:]).items():
        share = np.mean([any(name in (each.components or ("",)) for each in stream) for stream in streams])
        assert share == pytest.approx(told, abs=4 * np.sqrt(told * (1 - told) / count) + 1e-3)
    told = model.probability_of_any(ahead, seen[-40:])
    assert np.mean([bool(stream) for stream in streams]) == pytest.approx(told, abs=4 * np.sqrt(told / count))


def test_a_probability_over_a_short_time_is_that_of_the_intensity():
    seen = [incident(2.3 * i, ("a", "b", "a")[i % 3], *(("b",) if i % 3 == 2 else ())) for i in range(80)]
    model = IncidentModel().fit(seen, window(0, 184), ["a", "b", "c"])
    ahead = window(184, 184 + 1 / 144)
    grid = ahead.start.timestamp() + np.arange(600) + 0.5
    for name, found in (*model.probability(ahead, seen).items(), (None, model.probability_of_any(ahead, seen))):
        total = model.intensity_per_day(name, grid, seen).mean() / 144
        assert found == pytest.approx(-np.expm1(-total), rel=0.01)


def test_an_incident_of_several_components_is_one_event_that_names_each():
    seen = [incident(3 * i, "a", "b") for i in range(60)]
    model = IncidentModel().fit(seen, window(0, 180), ["a", "b"])
    stream = model.simulate(window(180, 1000), seen, np.random.default_rng(9))
    both = np.mean([each.components == ("a", "b") for each in stream])
    assert both > 0.9
    found = model.probability(window(180, 181), seen)
    assert found["a"] == pytest.approx(found["b"], rel=0.05)
    assert found["a"] == pytest.approx(model.probability_of_any(window(180, 181), seen), rel=0.1)


def test_a_stream_has_the_marks_of_what_was_seen():
    lengths = np.random.default_rng(10).lognormal(3, 1, 400).round()
    seen = [
        incident(0.9 * i, ("a", "b")[i % 4 == 0], minutes=float(lengths[i]), kind=("oom", "slow")[i % 2])
        for i in range(400)
    ]
    model = IncidentModel().fit(seen, window(0, 360), ["a", "b"])
    stream, parents = model.stream(window(360, 2360), seen, np.random.default_rng(11))
    assert len(stream) == pytest.approx(2000 / 0.9, rel=0.15)
    assert np.mean([each.component == "a" for each in stream]) == pytest.approx(0.75, abs=0.06)
    assert {each.kind for each in stream} == {"oom", "slow"}
    ends = np.array([(each.end - each.start).total_seconds() for each in stream])
    assert np.all(ends % 60 == 0)
    assert np.median(ends) == pytest.approx(60 * np.median(lengths), rel=0.1)
    assert all(parent < number for number, parent in enumerate(parents))


def test_the_tail_of_durations_is_paretos():
    rng = np.random.default_rng(12)
    heavy = genpareto(0.5, scale=600)
    model = Durations.fit(["x"] * 4000, heavy.rvs(4000, random_state=rng))
    for level in (0.5, 0.95, 0.99, 0.999):
        assert model.quantiles("x", [level])[0] == pytest.approx(heavy.ppf(level), rel=0.3)


def test_durations_of_seconds_or_minutes_keep_their_rounding_and_rise_with_the_level():
    by_minute = Durations.fit(["x"] * 50, np.repeat([0.0, 60, 120, 600, 36_000], 10))
    assert by_minute.resolution_s == 60
    assert Durations.fit(["x"] * 3, np.array([5.0, 17, 61])).resolution_s == 1
    found = by_minute.quantiles("never", np.linspace(0.001, 0.999, 500))
    assert np.all(np.diff(found) >= 0)
    assert found[0] > 0


def test_likelihood_and_residuals_take_up_where_the_past_ends():
    seen = [incident(1.7 * i, "a") for i in range(100)]
    model = IncidentModel().fit(seen, window(0, 170), ["a"])
    one, two = window(0, 60), window(60, 170)
    first, second = ([each for each in seen if w.start <= each.start < w.end] for w in (one, two))
    whole = model.log_likelihood(seen, window(0, 170))
    parts = model.log_likelihood(first, one) + model.log_likelihood(second, two, first)
    assert whole == pytest.approx(parts)
    assert len(model.residuals(second, two, first)) == len(second)


def test_with_none_or_one_incident_everything_can_be_asked():
    for seen in ([], [incident(3, "a")], [incident(3)]):
        model = IncidentModel().fit(seen, window(0, 10), ["a"])
        ahead = window(10, 11)
        usual = max(len(seen), 0.5) / 10
        assert model.probability_of_any(ahead, seen) == pytest.approx(1 - np.exp(-usual), rel=1e-6)
        assert 0 < model.probability(ahead, seen)["a"] < 1
        assert model.intensity_per_day("new", [ahead.start], seen)[0] > 0
        assert np.isfinite(model.log_likelihood(seen, window(0, 10)))
        assert len(model.residuals(seen, window(0, 10))) == len(seen)
        assert model.simulate(window(10, 500), seen, np.random.default_rng(1))
        assert IncidentModel.from_json(json.loads(json.dumps(model.as_json()))) == model


def test_the_same_seed_gives_the_same_stream_and_another_another():
    seen = [incident(1.7 * i, "a") for i in range(100)]
    model = IncidentModel().fit(seen, window(0, 170), ["a", "b"])
    one, two, three = (model.simulate(window(170, 270), seen, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == two != three


odd = st.lists(
    st.builds(
        incident,
        st.one_of(st.floats(0, 400), st.sampled_from([0.0, 10.0, 10.0000001])),
        st.sampled_from(["a", "b", "", "\x00", "ü" * 40]),
        kind=st.sampled_from(["oom", "", "\x00"]),
        minutes=st.one_of(st.none(), st.just(0.0), st.floats(0, 1e6)),
        severity=st.sampled_from(list(Severity)),
    ),
    max_size=30,
)


@given(odd, st.floats(0.01, 400), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_whatever_happened_the_process_is_finite_and_stays_in_its_window(seen, days, seed):
    seen = [*seen, *seen[:3]]
    model = IncidentModel().fit(seen, window(0, days), ["a", "c"])
    assert 0 < model.process.base < np.inf
    assert 0 <= model.process.total_branching < 1
    assert np.isfinite(model.log_likelihood(seen, window(0, days)))
    residuals = model.residuals(seen, window(0, days))
    assert np.all((residuals >= 0) & (residuals <= 1))
    ahead = window(days, days + 3)
    assert all(0 <= each <= 1 for each in model.probability(ahead, seen).values())
    assert 0 < model.probability_of_any(ahead, seen) <= 1
    stream = model.simulate(ahead, seen, np.random.default_rng(seed))
    assert all(ahead.start <= each.start < ahead.end and each.likely_end >= each.start for each in stream)
    assert IncidentModel.from_json(json.loads(json.dumps(model.as_json()))) == model


@pytest.mark.slow
def test_a_hundred_thousand_incidents_are_learned_in_seconds_even_at_one_instant():
    rng = np.random.default_rng(13)
    spread = [incident(day, f"s{number % 50}") for number, day in enumerate(rng.uniform(0, 365, 100_000))]
    for seen in (spread, [incident(1, "a")] * 100_000):
        began = time.monotonic()
        model = IncidentModel().fit(seen, window(0, 365), ["a"])
        assert time.monotonic() - began < 15
        assert 0 < model.probability_of_any(window(365, 366), seen) <= 1


def test_ten_thousand_incidents_are_simulated_in_half_a_second():
    seen = [incident(0.1 * i, f"s{i % 20}") for i in range(1000)]
    model = IncidentModel().fit(seen, window(0, 100), [f"s{i}" for i in range(20)])
    model.simulate(window(100, 101), seen, np.random.default_rng(1))
    began = time.monotonic()
    stream = model.simulate(window(100, 1100), seen, np.random.default_rng(1))
    assert len(stream) > 5000
    assert (time.monotonic() - began) / len(stream) * 10_000 < 2


@pytest.mark.skipif(not (DATA / "github_status").is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")
def test_githubs_incidents_of_2024_are_likelier_than_at_a_constant_rate():
    seen = read_incidents(DATA / "github_status" / "incidents.jsonl")
    cut, last = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    past, year = [each for each in seen if each.start < cut], Window(start=cut, end=last)
    came = [each for each in seen if cut <= each.start < last]
    model = IncidentModel().fit(past, Window(start=seen[0].start, end=cut), ())
    rate = len(past) / ((cut - seen[0].start) / timedelta(days=1))
    constant = len(came) * np.log(rate) - rate * 366
    assert model.log_likelihood(came, year, past) / len(came) > constant / len(came) + 0.15
    assert kstest(model.residuals(came, year, past), "uniform").pvalue > 0.05


def test_the_pull_of_the_load_is_found_beyond_the_clock_and_keeps_the_mean_rate():
    rng = np.random.default_rng(14)
    times = START.timestamp() + np.arange(0, 60 * 86_400, 600.0)
    load = 100 * np.exp(0.7 * np.sin(np.arange(len(times)) / 500) + 0.1 * rng.normal(size=len(times)))
    even = WeekClock.of((1.0,) * 24, (1.0,) * 7)
    follows = rng.choice(times, size=400, p=load / load.sum()) + 300
    pull = LoadPull.fit(times, load, follows, even)
    assert pull.exponent == pytest.approx(1.0, abs=0.25)
    assert pull.factor(load).mean() == pytest.approx(1.0, abs=0.03)
    assert LoadPull.fit(times, load, rng.choice(times, size=400), even).exponent == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("load", [np.full(50, 7.0), np.full(50, np.nan), np.zeros(50), np.empty(0)])
def test_a_load_that_tells_nothing_moves_nothing(load):
    starts = START.timestamp() + np.linspace(0, 3000, 40)
    pull = LoadPull.fit(
        START.timestamp() + 60.0 * np.arange(len(load)), load, starts, WeekClock.of((1,) * 24, (1,) * 7)
    )
    assert pull.factor(np.array([0.0, 1.0, 1e9])) == pytest.approx(1.0)
