import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.incidents import read_incidents
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident, Severity, Window

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday


def window(days: float) -> Window:
    return Window(start=START, end=START + timedelta(days=days))


def incident(day: float, component: str = "cart", kind: str = "oom", minutes: float | None = 10, **more) -> Incident:
    start = START + timedelta(days=day)
    end = None if minutes is None else start + timedelta(minutes=minutes)
    return Incident(start=start, end=end, component=component, kind=kind, **more)


def many(count: int, component: str = "cart", **more) -> list[Incident]:
    return [incident(100 * (i + 0.5) / count, component, **more) for i in range(count)]


def test_the_rates_of_all_components_add_up_to_what_was_seen():
    model = IncidentModel().fit([*many(30), *many(3, "web")], window(100), ["cart", "web", "db"])
    assert model.rate_per_day() == pytest.approx(33 / 100)
    assert sum(model.rate_per_day(name) for name in ("cart", "web", "db")) == pytest.approx(33 / 100)


def test_a_component_without_incidents_has_a_small_rate_and_a_busy_one_less_than_it_counted():
    model = IncidentModel().fit(many(30), window(100), ["cart", "web", "db"])
    assert 0 < model.rate_per_day("db") < 0.05
    assert 0.2 < model.rate_per_day("cart") < 0.3


def test_a_component_nobody_knew_has_the_mean_rate():
    model = IncidentModel().fit([*many(30), *many(3, "web")], window(100), ["cart", "web", "db"])
    assert model.rate_per_day("new") == pytest.approx(0.33 / 3)


def test_components_alike_by_chance_are_drawn_close_and_unlike_ones_stay_apart():
    names = [f"s{i}" for i in range(20)]
    counts = np.random.default_rng(5).poisson(10, len(names))
    alike = [each for name, count in zip(names, counts, strict=True) for each in many(int(count), name)]
    drawn = IncidentModel().fit(alike, window(100), names)
    rates = np.array([drawn.rate_per_day(name) for name in names]) * 100
    # The true rate of each is 10: shrinking must come closer to it than counting does (James & Stein 1961).
    assert np.mean((rates - 10) ** 2) < 0.4 * np.mean((counts - 10.0) ** 2)
    unlike = [*many(100, "s0"), *(incident(3, name) for name in names[1:])]
    apart = IncidentModel().fit(unlike, window(100), names)
    assert apart.rate_per_day("s0") > 30 * apart.rate_per_day("s1")


def test_kinds_add_up_with_the_share_of_what_was_never_seen():
    model = IncidentModel().fit([*many(30), *many(3, kind="slow"), incident(1, kind="once")], window(100), ["cart"])
    shares = model.kind_shares("cart")
    assert sum(shares.values()) + model.unseen_share == pytest.approx(1)
    assert shares["oom"] > shares["slow"] > shares["once"] > 0
    assert 0 < model.rate_per_day("cart", "never") == pytest.approx(model.rate_per_day("cart") * model.unseen_share)


def test_a_component_with_few_incidents_borrows_the_kinds_of_the_others():
    model = IncidentModel().fit([*many(40, kind="oom"), incident(1, "web", kind="slow")], window(100), ["cart", "web"])
    assert 0.3 < model.kind_shares("web")["oom"] < 0.8


def test_no_incidents_at_all_still_give_a_rate_that_fits_having_seen_none():
    model = IncidentModel().fit([], window(10), ["cart", "web"])
    assert model.rate_per_day() == pytest.approx(0.5 / 10)
    assert model.rate_per_day("cart", "oom") > 0
    assert model.unseen_share == 1
    assert model.duration_quantiles("oom")[1] == pytest.approx(1800)


def test_incidents_of_no_component_count_for_all():
    model = IncidentModel().fit([*many(10), *many(10, "")], window(100), ["cart", "web"])
    assert model.rate_per_day() == pytest.approx(20 / 100)


def test_office_hours_and_weekdays_show_where_weeks_were_seen():
    office = [incident(7 * week + day + 14.2 / 24, minutes=5) for week in range(10) for day in range(5)]
    model = IncidentModel().fit(office, window(70), ["cart"])
    tuesday, sunday = START + timedelta(days=1, hours=14), START + timedelta(days=6, hours=3)
    assert model.rate_per_day("cart", when=tuesday) > 5 * model.rate_per_day("cart", when=sunday) > 0
    assert np.mean(model.hours) == pytest.approx(1)
    assert np.mean(model.weekdays) == pytest.approx(1)


def test_a_day_of_incidents_says_nothing_about_the_clock():
    model = IncidentModel().fit([incident(0.1 + i / 500) for i in range(24)], window(0.9), ["cart"])
    assert model.hours == (1.0,) * 24
    assert model.weekdays == (1.0,) * 7


def test_what_is_expected_of_a_whole_week_is_seven_mean_days():
    office = [incident(7 * week + day + 14.2 / 24) for week in range(10) for day in range(5)]
    model = IncidentModel().fit(office, window(70), ["cart"])
    assert model.expected(window(7)) == pytest.approx(7 * model.rate_per_day(), rel=1e-6)
    assert model.expected(window(7), "cart", "oom") < model.expected(window(7), "cart")


