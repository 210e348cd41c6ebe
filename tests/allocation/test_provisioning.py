"""Hold always or ahead of time: windows from draws, floors that are ready before them, money and risk that add up."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from chaosprsa.allocation.autoscaling import autoscaling
from chaosprsa.allocation.engine import Case, Engine
from chaosprsa.allocation.foresight import foresee, shortest
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.placing import NODE_START_S, placeholders
from chaosprsa.allocation.provisioning import SLOWEST, SYNC_S, provision
from chaosprsa.allocation.risk import Risk
from chaosprsa.allocation.space import CPU, REPLICAS, point_of
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import HOURS_A_MONTH, Fault, Limits, Prices

EVENING_S, DAY_S = 6 * 3600.0, 86_400.0


def drawn(issue, starts_s):
    return tuple(replace(issue, id=f"{issue.id}-{at}", start_s=float(start)) for at, start in enumerate(starts_s))


@pytest.fixture(scope="module")
def surge(shop):
    return shop.issue_of(Fault.TRAFFIC_SURGE, "gateway", 2.0)


@pytest.fixture(scope="module")
def kill(shop):
    return shop.issue_of(Fault.POD_KILL, "stock", 0.2)


@pytest.fixture(scope="module")
def in_the_evening(surge):
    """Four hundred draws of a surge that comes at six, give or take ten minutes."""
    return drawn(surge, EVENING_S + np.random.default_rng(1).normal(0.0, 600.0, 400))


def engine_of(shop, outcomes, issues, draws, **changed):
    given = {
        "issues": issues,
        "production": shop.allocation_of(shop.SHOP, 8, 500, 256),
        "load": EntryLoad(base_per_s=30.0, peak_per_s=80.0),
        "topology": shop.SHOP,
        "slo": shop.SLO,
        "prices": Prices(cpu_core_hour=0.04, memory_gib_hour=0.005),
        "safety": SafetyTable(),
        "seed": 3,
        "now": shop.NOON,
        "phases_s": (40.0, 20.0),
        "draws": draws,
    }
    return Engine(Case(**given | changed), outcomes)


@pytest.fixture(scope="module")
def engine(shop, outcomes, surge, kill, in_the_evening):
    """A pod's end may come at any time of the day."""
    any_time = drawn(kill, np.random.default_rng(2).uniform(0.0, DAY_S, 400))
    return engine_of(shop, outcomes, (surge, kill), (*in_the_evening, *any_time))


@pytest.fixture(scope="module")
def plan(engine):
    return provision(engine, engine.space.present)


def test_what_is_predicted_for_the_evening_is_held_then_and_what_may_come_any_time_always(plan, surge, kill):
    assert plan.ahead
    assert {one.issue_id: one.ahead for one in plan.foreseen} == {surge.id: True, kill.id: False}
    assert {issue for floor in plan.floors for issue in floor.issues} == {surge.id}


def test_pods_are_ordered_a_slow_start_before_the_window_and_go_after_it(plan, engine, shop):
    evening, twin = shop.NOON + timedelta(seconds=EVENING_S), engine.twin
    for floor in plan.floors:
        at = engine.space.services.index(floor.service)
        slow = twin.nominal.start_delay_s[at] * np.exp(SLOWEST * twin.spread.start_delay[at]) + SYNC_S
        assert floor.lead_s == pytest.approx(slow, abs=0.1)
        assert (floor.ready_by - floor.begins).total_seconds() == pytest.approx(slow, abs=1.0)
        assert timedelta(0) < evening - floor.ready_by < timedelta(hours=1)
        assert timedelta(0) < floor.lapses - evening < timedelta(hours=1)


def test_in_its_window_the_issue_is_survived_and_outside_what_is_held_always(plan, engine, surge, kill):
    space = engine.space
    usual = np.array([one.replicas for one in plan.usual.services])
    there = space.present.copy()
    there[:, REPLICAS] = usual
    assert (engine.predicted(kill.id)(space.capacity(there[None])).violation <= 0).all()
    assert (engine.predicted(surge.id)(space.capacity(there[None])).violation > 0).all()
    for floor in plan.floors:
        there[space.services.index(floor.service), REPLICAS] = floor.floor
    assert (engine.predicted(surge.id)(space.capacity(there[None])).violation <= 0).all()


