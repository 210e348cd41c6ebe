"""Issues raise others as the incident process has it: as many, as late, where they are or along a call edge."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from chaosprsa.hazards import Grid, hazards
from chaosprsa.issues import draw_issues
from chaosprsa.issues.cascades import Raising, first
from chaosprsa.issues.law import NONE, Draws, Law
from chaosprsa.types import Incident

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
WEEKS = timedelta(days=60)
STAY, ALONG, BRANCHING, MEMORY_DAYS = 0.4, 0.35, 0.6, 0.1


@pytest.fixture(scope="module")
def excited(bundle):
    """The bundle with a process whose numbers are known: one memory, an even clock."""
    model = bundle.incidents
    process = replace(model.process, base=0.4, usual=1.0, memories_days=(MEMORY_DAYS,), branching=(BRANCHING,))
    near = {
        name: tuple(
            sorted(
                {edge.caller for edge in bundle.topology.callers(name)}
                | {edge.callee for edge in bundle.topology.callees(name)}
            )
        )
        for name in bundle.topology.services
    }
    naming = replace(model.naming, stay=(STAY,), along=(ALONG,), neighbours=near)
    even = replace(model, process=process, naming=naming, hours=(1.0,) * 24, weekdays=(1.0,) * 7)
    return replace(bundle, incidents=even, past=())


def cascades_of(excited, count, seed=3):
    grid = Grid.over(NOW, WEEKS)
    raising = Raising(excited.incidents)
    law = Law(excited.incidents, grid, hazards(excited, grid), raising.within)
    rng = np.random.default_rng(seed)
    roots = law.drawn(law.picks(law.usual, count, rng), rng)
    early = replace(roots, start_s=roots.start_s / 1000)  # none of what they raise comes after the horizon
    return law, *raising.cascades(law, early, rng)


def test_each_raises_as_many_as_the_process_says(excited):
    """Branching x (stay + along) each, so 1 / (1 - that) in a whole cascade (Hawkes and Oakes 1974)."""
    _, draws, _ = cascades_of(excited, 4000)
    ratio = BRANCHING * (STAY + ALONG)
    raised = np.count_nonzero(draws.parent != NONE)
    assert abs(raised - len(draws) * ratio) < 4 * np.sqrt(len(draws) * ratio)
    own = np.bincount(draws.parent[draws.parent >= 0], minlength=len(draws))
    expected = stats.poisson.pmf(np.arange(4), ratio) * len(draws)
    seen = [np.count_nonzero(own == number) for number in range(3)]
    assert (
        stats.chisquare([*seen, len(draws) - sum(seen)], [*expected[:3], len(draws) - expected[:3].sum()]).pvalue
        > 0.001
    )


def test_cascades_stay_or_go_along_call_edges_in_the_fitted_shares(excited):
    law, draws, _ = cascades_of(excited, 4000)
    names = [law.hazards[at].component for at in draws.which.tolist()]
    near = excited.incidents.naming.neighbours
    moved = Counter()
    for number, parent in enumerate(draws.parent.tolist()):
        if parent >= 0:
            assert names[number] in {names[parent], *near[names[parent]]}
            moved[names[number] != names[parent]] += 1
    share = ALONG / (STAY + ALONG)
    assert stats.binomtest(moved[True], moved.total(), share).pvalue > 0.001


def test_what_is_raised_follows_with_the_processs_memory(excited):
    _, draws, _ = cascades_of(excited, 4000)
    rows = np.flatnonzero(draws.parent >= 0)
    delays = draws.start_s[rows] - draws.start_s[draws.parent[rows]]
    assert stats.kstest(delays / 86_400, "expon", args=(0, MEMORY_DAYS)).pvalue > 0.001


def test_a_memory_says_how_many_are_raised_within_a_time(excited):
    within = Raising(excited.incidents).within(np.array([0.0, MEMORY_DAYS * 86_400, 1e9]))
    ratio = BRANCHING * (STAY + ALONG)
    assert within == pytest.approx([0, ratio * (1 - np.exp(-1)), ratio])


def test_the_first_so_many_are_whole_cascades_and_parents_come_before_what_they_raise(excited):
    _, draws, whose = cascades_of(excited, 300)
    for count in (1, 17, 100, 300):
        chosen = first(draws, whose, count)
        assert len(chosen) == count
        assert all(parent < number for number, parent in enumerate(chosen.parent.tolist()))
    assert isinstance(first(draws, whose, 0), Draws)


def test_raised_issues_name_what_raised_them_and_begin_after_it(excited):
    drawn = draw_issues(excited, timedelta(days=3), 3000, np.random.default_rng(5), NOW, 5)
    by_id = {issue.id: issue for issue in drawn}
    raised = [issue for issue in drawn if issue.raised_by]
    assert len(drawn) == 3000
    assert len(raised) > 300
    for issue in raised:
        parent = by_id[issue.raised_by]
        assert issue.start >= parent.start
        assert issue.lineage.parents[1] == parent.lineage.id
        assert parent.id in " ".join(issue.evidence)
        assert issue.edge_case is None


def test_what_happened_lately_raises_the_rate_there_and_next_to_it_and_fades(excited):
    one = Incident(start=NOW - timedelta(seconds=1), component="payment", kind="cpu-squeeze")
    long_ago = Incident(start=NOW - timedelta(days=90), component="payment", kind="cpu-squeeze")
    grid = Grid.over(NOW, timedelta(days=3))

    def rates(past):
        found = Counter()
        for hazard in hazards(replace(excited, past=past), grid):
            found[hazard.component] += hazard.rate_per_s[[0, -1]] * 86_400
        return found

    quiet, after = rates((long_ago,)), rates((long_ago, one))
    assert after["payment"][0] > 2 * quiet["payment"][0]
    assert after["checkout"][0] > 1.2 * quiet["checkout"][0]  # it calls payment
    assert after["payment"][1] < after["payment"][0] / 1.5
    said = [hazard.evidence for hazard in hazards(replace(excited, past=(long_ago, one)), grid)]
    assert any("times the mean rate" in " ".join(lines) for lines in said)
