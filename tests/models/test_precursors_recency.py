from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.models.bundle import learn
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.recency import REACH, RECENCY, SPANS_H, in_words, recency
from chaosprsa.types import Edge, Incident, Severity, Topology

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CHAIN = Topology(
    services=("cart", "gateway", "payment"),
    edges=(Edge(caller="gateway", callee="cart"), Edge(caller="cart", callee="payment")),
    entry="gateway",
)
minutes_ago = st.integers(min_value=-300, max_value=8000)
spans = st.lists(st.tuples(minutes_ago, st.integers(min_value=0, max_value=400)), max_size=12)


def incident(ago: float, length: float = 10, component: str = "cart", severity: Severity = Severity.MAJOR) -> Incident:
    """ago: minutes before NOW that it set in; length: minutes."""
    start = NOW - timedelta(minutes=ago)
    end = start + timedelta(minutes=length)
    return Incident(start=start, end=end, component=component, kind="oom", severity=severity)


def millis(*ago: float) -> np.ndarray:
    return np.array([round((NOW - timedelta(minutes=each)).timestamp() * 1000) for each in ago], dtype=np.int64)


def told(incidents, component="cart", topology=None, at=0.0) -> dict[str, float]:
    """RECENCY of one of the three services at a time."""
    rows = recency(incidents, topology, CHAIN.services, millis(at))
    return dict(zip(RECENCY, rows[CHAIN.services.index(component), 0].tolist(), strict=True))


def test_an_onset_an_hour_ago_counts_as_much_as_its_spans_say():
    found = told([incident(60, length=20)])
    for span in SPANS_H:
        assert found[f"onsets_{span}h"] == pytest.approx(np.exp(-1 / span))
        assert found[f"minutes_{span}h"] == pytest.approx(20 * np.exp(-(40 / 60) / span))
    assert found["since_onset_h"] == pytest.approx(1)
    assert found["since_end_h"] == pytest.approx(40 / 60)
    assert found["last_length_min"] == pytest.approx(20)


def test_what_sets_in_or_ends_at_the_minute_itself_is_not_known_yet():
    assert told([incident(0)]) == told([])
    lasting = told([incident(10, length=10)])
    assert lasting["onsets_1h"] > 0
    assert (lasting["minutes_1h"], lasting["last_length_min"]) == (0, 0)
    assert lasting["since_end_h"] == REACH.total_seconds() / 3600


def test_without_incidents_all_is_calm_for_as_long_as_is_looked_back():
    found = told([])
    reach_h = REACH.total_seconds() / 3600
    assert {name: value for name, value in found.items() if value} == {"since_onset_h": reach_h, "since_end_h": reach_h}


@settings(max_examples=40, deadline=None)
@given(spans, spans)
def test_what_comes_later_changes_nothing(past, later):
    known = [incident(abs(ago) + 1, length) for ago, length in past]
    future = [incident(-abs(ago), length) for ago, length in later]
    assert told([*known, *future]) == told(known)