def test_the_risk_is_allowed_with_the_surprises_counted(plan, engine):
    assert plan.risk_always <= plan.risk_ahead <= engine.case.risk.limit


def test_costs_are_hours_times_pods(plan, engine):
    prices = engine.case.prices
    a_pod_hour = {one.service: one.cost_month(prices) / one.replicas / HOURS_A_MONTH for one in plan.usual.services}
    held = sum(one.replicas * a_pod_hour[one.service] for one in plan.usual.services) * 24
    ahead = sum(
        (one.floor - one.usual) * a_pod_hour[one.service] * (one.lapses - one.begins).total_seconds() / 3600
        for one in plan.floors
    )
    always = engine.space.allocation(engine.space.present).cost_month(prices) / HOURS_A_MONTH * 24
    assert plan.cost_ahead == pytest.approx(held + ahead, rel=1e-3)
    assert plan.cost_always == pytest.approx(always, rel=1e-6)
    assert plan.cost_ahead < plan.cost_always


def test_a_surge_whose_time_nobody_knows_is_held_always(shop, outcomes, surge):
    at_any_time = drawn(surge, np.random.default_rng(3).uniform(0.0, DAY_S, 400))
    for draws in (at_any_time, ()):
        engine = engine_of(shop, outcomes, (surge,), draws)
        found = provision(engine, engine.space.present)
        assert not found.ahead
        assert found.floors == ()
        assert found.usual == engine.space.allocation(engine.space.present)
        assert found.reason == "no issue's time is known well enough"


@pytest.mark.slow
def test_a_window_that_one_in_four_miss_is_not_relied_on(shop, outcomes, surge, in_the_evening):
    elsewhere = drawn(replace(surge, id="other"), np.random.default_rng(4).uniform(0.0, DAY_S, 130))
    engine = engine_of(shop, outcomes, (surge,), (*in_the_evening, *elsewhere))
    assert not provision(engine, engine.space.present).ahead


@pytest.mark.slow
def test_an_untrusted_twin_leaves_nothing_to_timing(shop, outcomes, surge, in_the_evening):
    slowed = tuple(
        replace(
            one,
            load={
                phase: replace(each, latency_slo_ms=each.latency_slo_ms * (10 if at % 2 else 1))
                for phase, each in one.load.items()
            },
        )
        for at, one in enumerate(outcomes)
    )
    engine = engine_of(shop, slowed, (surge,), in_the_evening)
    assert not engine.twin.fit.trusted
    assert "not trusted" in provision(engine, engine.space.present).reason


@pytest.mark.slow
def test_no_floor_is_below_what_safety_allows(shop, outcomes, surge, in_the_evening):
    engine = engine_of(shop, outcomes, (surge,), in_the_evening, safety=SafetyTable(min_replicas=3))
    assert min(one.replicas for one in provision(engine, engine.space.present).usual.services) >= 3


# --- windows -----------------------------------------------------------------------------------------------------


def test_the_shortest_stretch_of_known_values():
    assert shortest(np.array([0.0, 10.0, 11.0, 12.0, 40.0]), 0.6) == (10.0, 12.0)
    assert shortest(np.array([5.0]), 0.9) == (5.0, 5.0)


def test_a_window_is_as_sure_as_draws_it_has_not_seen(shop, surge):
    """Half of the draws at six, half at any time: a window of nine in ten holds about nine in ten of others, too."""
    rng = np.random.default_rng(5)
    starts = np.concatenate((rng.normal(EVENING_S, 300.0, 1000), rng.uniform(0.0, DAY_S, 1000)))
    (found,) = foresee((surge,), drawn(surge, starts), shop.NOON, DAY_S, 0.6)
    assert found.sure == pytest.approx(0.6, abs=0.05)
    assert found.begins_s < EVENING_S < found.ends_s


