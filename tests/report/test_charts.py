"""Scales, ticks and drawings: known places for known values."""

import math
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.impact import Prediction, impact_chart
from chaosprsa.report.charts.issues import issue_timeline
from chaosprsa.report.charts.load import LoadView, load_chart
from chaosprsa.report.charts.scales import Scale, clock_ticks, log_bounds, thinned
from chaosprsa.report.charts.search import best_so_far, pareto, progress_chart, search_chart, worst_shown
from chaosprsa.report.charts.trial import latency_domain, trial_chart
from chaosprsa.report.words import ratio
from chaosprsa.types import Interval, LoadTimeline, SearchTrial

WIDTHS = pytest.mark.parametrize("width", [340, 900])
finite = st.floats(-1e6, 1e6)


def candidate(number, cost, violation):
    return SearchTrial(number=number, cost_month=cost, violation=violation, source="test")


def test_a_logarithmic_scale_puts_the_geometric_mean_in_the_middle():
    assert Scale(low=10, high=1000, start=0, end=100, log=True)(100) == pytest.approx(50)


def test_what_lies_outside_is_drawn_at_the_edge():
    scale = Scale(low=0, high=10, start=100, end=0)
    assert (scale(-5), scale(15)) == (100, 0)


@given(finite, finite, st.integers(2, 10))
def test_ticks_are_round_inside_and_about_as_many_as_asked(one, other, count):
    low, high = min(one, other), max(one, other) + 1e-3
    ticks = Scale(low=low, high=high, start=0, end=1).ticks(count)
    slack = (high - low) * 1e-6
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= count + 1


@given(st.lists(st.floats(1e-3, 1e6), min_size=1))
def test_logarithmic_bounds_hold_every_value_and_have_ticks(values):
    low, high = log_bounds(values)
    assert low <= min(values) * (1 + 1e-9)
    assert max(values) <= high * (1 + 1e-9)
    assert Scale(low=low, high=high, start=0, end=1, log=True).ticks(4)


def test_clock_ticks_stand_on_whole_hours_and_name_the_day_at_midnight():
    start = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
    labels = [label for _, label in clock_ticks(start, start + timedelta(hours=8), 8)]
    assert labels == ["21:00", "22:00", "23:00", "Nov 25", "01:00", "02:00", "03:00", "04:00"]


def test_thinning_keeps_the_worst_latency_and_the_mean_rate():
    assert thinned([1.0, 9.0, None, None], 2, worst=True) == [9.0, None]
    assert thinned([1.0, 9.0, 2.0, 4.0], 2, worst=False) == [5.0, 3.0]


def test_a_line_breaks_where_a_value_is_missing():
    x = y = Scale(low=0, high=10, start=0, end=10)
    path = svg.line([(0, 1), (1, 2), (2, None), (3, 4)], x, y, "")
    assert re.search(r'd="([^"]*)"', path)[1] == "M0.0 1.0L1.0 2.0M3.0 4.0"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_labels_at_line_ends_never_overlap(places):
    markup = svg.end_labels(0, [(place, "x", "") for place in places], 0, 100)
    found = sorted(float(place) for place in re.findall(r' y="([-0-9.]+)"', markup))
    assert all(b - a >= svg.LABEL_GAP_PX - 0.11 for a, b in pairwise(found))


def test_the_pareto_front_holds_exactly_those_no_other_beats():
    trials = [
        candidate(0, 10, 0.5),
        candidate(1, 12, 0.5),
        candidate(2, 20, 0.0),
        candidate(3, 30, 0.0),
        candidate(4, 5, 0.9),
    ]
    assert [trial.number for trial in pareto(trials)] == [4, 0, 2]


def test_the_best_so_far_counts_only_candidates_that_hold_the_slo():
    trials = [candidate(0, 10, 0.5), candidate(1, 30, 0.0), candidate(2, 40, 0.0), candidate(3, 20, 0.0)]
    assert best_so_far(trials) == [(0, None), (1, 30), (2, 30), (3, 20)]


@WIDTHS
def test_every_mark_lies_inside_the_drawing(nouns, settings, width):
    outcome = nouns.make_outcome()
    domain = latency_domain([outcome], settings.entry_slo)
    issues = [nouns.make_issue(case) for case in nouns.CASES]
    trials = nouns.make_recommendation().search
    hours = tuple(3600.0 * hour for hour in range(30))
    waves = tuple(50 + 20 * math.sin(hour / 4) for hour in range(30))
    view = LoadView(
        observed=tuple(zip(hours, waves, strict=True))[:6],
        ends_s=6 * 3600.0,
        times_s=hours,
        mean=waves,
        low=tuple(wave - 9 for wave in waves),
        high=tuple(wave + 9 for wave in waves),
    )
    prediction = Prediction(name="pod-kill on checkout", predicted=Interval(low=1, mid=2, high=4), observed=3)
    for drawing in (
        trial_chart(outcome, settings.entry_slo, domain, width),
        issue_timeline(issues, ["gateway", "cart", "checkout", "payment"], width),
        search_chart(trials, 245, 206, "USD", width),
        progress_chart(trials, "USD", width),
        impact_chart([prediction], "latency", ratio, log=True, width=width),
        load_chart(view, "gateway", width),
    ):
        root = ET.fromstring(drawing)
        height = float(root.get("height"))
        for element in root.iter():
            for key, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0 <= float(element.get(key, 0)) <= most


@WIDTHS
def test_words_stay_inside_the_drawing(nouns, settings, width):
    outcome = nouns.make_outcome()
    drawing = trial_chart(outcome, settings.entry_slo, latency_domain([outcome], settings.entry_slo), width)
    for element in ET.fromstring(drawing).iter("text"):
        x, length = float(element.get("x")), svg.text_px(element.text)
        left = {"end": x - length, "middle": x - length / 2}.get(element.get("text-anchor"), x)
        assert left >= -8
        assert left + length <= width + 2


def test_a_trial_without_a_single_answer_is_still_drawn(nouns, settings):
    silent = LoadTimeline(
        time_s=(0.0, 1.0),
        rate_per_s=(0.0, 0.0),
        failures_per_s=(0.0, 0.0),
        latency_p50_ms=(None, None),
        latency_p95_ms=(None, None),
        latency_p99_ms=(None, None),
    )
    outcome = nouns.make_outcome(timeline=silent, load={})
    assert "SLO" in trial_chart(outcome, settings.entry_slo, latency_domain([outcome], settings.entry_slo), 900)


def test_one_candidate_or_equal_costs_are_drawn():
    assert "candidate 3" in search_chart([candidate(3, 10, 0.0)], 10, 10, "USD", 900)
    assert "<svg" in progress_chart([candidate(0, 10, 0.2)], "USD", 900)


def test_a_few_hopeless_candidates_do_not_flatten_the_others():
    trials = [candidate(number, 10 + number, number / 100) for number in range(20)] + [candidate(99, 5, 70.0)]
    assert worst_shown(trials) == 0.5
    assert worst_shown([candidate(0, 1, 0.02), candidate(1, 2, 0.04)]) == pytest.approx(0.04, rel=0.1)
