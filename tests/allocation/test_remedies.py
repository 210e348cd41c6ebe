"""What surviving a further issue would take: enough of it, as little as can be, and nothing beyond the limits."""

from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.engine import SEARCH_STEP_S, Case, Engine
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.remedies import MOST_SEARCHED, Must, cheapest, remedies
from chaosprsa.allocation.space import CPU
from chaosprsa.allocation.survival import Shown, verdicts
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import Fault, Limits, Prices

NOTHING_SHOWN = Shown({}, (), frozenset())


def engine_of(shop, outcomes, issues, **changed):
    given = {
        "issues": issues,
        "production": shop.doubled(shop.PRESENT),
        "load": EntryLoad(base_per_s=30.0, peak_per_s=80.0),
        "topology": shop.SHOP,
        "slo": shop.SLO,
        "prices": Prices(cpu_core_hour=0.04, memory_gib_hour=0.005),
        "safety": SafetyTable(),
        "seed": 3,
        "now": shop.NOON,
        "phases_s": (40.0, 20.0),
    }
    return Engine(Case(**given | changed), outcomes)


def asked(engine, point=None, shown=NOTHING_SHOWN):
    at = engine.space.present if point is None else point
    return remedies(engine, at, verdicts(engine.space, engine.final, at, shown, engine.twin.fit.trusted, {}))


@pytest.fixture(scope="module")
def issues(shop):
    return (shop.issue_of(Fault.TRAFFIC_SURGE, "gateway", 2.0), shop.issue_of(Fault.DEPENDENCY_FAILING, "pay", 0.5))


@pytest.fixture(scope="module")
def engine(shop, outcomes, issues):
    return engine_of(shop, outcomes, issues)


@pytest.fixture(scope="module")
def told(engine):
    return asked(engine)


def test_what_it_takes_survives_the_issue_and_costs_what_it_says(engine, issues, told):
    space, surge = engine.space, issues[0]
    found = told[surge.id]
    more = found.allocation.cost_month(space.prices) - space.allocation(space.present).cost_month(space.prices)
    assert found.cost_month == pytest.approx(more, abs=1e-3)
    given = np.array([(one.replicas, one.resources.cpu_limit_millicores) for one in found.allocation.services])
    point = space.present.copy()
    point[:, : CPU + 1] = given
    assert (engine.predicted(surge.id)(space.capacity(point[None])).violation <= 0).all()


def test_a_step_less_of_anything_would_not_do(engine, issues):
    """No single step down of what was found is cheaper and still survives: it is a least, not just enough."""
    space = engine.space
    must = Must(engine.objective(space.present, SEARCH_STEP_S), engine.predicted(issues[0].id), 1.0)
    best = cheapest(must, space.present, space).point
    for at, part in np.argwhere(best > space.low):
        less = best.copy()
        less[at, part] -= space.step[at, part]
        assert must(less[None]).violation[0] > 0


def test_nothing_is_taken_elsewhere_where_that_alone_would_save(engine, issues, told):
    """Production has more than it needs: to survive a surge besides must not look cheaper than not to."""
    found = told[issues[0].id]
    assert found.cost_month > 0
    for now, then in zip(engine.case.production.services, found.allocation.services, strict=True):
        assert then.replicas >= now.replicas
        assert then.resources.cpu_limit_millicores >= now.resources.cpu_limit_millicores


def test_what_nothing_survives_is_said(issues, told):
    found = told[issues[1].id]
    assert (found.allocation, found.cost_month) == (None, None)
    assert "nothing within [safety]'s limits" in found.words


def test_a_quota_in_the_way_is_named(shop, outcomes, issues):
    production = shop.doubled(shop.PRESENT)
    used = sum(one.replicas * one.resources.cpu_limit_millicores for one in production.services)
    engine = engine_of(shop, outcomes, issues[:1], limits=Limits(cpu_limits_millicores=used))
    found = asked(engine)[issues[0].id]
    assert found.allocation is None
    assert "the quota of CPU limits" in found.words


def test_what_is_survived_needs_nothing(engine, issues):
    generous = engine.space.high
    assert issues[0].id not in asked(engine, generous)


def test_only_the_shadow_misses_it_so_the_twin_cannot_tell(engine, issues):
    shown = Shown({issues[0].id: False}, (), frozenset())
    found = asked(engine, engine.space.high, shown)[issues[0].id]
    assert found.cost_month is None
    assert "only the shadow's trial" in found.words


def test_the_likeliest_are_looked_for_and_the_others_say_so(shop, outcomes):
    many = tuple(
        replace(shop.issue_of(Fault.DEPENDENCY_FAILING, "pay", 0.5), id=f"i{at}", probability=0.5 - at / 100)
        for at in range(MOST_SEARCHED + 1)
    )
    found = asked(engine_of(shop, outcomes, many))
    assert [one for one in found if "not looked for" in found[one].words] == [many[-1].id]
