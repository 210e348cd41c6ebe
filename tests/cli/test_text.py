"""What the terminal is shown of issues: dates, small chances, and what is an edge case's own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chaosprsa.cli.recommended import bounds, remedy, rungs
from chaosprsa.cli.text import chance, issues_table
from chaosprsa.types import (
    Allocation,
    Bounds,
    EdgeCase,
    Fault,
    Impact,
    Interval,
    Lineage,
    Remedy,
    Resources,
    Rung,
    ServiceAllocation,
    Severity,
    SimulatedIssue,
    Survival,
)

ONE = SimulatedIssue(
    id="i1",
    kind="outage",
    fault=Fault.POD_KILL,
    strength=0.5,
    components=("cart",),
    origin=datetime(2026, 3, 1, 12, tzinfo=UTC),
    start_s=timedelta(days=1, hours=2).total_seconds(),
    duration_s=600.0,
    severity=Severity.MAJOR,
    probability=0.004,
    impact=Impact(latency_ratio=Interval(low=1.0, mid=2.0, high=3.0), error_share=Interval(low=0.0, mid=0.1, high=0.2)),
    novelty=0.25,
    evidence=(),
    lineage=Lineage(id=""),
)


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.62, "62%"), (0.095, "10%"), (0.004, "0.4%"), (1e-7, "<0.01%"), (0.999, "99%"), (1, "100%")],
)
def test_a_chance_is_never_said_to_be_none_or_sure_where_it_is_not(probability, said):
    assert chance(probability) == said


def test_the_table_has_the_date_and_small_chances():
    told = issues_table([ONE])
    assert "Mon 02 Mar 14:00" in told
    assert "0.4%" in told


def test_the_table_says_what_its_numbers_are_and_how_many_issues_it_leaves_out():
    """A reader once took x2.0 for seconds, and twenty issues of which eleven were shown for eleven."""
    told = issues_table([ONE, replace(ONE, id="i3", probability=0.002)])
    assert "latency: times the usual" in told
    assert "errors: share of requests" in told
    assert "1 more" in told
    assert "more" not in issues_table([ONE])
    assert "novel: 0 was seen before" in issues_table([replace(ONE, edge_case=EdgeCase.TAIL)])


def test_an_edge_case_shows_its_own_plausibility_and_novelty_not_its_pairs_chance():
    strange = replace(ONE, id="i2", edge_case=EdgeCase.TAIL, plausibility=0.031, probability=0.62)
    usual, edges, _ = issues_table([ONE, strange]).split("\n\n")
    assert "0.4%" in usual
    assert "62%" not in usual + edges
    row = edges.splitlines()[1]
    for words in ("tail", "0.031", "0.25"):
        assert words in row


SMALL = Resources(cpu_request_millicores=50, cpu_limit_millicores=50, memory_request_mib=96, memory_limit_mib=96)


def test_bounds_have_a_range_only_where_something_may_move():
    least = ServiceAllocation(service="cart", replicas=2, resources=SMALL)
    most = replace(least, replicas=20)
    assert bounds(Bounds(service="cart", least=least, most=most)) == "2-20 x 50m, 96Mi"


LOST = Survival(
    issue_id="i1",
    component="cart",
    fault=Fault.POD_KILL,
    probability=0.1,
    now=False,
    recommended=False,
    evidence="twin",
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, ""),
        (Remedy(allocation=None, cost_month=None, words="nothing survives it"), "; nothing survives it"),
        (
            Remedy(allocation=Allocation(services=()), cost_month=12.3, words="web 3 -> 5 replicas"),
            "; surviving it would cost +12.30 USD a month (web 3 -> 5 replicas)",
        ),
    ],
)
def test_what_surviving_would_cost_is_said_where_it_is_known(found, said):
    assert remedy(replace(LOST, remedy=found), "USD") == said


def test_a_rung_says_how_far_it_was_from_the_one_below_and_what_is_chance():
    fluid = Rung(fidelity="fluid", candidates=900, plays=40_000, seconds=7_200_000.0)
    exact = Rung(
        fidelity="exact",
        candidates=3,
        plays=60,
        seconds=3600.0,
        difference=1.08,
        least_detectable=0.042,
        equal=2,
        step=0.7,
    )
    first, second = rungs([fluid, exact])
    assert first == "fluid     900 candidates, 40000 plays, 2000.0 h of the system's time"
    assert second.split("; ") == [
        "exact     3 candidates, 60 plays, 1.0 h of the system's time",
        "uses x1.08 of what the rung below said",
        "less than 4.2% of the SLO is chance, by which 2 more are equal",
        "after a miss 70% of the way at most",
    ]