def test_draws_of_the_past_of_others_and_beyond_the_horizon_say_nothing(shop, surge, kill):
    later = shop.NOON + timedelta(hours=12)
    draws = (*drawn(surge, np.full(300, 3600.0)), *drawn(kill, np.full(300, EVENING_S)))
    (found,) = foresee((surge,), draws, later, DAY_S, 0.9)
    assert not found.known


# --- nodes -------------------------------------------------------------------------------------------------------


def test_pods_that_fit_on_the_nodes_need_no_placeholder(plan, engine):
    space = replace(engine.space, limits=Limits(nodes=((20_000, 20_000),)))
    assert placeholders(space, point_with(space, plan.usual), plan.floors, engine.case.now) == ()


def test_placeholders_are_as_many_as_find_no_node_and_come_before_the_pods(plan, engine):
    """The usual pods fill the only node but for one pod of 250m and 128 MiB: all further ones but one lack room."""
    usual = point_with(engine.space, plan.usual)
    full = int(usual[:, REPLICAS].sum()) * 250 + 250
    space = replace(engine.space, limits=Limits(nodes=((full, 100_000),)))
    further = sum(one.floor - one.usual for one in plan.floors)
    found = placeholders(space, usual, plan.floors, engine.case.now)
    assert sum(one.pods for one in found) == further - 1
    by_service = {one.service: one for one in plan.floors}
    for one in found:
        assert (by_service[one.service].begins - one.begins).total_seconds() == NODE_START_S
        assert one.lapses == by_service[one.service].lapses


def test_where_the_nodes_are_not_known_there_is_one_for_every_further_pod(plan):
    assert {(one.service, one.pods) for one in plan.placeholders} == {
        (one.service, one.floor - one.usual) for one in plan.floors
    }


def point_with(space, allocation):
    point = space.present.copy()
    point[:, : CPU + 1] = point_of(allocation, space.services)[:, : CPU + 1]
    return point


# --- autoscalers -------------------------------------------------------------------------------------------------


def test_at_its_target_a_service_holds_the_slo_and_the_ceiling_carries_the_surge(engine, surge):
    space, point = engine.space, engine.space.present
    found = {one.service: one for one in autoscaling(engine, point, point)}
    peak, twin = engine.case.load.peak_per_s, engine.twin
    for at, service in enumerate(space.services):
        one, busy = found[service], peak * twin.graph.visits[at] * twin.nominal.demand_s[at]
        assert one.floor == point[at, REPLICAS]
        assert one.ceiling >= np.ceil(surge.strength * busy / 0.25 / (one.target / 100))
    stretched = min(
        found[name].target / 100 * 1.1 * 8 * 0.25 / (peak * twin.graph.visits[at] * twin.nominal.demand_s[at])
        for at, name in enumerate(space.services)
    )
    loaded = engine.usual.at_scale(stretched)
    assert (loaded(space.capacity(point[None])).violation <= 0).all()


@pytest.mark.slow
def test_a_ceiling_stays_within_the_quota_and_says_so(shop, outcomes):
    issues = (shop.issue_of(Fault.TRAFFIC_SURGE, "gateway", 2.0),)
    pods = 8 * 4 + 1
    production = shop.allocation_of(shop.SHOP, 8, 500, 256)
    engine = engine_of(shop, outcomes, issues, (), limits=Limits(pods=pods), production=production)
    point = engine.space.present.copy()
    point[:, REPLICAS] = (4, 6, 3, 3)
    found = autoscaling(engine, point, point)
    assert sum(one.ceiling for one in found) <= pods
    unbound = autoscaling(engine_of(shop, outcomes, issues, ()), point, point)
    assert [one.floor for one in found] == [one.floor for one in unbound] == [4, 6, 3, 3]


@pytest.mark.slow
def test_no_target_is_given_where_the_usual_peak_misses_the_slo(shop, outcomes, surge):
    engine = engine_of(shop, outcomes, (surge,), (), load=EntryLoad(base_per_s=30.0, peak_per_s=400.0), risk=Risk())
    point = engine.space.present.copy()
    point[:, REPLICAS] = 2
    assert {one.target for one in autoscaling(engine, point, point)} == {None}