@settings(max_examples=40, deadline=None)
@given(spans)
def test_the_last_days_tell_the_same_as_the_whole_history(every):
    whole = [incident(ago, length) for ago, length in every]
    kept = [each for each in whole if each.end is not None and each.end >= NOW - REACH]
    assert list(told(kept).values()) == pytest.approx(list(told(whole).values()), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(spans)
def test_counts_are_the_plain_sums_over_what_lies_before(every):
    incidents = [incident(ago, length) for ago, length in every]
    reach = REACH.total_seconds() / 60
    found = told(incidents)
    for span in SPANS_H:
        onsets = sum(np.exp(-ago / 60 / span) for ago, _ in every if 0 < ago <= reach)
        lengths = sum(n * np.exp(-(ago - n) / 60 / span) for ago, n in every if 0 < ago - n <= reach)
        assert found[f"onsets_{span}h"] == pytest.approx(onsets, abs=1e-6)
        assert found[f"minutes_{span}h"] == pytest.approx(lengths, abs=1e-5)


def test_neighbours_in_the_call_graph_are_told_from_all_others():
    now = [incident(30, length=60, component="payment")]
    cart, gateway = (told(now, name, CHAIN) for name in ("cart", "gateway"))
    assert cart["neighbours.onsets_1h"] == cart["others.onsets_1h"] == pytest.approx(np.exp(-0.5))
    assert gateway["neighbours.onsets_1h"] == 0
    assert gateway["others.onsets_1h"] == pytest.approx(np.exp(-0.5))
    assert (cart["neighbours.lasting"], gateway["neighbours.lasting"], gateway["others.lasting"]) == (1, 0, 1)
    assert told(now, "payment", CHAIN)["others.lasting"] == 0


def test_alerts_of_severity_warning_are_incidents_and_counted_apart():
    mixed = [incident(60, severity=Severity.WARNING), incident(60, severity=Severity.CRITICAL)]
    assert told(mixed)["warnings_6h"] == pytest.approx(np.exp(-1 / 6))
    assert told(mixed)["onsets_6h"] == pytest.approx(2 * np.exp(-1 / 6))


@pytest.mark.parametrize("feature", RECENCY)
def test_every_feature_has_its_words(feature):
    assert "incidents of" in in_words("cart", feature, 1.5, 0.0)


@pytest.fixture(scope="module")
def bursts() -> History:
    """One service whose metrics say nothing; its incidents come in bursts, at any hour."""
    rng = np.random.default_rng(3)
    steps = 6 * 1440
    starts = [
        begin + 17 * i for begin in rng.choice(np.arange(200, steps - 200, 260), 18, replace=False) for i in range(5)
    ]
    times = pd.date_range(NOW, periods=steps, freq="min").as_unit("ms")
    rows = {"timestamp": times, "component": "cart", "metric": "memory_bytes", "value": rng.normal(2e8, 1e7, steps)}
    metrics, _ = clean(pd.DataFrame(rows), NOW + timedelta(days=365), "made")
    happened = (incident(-float(at), length=3) for at in sorted(starts))
    return History(metrics=metrics, incidents=tuple(happened))


@pytest.fixture(scope="module")
def model(bursts) -> PrecursorModel:
    return PrecursorModel(seed=1).fit(bursts, normals_of(bursts))


def test_bursts_are_told_by_the_last_incidents_where_metrics_say_nothing(model):
    assert model.quality is not None
    alone = model.quality.by_part
    assert alone["recent incidents"] > 2 * model.quality.base_rate
    assert alone["metrics"] < 1.5 * model.quality.base_rate
    assert "by recent incidents alone" in model.in_words()


def test_within_a_burst_the_next_is_likelier_than_long_after_and_the_evidence_says_why(model, bursts):
    first = bursts.incidents[0].start
    minute = int(np.searchsorted(bursts.grid_ms, first.timestamp() * 1000)) + 8
    until = bursts.metrics[bursts.metrics["timestamp"] <= bursts.grid[minute]].reset_index(drop=True)
    calm, burst = (model.predict(History(metrics=until, incidents=each))[0] for each in ((), bursts.incidents[:1]))
    assert burst.probability > 2 * calm.probability
    assert any("recent incidents of cart" in words for words in burst.evidence)


def test_a_course_sees_at_each_minute_what_a_history_that_ends_there_does(model, bursts):
    at = np.array([2000, 5000, 8000])
    course = model.course(bursts, at).probability[0]
    for step, probability in zip(at, course, strict=True):
        when = bursts.grid[step]
        rows = bursts.metrics[bursts.metrics["timestamp"] <= when].reset_index(drop=True)
        past = tuple(each for each in bursts.incidents if each.start < when)
        assert model.probability(History(metrics=rows, incidents=past))["cart"] == pytest.approx(probability)


def test_labels_shifted_against_all_that_is_seen_are_refused(bursts):
    begin, length = bursts.window.start, bursts.window.duration
    moved = (begin + (each.start - begin + length / 2) % length for each in bursts.incidents)
    wrong = tuple(incident((NOW - start).total_seconds() / 60, length=3) for start in sorted(moved))
    refused = PrecursorModel(seed=1).fit(bursts, normals_of(bursts), foretold=wrong)
    assert refused.experts is None
    assert "no more than chance" in refused.refusal


def test_a_bundle_keeps_the_incidents_that_its_precursors_look_at(bursts):
    two_days = bursts.last(timedelta(days=2))
    old = bursts.incidents[0]
    bundle = learn(History(metrics=two_days.metrics, incidents=(old, *two_days.incidents)), seed=1)
    assert old.end is not None
    assert old.end < bursts.window.end - REACH
    assert bundle.recent.incidents == two_days.incidents
    assert bundle.recent.window.duration <= timedelta(hours=6)


def test_precursors_of_other_features_are_refused_with_what_to_do(model):
    values = model.as_json()
    with pytest.raises(ValueError, match=r"know recent incidents by .*onsets_2h"):
        PrecursorModel.from_json({**values, "recency": ["onsets_2h"]}, model.experts.classifiers)
    older = {name: value for name, value in values.items() if name != "recency"}
    with pytest.raises(KeyError, match="recency"):
        PrecursorModel.from_json(older, model.experts.classifiers)
