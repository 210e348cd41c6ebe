"""Issues come from the incident process given the present; some are beyond it and say so."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats

from chaosprsa.documents import read_lines, to_json, write_lines
from chaosprsa.errors import BadInput
from chaosprsa.faults import CATALOGUE, fault_of_kind
from chaosprsa.hazards import Grid, hazards
from chaosprsa.impacts import visits_per_request
from chaosprsa.issues import EDGE_SHARE, draw_issues, strength_at
from chaosprsa.types import Edge, Fault, SimulatedIssue, Topology

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def drawn(bundle, count=500, seed=7, horizon=DAY, now=NOW):
    return draw_issues(bundle, horizon, count, np.random.default_rng(seed), now, seed)


def test_the_same_seed_gives_the_same_bytes(bundle, tmp_path):
    first = write_lines(tmp_path / "a.jsonl", drawn(bundle)).read_bytes()
    assert write_lines(tmp_path / "b.jsonl", drawn(bundle)).read_bytes() == first
    assert write_lines(tmp_path / "c.jsonl", drawn(bundle, seed=8)).read_bytes() != first
    assert read_lines(tmp_path / "a.jsonl", SimulatedIssue) == drawn(bundle)


@given(st.integers(0, 2**31), st.floats(0.01, 400), st.integers(1, 40))
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_issue_begins_within_the_horizon_and_never_before_now(bundle, seed, hours, count):
    horizon = timedelta(hours=hours)
    issues = drawn(bundle, count, seed, horizon)
    assert len(issues) == count
    for issue in issues:
        assert NOW <= issue.start <= NOW + horizon
        entry = CATALOGUE[issue.fault]
        assert entry.low <= issue.strength <= entry.high
    assert [issue.start_s for issue in issues] == sorted(issue.start_s for issue in issues)


def test_probability_is_that_of_at_least_one_such_issue_in_the_horizon(bundle):
    grid = Grid.over(NOW, DAY)
    expected = Counter()
    for hazard in hazards(bundle, grid):
        expected[hazard.component, hazard.fault] += hazard.expected(grid.cell_s)
    for issue in drawn(bundle):
        mean = expected[issue.component, issue.fault]
        assert issue.probability == pytest.approx(stats.poisson.sf(0, mean), rel=1e-9)


def test_rates_add_up_to_what_the_incident_model_expects(bundle):
    """A surge that was never seen comes through the entry alone, so up to its share may be missing."""
    grid = Grid.over(NOW, DAY)
    total = sum(hazard.expected(grid.cell_s) for hazard in hazards(bundle, grid))
    model = sum(bundle.incidents.rate_per_day(name) for name in bundle.topology.services)
    assert model * (1 - bundle.incidents.unseen_share) <= total <= model * 1.001


def test_usual_issues_are_as_frequent_as_in_the_history(bundle):
    """Chi-squared over the pairs that were seen, at 1 in 1,000."""
    usual = [issue for issue in drawn(bundle, 4000) if issue.novelty == 0]
    grid = Grid.over(NOW, DAY)
    weight = {
        (hazard.component, hazard.kind): hazard.expected(grid.cell_s) for hazard in hazards(bundle, grid) if hazard.seen
    }
    seen = Counter((issue.component, issue.kind) for issue in usual)
    assert set(seen) == set(weight)
    total = sum(weight.values())
    expected = [weight[pair] / total * len(usual) for pair in weight]
    assert stats.chisquare([seen[pair] for pair in weight], expected).pvalue > 0.001


def test_some_issues_are_beyond_what_was_seen_and_say_so(bundle):
    issues = drawn(bundle, 4000)
    new = [issue for issue in issues if issue.novelty > 0]
    assert len(new) / len(issues) == pytest.approx(EDGE_SHARE, abs=0.03)
    kinds_of = bundle.incidents.kinds_of
    had = {(name, fault_of_kind(kind)) for name, kinds in kinds_of.items() for kind in kinds}
    unseen = [issue for issue in issues if (issue.component, issue.fault) not in had]
    assert unseen
    assert all(issue.novelty >= 0.4 for issue in unseen)
    tails = [issue for issue in new if (issue.component, issue.fault) in had]
    assert any("Beyond the usual" in line for issue in tails for line in issue.evidence)


def test_callers_feel_it_nearest_first_and_once(bundle):
    felt = {issue.component: issue.components for issue in drawn(bundle, 2000)}
    assert felt["payment"] == ("payment", "checkout", "gateway")
    assert felt["catalogue"] == ("catalogue", "gateway")
    assert felt["gateway"] == ("gateway",)


def test_every_issue_says_in_words_what_it_rests_on(bundle):
    for issue in drawn(bundle, 200):
        assert len(issue.evidence) >= 2
        assert all(line.endswith(".") for line in issue.evidence)
        assert issue.lineage.parents == (bundle.lineage.id,)
        low, mid, high = issue.impact.latency_ratio.low, issue.impact.latency_ratio.mid, issue.impact.latency_ratio.high
        assert 0 < low <= mid <= high
        assert 0 <= issue.impact.error_share.low <= issue.impact.error_share.high <= 1


def test_without_incidents_surges_and_priors_stand_in_and_that_is_said(quiet_bundle):
    issues = drawn(quiet_bundle, 800)
    assert {issue.fault for issue in issues} == set(Fault)
    surges = [issue for issue in issues if issue.fault is Fault.TRAFFIC_SURGE]
    assert {issue.component for issue in surges} == {"gateway"}
    assert all("load model forecasts" in " ".join(issue.evidence) for issue in surges)
    assert all("prior" in issue.evidence[0] for issue in issues)
    assert all(issue.novelty > 0 for issue in issues)


def test_a_surge_is_likelier_when_the_forecast_load_is_high(quiet_bundle):
    surges = [issue for issue in drawn(quiet_bundle, 8000) if issue.fault is Fault.TRAFFIC_SURGE]
    rates = quiet_bundle.entry_rate(np.array([issue.start.timestamp() for issue in surges])).mean
    grid = Grid.over(NOW, DAY)
    assert rates.mean() > quiet_bundle.entry_rate(grid.middles).mean.mean() * 1.02


def test_precursors_raise_what_they_warn_of_for_as_far_as_they_look(bundle):
    class Warned:
        """What a precursor model says, as a value."""

        horizon = timedelta(minutes=30)

        def predict(self, _):
            return (Sign(),)

    class Sign:
        component, probability, evidence = "payment", 0.9, ("cpu_usage_cores: the mean is high",)

    later = bundle.recent.window.end
    grid = Grid.over(later, DAY)
    warned = {h.component + h.kind: h for h in hazards(replace(bundle, precursors=Warned()), grid)}
    usual = {h.component + h.kind: h for h in hazards(bundle, grid)}
    soon = grid.starts_s < 1800
    total = sum(warned[key].rate_per_s[soon].sum() * grid.cell_s for key in warned if key.startswith("payment"))
    assert 1 - np.exp(-total) == pytest.approx(0.9, abs=0.01)
    for key, hazard in warned.items():
        assert np.allclose(hazard.rate_per_s[~soon], usual[key].rate_per_s[~soon])
        if not key.startswith("payment"):
            assert np.allclose(hazard.rate_per_s, usual[key].rate_per_s)
    told = [hazard.evidence for hazard in warned.values() if hazard.component == "payment"]
    assert all("probability 0.90" in " ".join(evidence) for evidence in told)


def test_ten_thousand_issues_have_ten_thousand_ids(bundle):
    assert len({issue.id for issue in drawn(bundle, 10_000)}) == 10_000


@pytest.mark.parametrize(
    ("count", "horizon", "now"),
    [(0, DAY, NOW), (5, timedelta(0), NOW), (5, DAY, NOW.replace(tzinfo=None))],
)
def test_a_draw_that_makes_no_sense_is_refused(bundle, count, horizon, now):
    with pytest.raises(BadInput, match="count is"):
        draw_issues(bundle, horizon, count, np.random.default_rng(1), now, 1)


@pytest.mark.parametrize("fault", Fault)
def test_strengths_rise_with_their_quantile_and_keep_the_catalogues_mean(fault):
    """PERT: the mean is (low + 4 typical + high) / 6, on the scale it is drawn on."""
    entry = CATALOGUE[fault]
    values = np.array([strength_at(fault, u) for u in (np.arange(400) + 0.5) / 400])
    assert np.all(np.diff(values) > 0)
    scale = np.log if entry.high / entry.low >= 20 else np.asarray
    low, mid, high = (float(scale(value)) for value in (entry.low, entry.typical, entry.high))
    assert np.mean(scale(values)) == pytest.approx((low + 4 * mid + high) / 6, rel=0.01)


def test_visits_multiply_along_the_call_graph_and_add_over_its_paths():
    graph = Topology(
        services=("a", "b", "c", "d"),
        edges=(
            Edge(caller="a", callee="b", calls_per_request=2),
            Edge(caller="a", callee="c"),
            Edge(caller="b", callee="d", calls_per_request=3),
            Edge(caller="c", callee="d", calls_per_request=0.5),
        ),
        entry="a",
    )
    assert visits_per_request(graph) == {"a": 1, "b": 2, "c": 1, "d": 6.5}


def test_json_has_no_numbers_that_json_cannot_hold(bundle):
    import json

    json.dumps([to_json(issue) for issue in drawn(bundle, 100)], allow_nan=False)
