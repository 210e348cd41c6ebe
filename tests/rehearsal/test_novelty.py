"""Novelty is a distance to the nearest incident that was seen: 0 for a seen one, more with every step away from it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chaosprsa.issues.novelty import Seen, novelty
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident, Window

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
PAST = tuple(
    Incident(
        start=NOON + timedelta(days=day), end=NOON + timedelta(days=day, minutes=20), component=name, kind="cpu-hog"
    )
    for day in range(5)
    for name in ("cart", "checkout")
)
WINDOW = Window(start=NOON, end=NOON + timedelta(days=10))


def flat(times_s):
    return np.ones_like(times_s)


def seen(past=PAST, load=flat):
    return Seen(IncidentModel().fit(PAST, WINDOW, ("cart", "checkout", "payment")), past, load)


def distance(of, component="cart", kind="cpu-hog", start=NOON, duration_s=1200.0, strength_u=0.5, companions=0.0):
    one = np.array
    return float(
        of.distance(
            [(component, kind)],
            one([start.timestamp()]),
            one([duration_s]),
            one([strength_u]),
            one([companions]),
        )[0]
    )


def test_what_was_seen_is_not_new_at_all():
    assert distance(seen()) == pytest.approx(0, abs=1e-6)
    assert novelty(np.array([0.0]))[0] == 0


def test_where_nothing_was_seen_everything_is_new():
    assert novelty(np.array([distance(seen(past=()))]))[0] == 1


def test_another_component_another_kind_and_both_are_ever_further_away():
    of = seen()
    steps = [
        distance(of),
        distance(of, kind="cpu stress"),
        distance(of, component="payment"),
        distance(of, component="payment", kind="cpu stress"),
        distance(of, component="payment", kind="network delay"),
    ]
    assert steps == pytest.approx([0, 0.5, 1, 1.25**0.5, 2**0.5], abs=1e-6)


def test_what_was_on_together_with_something_else_is_as_far_as_another_component():
    assert distance(seen(), companions=1.0) == pytest.approx(1)


def test_midnight_is_half_a_unit_from_noon_and_four_times_the_load_a_whole_one():
    assert distance(seen(), start=NOON + timedelta(hours=12)) == pytest.approx(0.5)
    busy = NOON + timedelta(days=20)
    of = seen(load=lambda times_s: np.where(times_s >= busy.timestamp(), 4.0, 1.0))
    assert distance(of, start=busy) == pytest.approx(1)


@given(st.floats(1.0, 50.0), st.floats(1.05, 3.0))
@hypothesis_settings(max_examples=40)
def test_the_longer_beyond_what_was_seen_the_newer(factor, more):
    of = seen()
    assert distance(of, duration_s=1200 * factor * more) > distance(of, duration_s=1200 * factor)


@given(st.floats(0.95, 0.9999), st.floats(0.0, 0.9))
@hypothesis_settings(max_examples=40)
def test_strengths_within_the_usual_are_not_new_and_beyond_it_ever_newer(u, share):
    of = seen()
    assert distance(of, strength_u=0.05 + share) == pytest.approx(0, abs=1e-6)
    assert distance(of, strength_u=u + (1 - u) / 2) > distance(of, strength_u=u)
