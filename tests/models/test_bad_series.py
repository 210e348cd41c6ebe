"""Series that no model was made for: each is learned from, or left out, and what comes out is finite."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.models.bundle import learn, load_bundle, save_bundle
from chaosprsa.models.normals import normals_of
from chaosprsa.types import Incident

START = datetime(2026, 1, 5, tzinfo=UTC)
STEPS = 1500
RATE = "request_rate_per_s"
NOISE = 30 + np.random.default_rng(1).normal(size=STEPS)
MINUTE = np.arange(STEPS)
BAD = {
    "plain": NOISE,
    "constant": np.full(STEPS, 5.0),
    "zero": np.zeros(STEPS),
    "huge": NOISE * 1e28,
    "tiny": NOISE * 1e-300,
    "smallest": np.full(STEPS, 5e-324),
    "negative": -NOISE,
    "alternating": np.where(MINUTE % 2, 1e30, -1e30),
    "spike": np.where(MINUTE == 700, 1e30, NOISE),
    "step": np.where(MINUTE < 700, 0.0, 1e12),
    "high": 1e12 + NOISE,
    "counter": np.cumsum(np.abs(NOISE)) % 5000.0,
    "two-point": NOISE[:2],
    "single": NOISE[:1],
    "twin": NOISE,
    "holes": np.where(MINUTE % 100 < 50, np.nan, NOISE),
}


def history_of(series: dict[str, np.ndarray]) -> History:
    times = pd.date_range(START, periods=STEPS, freq="min").as_unit("ms")
    parts = [
        pd.DataFrame({"timestamp": times[: len(values)], "component": name, "metric": metric, "value": values})
        for name, values in series.items()
        for metric in (RATE, "memory_bytes", "restarts_total")
    ]
    metrics, notes = clean(pd.concat(parts, ignore_index=True), START + timedelta(days=9), "made")
    incidents = tuple(
        Incident(start=START + timedelta(minutes=60 + 65 * i), component=["plain", "huge", "ghost"][i % 3], kind="slow")
        for i in range(20)
    )
    return History(metrics=metrics, incidents=incidents, notes=notes)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad") / "models"
    save_bundle(learn(history_of(BAD), seed=1), folder)  # JSON that holds NaN or infinity can't be written
    return load_bundle(folder)


def test_every_series_long_enough_has_a_finite_load_forecast(bundle):
    times = START.timestamp() + 86_400 + 60.0 * np.arange(300)
    assert set(bundle.load) == set(BAD) - {"two-point", "single"}
    for name, model in bundle.load.items():
        found = model.forecast(times)
        for values in (found.mean, found.low, found.high):
            assert np.isfinite(values).all(), name
            assert (values >= 0).all(), name


def test_what_is_usual_is_finite_and_its_spread_above_0(bundle):
    assert set(bundle.normals) == set(BAD)
    for name, own in bundle.normals.items():
        for median, spread in own.values():
            assert math.isfinite(median), name
            assert 0 < spread < math.inf, name


def test_a_component_that_only_incidents_know_counts(bundle):
    assert "ghost" in bundle.incidents.rates
    assert "ghost" not in bundle.normals


def test_normals_are_those_of_the_formula(bundle):
    median = float(np.median(NOISE))
    spread = 1.4826 * float(np.median(np.abs(NOISE - median)))
    assert bundle.normals["twin"][RATE][0] == pytest.approx(median, rel=0.02)
    assert bundle.normals["twin"][RATE][1] == pytest.approx(spread, rel=0.1)
    assert bundle.normals["constant"][RATE] == pytest.approx((5.0, 0.05))


finite = st.floats(-1e30, 1e30, allow_nan=False)
flat = st.builds(lambda value, count: [value] * count, finite, st.integers(1, 30))
shapes = st.one_of(st.lists(finite, min_size=1, max_size=30), flat)


@given(shapes)
@settings(max_examples=150, deadline=None)
def test_any_series_has_a_middle_within_it_and_a_spread_above_0(values):
    times = pd.date_range(START, periods=len(values), freq="min").as_unit("ms")
    frame = pd.DataFrame({"timestamp": times, "component": "a", "metric": "m", "value": values})
    median, spread = normals_of(History(metrics=frame))["a"]["m"]
    assert min(values) <= median <= max(values)
    assert 0 < spread < math.inf
