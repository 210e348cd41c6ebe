"""The adversary finds what hurts the present allocation most, and nothing that is implausible."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from chaosprsa.allocation.adversary import weaknesses
from chaosprsa.allocation.attacks import Points, Range, Target
from chaosprsa.documents import from_json, to_json, write_document
from chaosprsa.errors import BadInput
from chaosprsa.hazards import Grid, hazards
from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.issues.law import Law
from chaosprsa.models.bundle import learn, load_bundle, save_bundle
from chaosprsa.progress import silent
from chaosprsa.settings import parse_settings
from chaosprsa.twin import Capacity, Parameters, Spread, Twin
from chaosprsa.twin.graph import call_graph
from chaosprsa.types import (
    Edge,
    EdgeCase,
    Fault,
    Lineage,
    SimulatedIssue,
    Slo,
    Study,
    Topology,
    TwinFit,
    Verdict,
)
from chaosprsa.workspace import Workspace

NOW = datetime(2026, 3, 4, tzinfo=UTC)
DAY = timedelta(hours=24)
SERVICES = ("front", "cart", "stock", "mail")
SHOP = Topology(
    services=SERVICES, edges=tuple(Edge(caller="front", callee=name) for name in SERVICES[1:]), entry="front"
)
SLO = Slo(service="front", latency_ms=300.0, success_ratio=0.99)


@pytest.fixture(scope="module")
def bundle():
    return learned(SHOP)


def learned(topology):
    """Two days of a load between 20 and 60 requests a second, and no incident: priors are alike everywhere."""
    times = pd.date_range(NOW - timedelta(days=2), periods=2880, freq="min").as_unit("ms")
    rate = 40 + 20 * np.sin(2 * np.pi * np.arange(2880) / 1440) + np.random.default_rng(1).normal(0, 1, 2880)
    entry = topology.entry
    rows = pd.DataFrame({"timestamp": times, "component": entry, "metric": "request_rate_per_s", "value": rate})
    metrics, _ = clean(rows, NOW, "made")
    return learn(History(metrics=metrics, topology=topology), seed=1)


def target(weak, cores=1.0, weak_cores=0.6, trusted=True):
    """Two pods a service, 10 ms of work a request; the weak service has less CPU than the others."""
    ones = np.ones(len(SERVICES))
    nominal = Parameters(0.01 * ones, 0.005 * ones, 80 * ones, ones, 5 * ones, 0 * ones)
    sure = Spread(0.03 * ones, 0.03 * ones, 0.03 * ones, 0.03 * ones)
    fit = TwinFit(trusted=trusted, latency_ratio=1.0, error_share_gap=0.0, trials=5, reason="as the test says")
    twin = Twin(call_graph(SHOP), nominal, sure, 1.0, 10.0, fit)
    limits = np.array([[weak_cores if name == weak else cores for name in SERVICES]])
    return Target(
        twin=twin,
        present=Capacity(np.full((1, 4), 2.0), limits, np.full((1, 4), 512.0)),
        slo=SLO,
        phases_s=(36.0, 18.0),
    )


@pytest.fixture(scope="module")
def told(bundle):
    return weaknesses(bundle, DAY, 40, NOW, 7, target("stock"))


def test_the_planted_weakest_service_is_found(bundle, told):
    """Squeezed alike, the one with the least CPU left over breaks first and likeliest, whichever it is."""
    for weak, shown in (("stock", told), ("cart", weaknesses(bundle, DAY, 40, NOW, 7, target("cart")))):
        for fault in Fault.CPU_SQUEEZE, Fault.REPLICA_LOSS:
            of_it = [one for one in shown.by_risk if one.issue.fault is fault]
            assert of_it[0].issue.component == weak
            assert of_it[0].harm > 0 > of_it[0].margin


def test_nothing_on_a_dense_grid_is_much_riskier_or_more_harmful_than_what_was_found(bundle, told):
    """Brute force over every pair, 12 strengths, 12 durations and 6 loads."""
    grid = Grid.over(NOW, DAY)
    law = Law(bundle.incidents, grid, hazards(bundle, grid))
    every = Range(target("stock"), law, bundle.entry_rate(grid.middles).mean)
    every.issues.update({pair: _issue(told, law, pair) for pair in every.pairs.tolist()})
    level = np.linspace(0.02, 0.999, 12)
    mesh = np.stack(np.meshgrid(level, level, np.linspace(0, 1, 6), indexing="ij"), axis=-1).reshape(-1, 3)
    pairs = every.pairs
    shown = every.shown(Points(np.repeat(pairs, len(mesh)), np.tile(mesh, (len(pairs), 1))))
    good = shown.plausibility >= 1e-4
    assert told.by_risk[0].risk >= 0.97 * (shown.probability * shown.harm)[good].max()
    assert told.by_harm[0].harm >= 0.97 * shown.harm[good].max()


def _issue(told, law, pair):
    """Any issue of this fault and component: the twin reads no more of it."""
    hazard = law.hazards[pair]
    return replace(told.by_risk[0].issue, fault=hazard.fault, components=(hazard.component,))


def test_each_says_how_it_ends_how_likely_and_how_plausible_it_is(told):
    assert (
        len(told.by_risk) == len(told.by_harm) == len({(one.issue.component, one.issue.fault) for one in told.by_risk})
    )
    assert [one.risk for one in told.by_risk] == sorted((one.risk for one in told.by_risk), reverse=True)
    assert [one.harm for one in told.by_harm] == sorted((one.harm for one in told.by_harm), reverse=True)
    for issue in told.issues:
        assert issue.edge_case is EdgeCase.ADVERSARIAL
        assert issue.plausibility >= 0.995e-4
        assert NOW <= issue.start <= NOW + DAY
        assert "Searched for on the twin" in " ".join(issue.evidence)
        assert from_json(to_json(issue), SimulatedIssue, "here") == issue


def test_the_same_seed_finds_the_same_and_an_untrusted_twin_says_so(bundle, told):
    doubtful = weaknesses(bundle, DAY, 3, NOW, 7, target("stock", trusted=False))
    assert [one.issue.id for one in doubtful.by_risk] == [one.issue.id for one in told.by_risk[:3]]
    assert [one.harm for one in doubtful.by_harm] == [one.harm for one in told.by_harm[:3]]
    assert all("not trusted" in " ".join(issue.evidence) for issue in doubtful.issues)


def test_a_higher_floor_leaves_only_milder_attacks(bundle, told):
    strict = weaknesses(bundle, DAY, 40, NOW, 7, target("stock"), floor=0.05)
    assert all(issue.plausibility >= 0.0499 for issue in strict.issues)
    assert strict.by_harm[0].harm <= told.by_harm[0].harm + 1e-6


def test_what_survives_everything_plausible_is_told_with_its_thinnest_margin(bundle):
    """Fifty cores a pod: no squeeze, loss or surge matters; calls that fail or answer late still do."""
    roomy = target("stock", cores=50.0, weak_cores=50.0)
    told = weaknesses(bundle, DAY, 40, NOW, 7, roomy)
    squeezes = [one for one in told.by_risk if one.issue.fault is Fault.CPU_SQUEEZE]
    assert squeezes
    assert all(one.harm == 0 and one.margin > 0 and "to spare" in " ".join(one.issue.evidence) for one in squeezes)


def test_the_twin_of_another_system_is_refused(bundle):
    other = replace(bundle, topology=Topology(services=("else",), entry="else"), load={"else": bundle.load["front"]})
    with pytest.raises(BadInput, match="knows none of the twin's services"):
        weaknesses(other, DAY, 1, NOW, 7, target("stock"))


def test_what_it_finds_on_a_study_fails_event_by_event_too(shop, outcomes, tmp_path, monkeypatch):
    """The link: a twin from the study's trials, production's allocation; the verdict from a simulator it never saw."""
    from chaosprsa.chain.context import Context
    from chaosprsa.chain.hunting import weaknesses as hunted

    production = shop.doubled(shop.PRESENT)
    monkeypatch.setattr(Context, "cluster", lambda _: Production(production))
    context = Context(Workspace(tmp_path), settings_of(shop), silent)
    save_bundle(learned(shop.SHOP), tmp_path / "models")
    with pytest.raises(BadInput, match="trials calibrate"):
        hunted(context, "next", DAY, 2, NOW, 7)
    study = Study(
        name="next", namespace="shop", shadow="shop-shadow", scale=0.5, seed=1, items=(), lineage=Lineage(id="study-1")
    )
    write_document(tmp_path / "generated" / "next" / "study.json", study)
    for one in outcomes:
        ours = replace(one, lineage=Lineage(id=one.lineage.id, parents=("study-1",)))
        write_document(tmp_path / "outcomes" / "next" / one.id / "outcome.json", ours)
    told = hunted(context, "next", DAY, 2, NOW, 7)
    worst = told.by_harm[0].issue
    rate = float(load_bundle(tmp_path / "models").entry_rate(np.array([worst.start.timestamp()])).mean[0])
    played = shop.trial(shop.SERVICES, shop.SHOP, production, worst, shop.SLO, rate, 11)
    assert played.verdict is Verdict.FAILED


class Production:
    """What production has, as the cluster would say."""

    def __init__(self, given):
        self.given = given

    def allocation(self, namespace, services):
        assert (namespace, tuple(services)) == ("shop", tuple(one.service for one in self.given.services))
        return self.given


def settings_of(shop):
    edges = [[edge.caller, edge.callee, edge.calls_per_request] for edge in shop.SHOP.edges]
    return parse_settings(
        {
            "cluster": {"namespace": "shop"},
            "topology": {"entry": "gateway", "services": list(shop.SHOP.services), "edges": edges},
            "slo": {"gateway": {"latency_ms": 250}},
            "trial": {"before_s": 30, "fault_s": 40, "after_s": 20},
        },
        "chaosprsa.toml",
    )
