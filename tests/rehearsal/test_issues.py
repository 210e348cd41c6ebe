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
from chaosprsa.faults import CATALOGUE
from chaosprsa.hazards import Grid, hazards
from chaosprsa.impacts import visits_per_request
from chaosprsa.issues import EDGE_SHARE, draw_issues, strength_at
from chaosprsa.issues.marks import duration_likeness, quantile_of, strength_likeness
from chaosprsa.types import Edge, EdgeCase, Fault, SimulatedIssue, Topology

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def drawn(bundle, count=500, seed=7, horizon=DAY, now=NOW, **more):
    return draw_issues(bundle, horizon, count, np.random.default_rng(seed), now, seed, **more)


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
    usual = [issue for issue in drawn(bundle, 4000) if issue.edge_case is None and not issue.raised_by]
    grid = Grid.over(NOW, DAY)
    weight = {
        (hazard.component, hazard.kind): hazard.expected(grid.cell_s) for hazard in hazards(bundle, grid) if hazard.seen
    }
    seen = Counter((issue.component, issue.kind) for issue in usual)
    assert set(seen) == set(weight)
    total = sum(weight.values())
    expected = [weight[pair] / total * len(usual) for pair in weight]
    assert stats.chisquare([seen[pair] for pair in weight], expected).pvalue > 0.001


def test_usual_strengths_and_durations_follow_their_laws_to_the_ends(bundle):
    """Kolmogorov and Smirnov over the quantiles that the draws come from, at 1 in 1,000: nothing is cut off."""
    usual = [issue for issue in drawn(bundle, 4000) if issue.edge_case is None]
    levels = [quantile_of(issue.fault, issue.strength) for issue in usual]
    assert stats.kstest(levels, "uniform").pvalue > 0.001
    kinds = {issue.kind for issue in usual}
    middle = {kind: bundle.incidents.duration_quantiles(kind, (0.5,))[0] for kind in kinds}
    longer = sum(issue.duration_s > middle[issue.kind] for issue in usual)
    assert stats.binomtest(longer, len(usual), 0.5).pvalue > 0.001


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.7, 1.0])
def test_the_share_of_edge_cases_is_the_one_asked_for(bundle, quiet_bundle, share):
    """A binomial count, at 1 in 10,000."""
    for learned in (bundle, quiet_bundle):
        edges = sum(issue.edge_case is not None for issue in drawn(learned, 3000, edge_share=share))
        low, high = stats.binom.interval(0.9999, 3000, share)
        assert low <= edges <= high


def test_edge_cases_are_tails_kinds_never_seen_there_and_faults_together_and_say_so(bundle):
    issues = [issue for issue in drawn(bundle, 4000) if issue.edge_case]
    kinds_of = bundle.incidents.kinds_of
    had = {(name, kind) for name, kinds in kinds_of.items() for kind in kinds}
    assert {issue.edge_case for issue in issues} == {EdgeCase.TAIL, EdgeCase.UNSEEN, EdgeCase.TOGETHER}
    for issue in issues:
        said = " ".join(issue.evidence)
        if issue.edge_case is EdgeCase.UNSEEN:
            assert (issue.component, issue.kind) not in had
        if issue.edge_case is EdgeCase.TAIL:
            assert (issue.component, issue.kind) in had
            assert "Beyond the usual" in said
        if issue.edge_case is EdgeCase.TOGETHER:
            (other,) = issue.companions
            assert (other.component, other.fault) != (issue.component, issue.fault)
            assert "Together with it" in said
    surges = [issue for issue in issues if issue.surge > 1 and issue.fault is not Fault.TRAFFIC_SURGE]
    assert len(surges) > 50


@pytest.mark.parametrize("floor", [0.0, 1e-4, 1e-2, 0.1])
def test_no_edge_case_is_less_plausible_than_the_floor_and_the_share_holds_all_the_same(bundle, quiet_bundle, floor):
    for learned in (bundle, quiet_bundle):
        edges = [issue for issue in drawn(learned, 2000, floor=floor) if issue.edge_case]
        low, high = stats.binom.interval(0.9999, 2000, EDGE_SHARE)
        assert low <= len(edges) <= high
        assert min(issue.plausibility for issue in edges) >= floor * 0.995  # three digits are written


def test_a_stronger_tail_is_less_plausible_and_a_second_fault_too(bundle):
    """The likelihood falls along each tail, and of two faults at once it is a share of each one's."""
    issues = drawn(bundle, 4000)
    usual = np.median([issue.plausibility for issue in issues if issue.edge_case is None])
    for edge in EdgeCase.TAIL, EdgeCase.UNSEEN, EdgeCase.TOGETHER:
        assert np.median([issue.plausibility for issue in issues if issue.edge_case is edge]) < usual
    levels = np.array([0.5, 0.9, 0.99, 0.999])
    for fault in Fault:
        likely = strength_likeness(fault, levels)
        assert likely[0] == pytest.approx(1, rel=1e-6)
        assert np.all(np.diff(likely) < 0)


def test_likeness_is_the_ratio_of_densities(quiet_bundle):
    """Of the normal distribution of the logarithm: exp(-z squared / 2)."""
    hazard = hazards(quiet_bundle, Grid.over(NOW, DAY))[0]
    z = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    likely = duration_likeness(quiet_bundle.incidents, hazard, stats.norm.cdf(z))
    assert likely == pytest.approx(np.exp(-(z**2) / 2), rel=0.1)


def test_callers_feel_it_nearest_first_and_once(bundle):
    felt = {issue.component: issue.components for issue in drawn(bundle, 2000)}
    assert felt["payment"] == ("payment", "checkout", "gateway")
    assert felt["catalogue"] == ("catalogue", "gateway")
    assert felt["gateway"] == ("gateway",)


def test_every_issue_says_in_words_what_it_rests_on(bundle):
    for issue in drawn(bundle, 200):
        assert len(issue.evidence) >= 2
        assert all(line.endswith(".") for line in issue.evidence)
        assert issue.lineage.parents[0] == bundle.lineage.id
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