def test_durations_are_those_of_the_kind_and_rare_kinds_lean_on_all():
    lengths = np.random.default_rng(2).lognormal(np.log(10), 0.5, 200)
    seen = [incident(0.4 * i, minutes=float(length)) for i, length in enumerate(lengths)]
    model = IncidentModel().fit([*seen, incident(1, kind="rare", minutes=600)], window(100), ["cart"])
    low, mid, high = model.duration_quantiles("oom")
    assert mid == pytest.approx(600, rel=0.1)
    assert high == pytest.approx(600 * np.exp(1.645 * 0.5), rel=0.15)
    assert low == pytest.approx(600 / np.exp(1.645 * 0.5), rel=0.15)
    assert 600 < model.duration_quantiles("rare")[1] < 36_000


def test_incidents_without_an_end_say_nothing_about_durations():
    model = IncidentModel().fit([incident(1, minutes=None), incident(2, minutes=20)], window(10), ["cart"])
    assert model.duration_quantiles("oom")[1] == pytest.approx(1200)


def test_severities_of_a_kind_add_up_and_lean_on_the_others():
    bad = many(20, severity=Severity.CRITICAL)
    model = IncidentModel().fit([*bad, *many(20, kind="slow", severity=Severity.MINOR)], window(100), ["cart"])
    for kind in ("oom", "slow", "never"):
        assert sum(model.severity_shares(kind).values()) == pytest.approx(1)
    assert model.severity_shares("oom")[Severity.CRITICAL] > 0.8
    assert model.severity_shares("never")[Severity.CRITICAL] == pytest.approx(0.5, abs=0.05)


def test_incidents_of_several_components_are_worse_where_history_says_so_and_else_as_bad_as_any():
    narrow = [incident(i, severity=Severity.MINOR) for i in range(60)]
    broad = [incident(i + 0.5, others=("web",), severity=Severity.CRITICAL) for i in range(30)]
    model = IncidentModel().fit([*narrow, *broad], window(100), ["cart", "web"])
    one, several = model.severity_shares("oom", "one"), model.severity_shares("oom", "several")
    assert sum(one.values()) == pytest.approx(1) == sum(several.values())
    assert several[Severity.CRITICAL] > 0.7
    assert one[Severity.CRITICAL] < 0.3
    drawn = model.simulate(window(3000), [*narrow, *broad], np.random.default_rng(3))
    bad = {wide: [each.severity == Severity.CRITICAL for each in drawn if bool(each.others) == wide] for wide in (0, 1)}
    assert np.mean(bad[1]) == pytest.approx(several[Severity.CRITICAL], abs=0.1)
    assert np.mean(bad[0]) == pytest.approx(one[Severity.CRITICAL], abs=0.1)
    alone = IncidentModel().fit(narrow, window(100), ["cart"])
    assert alone.severity_shares("oom", "several") == pytest.approx(alone.severity_shares("oom"), abs=0.01)


def test_an_empty_window_or_no_component_is_refused():
    with pytest.raises(NotEnoughHistory, match="of one moment"):
        IncidentModel().fit([], window(0), ["cart"])
    with pytest.raises(NotEnoughHistory, match="at least one component"):
        IncidentModel().fit([], window(1), [])


def test_json_and_back_is_the_same_model():
    model = IncidentModel().fit([*many(30), *many(3, "web", kind="slow")], window(100), ["cart", "web"])
    assert IncidentModel.from_json(model.as_json()) == model


incidents = st.lists(
    st.builds(
        incident,
        st.floats(0, 40),
        st.sampled_from(["a", "b", ""]),
        st.sampled_from(["oom", "slow", "unknown"]),
        st.one_of(st.none(), st.floats(0, 1e5)),
        severity=st.sampled_from(list(Severity)),
    ),
    max_size=40,
)


@given(incidents, st.floats(0.01, 40), st.floats(0, 30))
@settings(max_examples=60, deadline=None)
def test_rates_are_positive_and_add_up_whatever_happened(seen, days, at):
    model = IncidentModel().fit(seen, window(days), ["a", "b", "c"])
    counted = sum(each.start <= START + timedelta(days=days) for each in seen)
    assert model.rate_per_day() == pytest.approx(max(counted, 0.5) / days)
    when = START + timedelta(days=at)
    kinds = (*model.kinds, "never")
    split = sum(model.rate_per_day(name, kind, when) for name in ("a", "b", "c") for kind in kinds)
    assert split == pytest.approx(model.rate_per_day(when=when))
    assert all(model.rate_per_day(name, kind, when) > 0 for name in ("a", "c", "new") for kind in kinds)
    low, mid, high = model.duration_quantiles("oom")
    assert 0 < low <= mid <= high < np.inf


@pytest.mark.skipif(not (DATA / "github_status").is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")
def test_the_expected_count_of_github_incidents_holds_over_the_months_that_follow():
    seen = read_incidents(DATA / "github_status" / "incidents.jsonl")
    cut, last = datetime(2024, 7, 1, tzinfo=UTC), datetime(2025, 6, 30, tzinfo=UTC)
    past, future = Window(start=seen[0].start, end=cut), Window(start=cut, end=last)
    model = IncidentModel().fit(seen, past, ())
    counts = sum(cut < each.start <= last for each in seen)
    assert model.expected(future) == pytest.approx(counts, rel=0.35)
    # Office hours UTC of weekdays are the worse ones, before and after.
    clock = [model.clock(each.start) for each in seen if each.start > cut]
    assert np.mean(clock) > 1.1
