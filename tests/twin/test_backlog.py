"""Backlogs by cohorts of arrival: against closed forms, fine steps and what chance does."""

from itertools import pairwise

import numpy as np
import pytest

from chaosprsa.twin import Capacity, Parameters, Spread, Twin, simulate
from chaosprsa.twin.course import Course, Effects, Part
from chaosprsa.twin.graph import call_graph
from chaosprsa.twin.tails import Law, Waited
from chaosprsa.types import Edge, Topology, TwinFit

MANY = 1e-6  # seconds of work: so many requests that chance doesn't count


def surge(topology, demand, loads, *, step=15.0):
    shape, steps = (1, len(topology.services)), len(loads)
    none, full = np.zeros(shape), np.ones(shape)
    known, fit = (
        np.array(demand, dtype=float),
        TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=3, reason=""),
    )
    twin = Twin(call_graph(topology), Parameters(known, *[none[0]] * 5), Spread(*[none[0]] * 4), 1.0, 1e9, fit)
    course = Course(np.full((steps, 1), step), np.asarray(loads, float)[:, None], np.full(steps, Part.BEFORE))
    known = Parameters(*(getattr(twin.nominal, name)[None] for name in Parameters.__slots__))
    quiet = Effects(none, none, full, full, none, none, np.ones(1))
    return simulate(twin, Capacity(full, full, 1e9 * full), known, quiet, course)


def row(count, calls=1.0):
    names = tuple("abcd"[:count])
    edges = tuple(Edge(caller=one, callee=other, calls_per_request=calls) for one, other in pairwise(names))
    return Topology(services=names, entry="a", edges=edges)


def fine(loads, capacities, window, ages, *, tick=0.01, step=15.0):
    """Shares older than each age among the answers in a window of a row: N' = a - w, G' = a / N (X - G), by Euler."""
    births = np.arange(0.0, window[1], tick)
    levels, shares = np.full(len(capacities), 1.0), np.zeros((len(capacities), len(births)))
    total, older = 0.0, np.zeros(len(ages))
    for at, now in enumerate(births):
        came, entering = loads[int(now // step)], np.zeros(len(births))
        for j, capacity in enumerate(capacities):
            shares[j, at:] = 0.0
            went = capacity if levels[j] > capacity * tick else min(came, capacity)
            turnover = min(came * tick / max(levels[j], came * tick), 1.0)
            shares[j, :at] += turnover * (entering[:at] - shares[j, :at])
            shares[j, at] = 1.0
            levels[j] = max(levels[j] + (came - went) * tick, 1.0)
            came, entering = went, shares[j].copy()
        if window[0] <= now:
            total += came
            older += came * np.interp(now + tick - ages, births, entering, left=0.0)
    return older / total


def test_a_drain_is_told_by_when_requests_came():
    """Twice the capacity for 60 s, then half: who came at s is among those there at u with (s/60)² (180-u)/120."""
    capacity = 1 / MANY
    trace = surge(row(1), [MANY], capacity * np.repeat([0.7, 2.0, 0.5], [4, 4, 11]))
    at, ages = np.linspace(105.0, 120.0, 301), np.linspace(40.0, 120.0, 801)
    asked = at[:, None] - ages
    shares = np.where(asked > 60, 1.0, (np.maximum(asked, 0.0) / 60) ** 2) * (180 - at[:, None])
    shares = (shares / np.maximum(180 - np.maximum(asked, 60), 1e-9)).mean(axis=0)
    for share in (0.1, 0.01, 0.001):
        slow = np.interp(-share, -shares, ages)
        assert trace.law().exceeded(share)[4 + 7, 0] == pytest.approx(slow, rel=0.01)


@pytest.mark.parametrize("window", [2, 5, 7, 8])
def test_services_in_a_row_are_followed_one_after_the_other(window):
    """Both have a backlog: what the second answers had waited at the first before."""
    capacities = np.array([1.0, 0.8]) / MANY
    loads = np.repeat([2.0, 0.4], [4, 8]) / MANY
    trace = surge(row(2), 1 / capacities, [0.3 / MANY, *loads])
    ages = np.array([5.0, 20.0, 40.0, 60.0, 80.0, 100.0])
    expected = fine(loads, capacities, (15.0 * window, 15.0 * window + 15.0), ages)
    found = [trace.law().above(age)[1 + window, 0] for age in ages]
    assert found == pytest.approx(expected, abs=0.02)


def test_who_is_not_sent_to_the_backlog_is_answered_at_once():
    """3 in 10 are asked of b, which does half of them: of 85 answers 15 have waited."""
    trace = surge(row(2, calls=0.3), [MANY / 100, MANY], np.repeat([0.1, 2.0 / 0.3], [2, 6]) / MANY)
    assert trace.law().above(1.0)[-1, 0] == pytest.approx(1 / (1 + 2 / 0.3 * 0.7), rel=0.05)


def test_chance_leaves_some_of_a_backlog_after_its_end_on_average():
    """Of few requests: half of all runs are later than the mean; of many hardly any."""
    loads = np.repeat([0.7, 2.0, 0.5], [4, 4, 11])
    few, many = (surge(row(1), [work], loads / work).law().above(10.0)[4 + 12, 0] for work in (0.02, MANY))
    assert few > 0.005
    assert many < 1e-3


def test_times_in_a_backlog_have_quantiles_and_a_mean():
    """Even between 0 and 100 s but for the root: share (1 - t / 100)², mean 100 / 3."""
    waited = Waited(np.array([1]), np.array([[0.0, 40.0, 100.0, 100.0]]), np.array([[1.0, 0.36, 0.0, 0.0]]))
    assert waited.mean_s == pytest.approx([100 / 3])
    still = np.full(3, 1e-6)
    law = Law.of(still + np.array([0.0, 100 / 3, 0.0]), still**2, 2 * still**3, waited=waited)
    assert law.exceeded(0.01)[[0, 1]] == pytest.approx([4.6e-6, 90.0], rel=0.01)
    assert law.above(50.0)[[0, 1]] == pytest.approx([0.0, 0.25], abs=1e-6)


def test_who_waits_longer_than_the_timeout_has_left():
    waited = Waited.within(np.array([0]), np.array([[0.0, 50.0, 100.0]]), np.array([[1.0, 0.25, 0.0]]), 50.0)
    assert waited.above(50.0) == pytest.approx([0.0])
    assert waited.above(25.0) == pytest.approx([0.25])
