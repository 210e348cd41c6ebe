"""A learnt policy: on worlds as the fluid twin has them, the best where that is known, and safe where it isn't."""

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from chaosprsa.autoscalers import Hpa, Reading, System
from chaosprsa.errors import BadInput, ToolMissing
from chaosprsa.operating import Ahead, Fixed, Learned, Lessons, World, learn_policy, policies
from chaosprsa.operating.fitted_q import ACTIONS, Transitions, fitted
from chaosprsa.operating.learning import experience
from chaosprsa.operating.watch import FEATURES
from chaosprsa.operating.world import Drawn, announcement
from chaosprsa.twin.course import effects_of
from chaosprsa.twin.graph import call_graph
from chaosprsa.twin.parameters import Parameters, Spread, Twin
from chaosprsa.types import (
    Edge,
    Fault,
    Impact,
    Interval,
    Lineage,
    Severity,
    SimulatedIssue,
    Topology,
    TwinFit,
)

NAMES = ("front", "back")
DEMAND_S = np.array([0.01, 0.02])
SYSTEM = System(
    services=NAMES,
    entry=0,
    cores=np.ones(2),
    replicas=np.array([3, 6]),
    most_replicas=np.array([40, 40]),
    start_s=30.0,
    step_s=15.0,
    slo_s=1.0,
)


@pytest.fixture(scope="module")
def twin():
    none = np.zeros(2)
    return Twin(
        graph=call_graph(Topology(services=NAMES, entry="front", edges=(Edge(caller="front", callee="back"),))),
        nominal=Parameters(DEMAND_S, none, none, none, np.full(2, 30.0), none),
        spread=Spread(none, none, none, none),
        work_cv2=1.0,
        timeout_s=30.0,
        fit=TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=0, reason=""),
    )


def issue(fault, strength, start_s=300.0, duration_s=120.0, where="back", probability=0.5):
    nothing = Interval(low=0.0, mid=0.0, high=0.0)
    return SimulatedIssue(
        id=f"{fault}",
        kind=str(fault),
        fault=fault,
        strength=strength,
        components=(where,),
        origin=datetime(2026, 1, 1, tzinfo=UTC),
        start_s=start_s,
        duration_s=duration_s,
        severity=Severity.MAJOR,
        probability=probability,
        impact=Impact(latency_ratio=nothing, error_share=nothing),
        novelty=0.0,
        evidence=(),
        lineage=Lineage(id="one"),
    )


def lessons(twin, **given):
    load = 200.0 + 60.0 * np.sin(np.arange(60) / 8.0)
    issues = (issue(Fault.POD_KILL, 0.4), issue(Fault.TRAFFIC_SURGE, 1.4, where="front"))
    return Lessons(**{"twin": twin, "system": SYSTEM, "load_per_s": load, "issues": issues} | given)


def steady(twin, load_per_s=200.0, steps=40, issues=(), announced=()):
    count = len(issues)
    drawn = Drawn(
        load_per_s=np.full((steps, 1), load_per_s),
        work=np.ones((1, 2)),
        issues=issues,
        where=np.zeros(count, np.int64),
        happens=np.ones(count, bool),
        announced=np.array(announced or np.zeros(count)),
    )
    return World(twin, SYSTEM, drawn)


def played(world, headroom=1.5):
    rows = [world.reset()]
    while not world.done:
        rows.append(world.step(np.full(world.environments, headroom)))
    return np.array(rows)[:, 0]


def reading(time_s=15.0, arrivals=200.0, **given):
    usual = {
        "time_s": time_s,
        "latency_p99_s": 0.2,
        "failed": 0.0,
        "arrivals_per_s": np.full(2, arrivals),
        "answered_per_s": np.full(2, arrivals),
        "mean_s": np.array([0.1, 0.05]),
        "cpu_cores": DEMAND_S * arrivals,
        "throttled": np.zeros(2),
        "ready": np.array([3, 6]),
        "starting": np.zeros(2, np.int64),
        "cores": np.ones(2),
        "memory_mib": np.zeros(2),
        "oom_kills": np.zeros(2),
    }
    return Reading(**usual | given)


def test_in_a_steady_state_the_world_costs_and_uses_what_arithmetic_says(twin):
    world = steady(twin)
    features = played(world)[-1]
    need = 200.0 * DEMAND_S  # 2 and 4 cores, of which 1.5 times as much is ordered in whole pods
    pods = np.ceil(1.5 * need)
    assert world.cost[0] == pytest.approx(pods.sum() / need.sum(), rel=1e-3)
    assert features[FEATURES.index("fullest")] == pytest.approx(float((need / pods).max()), rel=0.01)
    assert features[FEATURES.index("supply")] == pytest.approx(float(np.log(pods / need).min()), abs=0.01)
    assert world.late[0] < 1e-3


def test_too_few_cores_make_the_requests_late_that_arithmetic_says_cannot_be_served(twin):
    world = steady(twin, steps=30)
    played(world, 0.87)  # 0.87 x 4 cores at the back are 4 pods: full
    assert world.late[0] > 0.5


def test_a_killed_pod_is_gone_for_its_start_and_a_surge_is_seen(twin):
    rows = played(steady(twin, issues=(issue(Fault.POD_KILL, 0.5, start_s=300.0, duration_s=30.0),)))
    supply = rows[:, FEATURES.index("supply")]
    assert supply[20] == pytest.approx(np.log(3 / 4), abs=0.05)  # half of six pods for four cores
    assert supply[23] > 0.3
    surged = steady(twin, issues=(issue(Fault.TRAFFIC_SURGE, 1.5, where="front"),))
    played(surged)
    assert surged.arrived[0] == pytest.approx(200.0)


def test_pods_are_there_before_an_announced_surge_and_not_before_one_that_comes_as_a_surprise(twin):
    surge = issue(Fault.TRAFFIC_SURGE, 1.5, where="front")
    late = []
    for said in ([1.0], [0.0]):
        world, sum_late = steady(twin, issues=(surge,), announced=said), 0.0
        world.reset()
        while not world.done:
            world.step(np.full(1, 1.2))
            sum_late += float(world.late[0])
        late.append(sum_late)
    assert late[0] < 0.2 * late[1]


def test_what_is_announced_is_the_predicted_need_by_its_probability():
    issues = (issue(Fault.POD_KILL, 0.5), issue(Fault.TRAFFIC_SURGE, 1.4, where="front"))
    effects = effects_of(issues, NAMES, np.array([0.5, 1.4]))
    found = announcement(effects, np.array([0.5, 1.0]))
    assert found == pytest.approx(np.array([[1.0, 1.5], [1.4, 1.4]]))  # half of twice as much more; all are surged


def test_the_same_seed_learns_the_same_policy_and_another_seed_another(twin):
    few = lessons(twin)
    first, again, other = (fitted(experience(few, seed, 1), 20.0) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_the_best_headroom_of_a_problem_with_a_known_optimum_is_found():
    """A step costs its action, lateness is its squared distance from b: at price p, b - 1 / 2p is best."""
    rng = np.random.default_rng(0)
    size, price = 6000, 5.0
    before, after = (np.column_stack([rng.uniform(-1, 1, size), np.zeros((size, 7))]) for _ in range(2))
    action = rng.uniform(ACTIONS[0], ACTIONS[-1], size)
    late = (action - (0.4 + 0.25 * before[:, 0])) ** 2
    policy = fitted(Transitions(before, action, action, late, after), price, shrinking=3.0)
    asked = np.zeros((9, 8))
    asked[:, 0] = np.linspace(-1, 1, 9)
    best = 0.4 + 0.25 * asked[:, 0] - 1 / (2 * price)
    lost = np.square(np.log(policy.headroom(asked)) - best)
    assert lost.mean() < best.var() / 3  # of what the best fixed headroom loses; ridge draws towards that


def test_a_policy_never_leaves_the_trust_region(twin):
    for policy in policies(lessons(twin), 1, (50.0, 3.0)):
        wild = np.random.default_rng(0).normal(0, 50, (200, len(FEATURES)))
        moved = np.log(policy.headroom(wild) / policy.around)
        assert moved.min() >= -0.15 - 1e-6
        assert moved.max() <= 0.45 + 1e-6


def test_a_policy_survives_json_and_other_features_are_refused(twin):
    policy = fitted(experience(lessons(twin), 1, 1), 20.0, 1.4)
    told = json.loads(json.dumps(policy.as_json()))
    assert Learned.from_json(told) == policy
    with pytest.raises(BadInput, match="learn it again"):
        Learned.from_json(told | {"features": ["moon"]})


def test_missing_numbers_change_nothing_and_unknown_situations_are_the_reactive_rules(twin):
    known = fitted(experience(lessons(twin), 1, 1), 20.0, 1.4)
    controller = Ahead(policy=replace(known, low=(5.0,) * 8, high=(6.0,) * 8)).begin(SYSTEM)
    reactive = Hpa().begin(SYSTEM)
    for step in range(1, 4):
        seen = reading(15.0 * step)
        assert controller.decide(seen).replicas.tolist() == reactive.decide(seen).replicas.tolist()
    assert controller.reacted == 3
    before = controller.decide(reading(60.0)).replicas
    held = controller.decide(reading(75.0, cpu_cores=np.full(2, np.nan)))
    assert held.replicas.tolist() == before.tolist()
    assert controller.held == 1


def test_a_fixed_headroom_orders_whole_pods_of_what_is_needed_and_more_where_an_issue_is_announced():
    calm = Ahead(policy=Fixed(1.5)).begin(SYSTEM)
    told = Ahead(policy=Fixed(1.5), announced=(issue(Fault.TRAFFIC_SURGE, 2.0, 30.0, probability=1.0),)).begin(SYSTEM)
    assert calm.decide(reading()).replicas.tolist() == [3, 6]
    assert told.decide(reading()).replicas.tolist() == [6, 12]
    for step in range(2, 20):
        last = told.decide(reading(15.0 * step))
    assert last.replicas.tolist() == [3, 6]  # it is over


def test_where_an_announced_issue_is_at_no_known_service_it_is_refused():
    with pytest.raises(BadInput, match="moon"):
        Ahead(policy=Fixed(1.5), announced=(issue(Fault.POD_KILL, 0.5, where="moon"),)).begin(SYSTEM)


def test_the_examination_on_the_exact_twin_keeps_a_policy_only_where_it_was_better(twin):
    found = learn_policy(lessons(twin), 1, situations=2)
    assert isinstance(found.chosen, Learned if found.kept else Fixed)
    assert found.kept == (found.bound > 0)
    assert found.bound <= found.gain
    assert ("not shown better" in found.note) == (not found.kept)


def test_the_environment_passes_gymnasiums_checker(twin):
    checker = pytest.importorskip("gymnasium.utils.env_checker")
    from chaosprsa.operating.environment import HeadroomEnvironment

    checker.check_env(HeadroomEnvironment(lessons(twin)), skip_render_check=True)


def test_without_gymnasium_the_package_works_and_the_environment_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "chaosprsa.operating.environment", raising=False)
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ToolMissing, match=r"pip install 'chaosprsa\[rl\]'"):
        import chaosprsa.operating.environment  # noqa: F401 -- only whether it can be
