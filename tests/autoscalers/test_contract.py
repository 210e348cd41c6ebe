"""What holds for every policy, whatever it reads: the stage, benchmarks and `compare` rely on nothing else."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.autoscalers import (
    Behaviour,
    Captain,
    Decision,
    Hpa,
    Mpc,
    PercentileRule,
    Plan,
    PredictiveHpa,
    Rate,
    Reading,
    Rules,
    StaticPeak,
    System,
    Vpa,
    play,
)
from chaosprsa.autoscalers.families import families
from chaosprsa.twin.exact.network import Call, Network, Service

MOST = np.array([6, 40])
SYSTEM = System(
    services=("front", "back"), entry=0, cores=np.array([1.0, 0.5]), replicas=np.array([2, 3]), most_replicas=MOST,
    start_s=30.0, step_s=15.0, slo_s=1.0,
)  # fmt: skip
POLICIES = {
    "HPA": Hpa(target=0.6),
    "HPA that may not fall": Hpa(behaviour=Behaviour(down=Rules(0.0, (), select="Disabled"))),
    "HPA by pods": Hpa(behaviour=Behaviour(up=Rules(60.0, (Rate("Pods", 2),)), down=Rules(0.0, (Rate("Pods", 1),)))),
    "predictive, linear": PredictiveHpa(target=0.6),
    "predictive, Holt-Winters": PredictiveHpa(target=0.6, model="holt-winters", season=4),
    "VPA": Vpa(settled_after_s=0.0),
    "percentile": PercentileRule(),
    "captain": Captain(),
    "MPC": Mpc(),
    "peak": StaticPeak((99, 99)),
    "present": StaticPeak(),
    "plan": Plan(np.full((9, 2), 99)),
}
every = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def reading(time_s=15.0, **fields) -> Reading:
    usual = {
        "latency_p99_s": 0.1, "failed": 0.0, "arrivals_per_s": np.array([50.0, 40.0]),
        "answered_per_s": np.array([50.0, 40.0]), "mean_s": np.array([0.03, 0.01]), "cpu_cores": np.array([1.2, 0.9]),
        "throttled": np.array([0.1, 0.0]), "ready": np.array([2, 3]), "starting": np.array([0, 0]),
        "cores": np.array([1.0, 0.5]), "memory_mib": np.array([200.0, 100.0]), "oom_kills": np.array([0.0, 0.0]),
    }  # fmt: skip
    return Reading(time_s=time_s, **{**usual, **fields})


def readings(seed: int) -> list[Reading]:
    """Thirty steps of anything a metrics pipeline may show, pods and traffic that come and go."""
    rng, found = np.random.default_rng(seed), []
    for step in range(30):
        ready = rng.integers(0, 41, 2) * (rng.random(2) < 0.8)
        arrivals = 10.0 ** rng.uniform(-2, 5, 2) * (rng.random(2) < 0.8)
        found.append(
            reading(
                15.0 * (step + 1),
                latency_p99_s=float(rng.choice([np.nan, 0.01, 500.0])),
                failed=float(rng.random()),
                arrivals_per_s=arrivals,
                answered_per_s=arrivals * rng.choice([0.0, 0.5, 1.0, 2.0]),
                mean_s=10.0 ** rng.uniform(-3, 2, 2),
                cpu_cores=10.0 ** rng.uniform(-3, 2, 2) * (ready > 0),
                throttled=rng.random(2),
                ready=ready,
                starting=rng.integers(0, 10, 2),
                memory_mib=10.0 ** rng.uniform(0, 5, 2),
                oom_kills=rng.integers(0, 3, 2).astype(float),
            )
        )
    return found


def decisions(policy, seen) -> list[Decision]:
    controller = policy.begin(SYSTEM)
    return [controller.decide(one) for one in seen]


def same(one: list[Decision], other: list[Decision]) -> bool:
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(a.replicas, b.replicas) and np.array_equal(a.cores, b.cores) for a, b in pairs)


@every
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_is_read_pods_stay_within_bounds_and_limits_are_numbers(policy, seed):
    for one in decisions(policy, readings(seed)):
        assert one.replicas.dtype.kind == "i"
        assert (one.replicas >= 0).all()
        assert (one.replicas <= MOST).all()
        assert np.isfinite(one.cores).all()


@every
@pytest.mark.parametrize("seed", [1, 2])
def test_two_runs_of_one_policy_know_nothing_of_each_other(policy, seed):
    """The second begins while the first has seen all; both decide alike, and the settings are as they were."""
    before, seen = copy.deepcopy(policy), readings(seed)
    first, second = policy.begin(SYSTEM), policy.begin(SYSTEM)
    one = [first.decide(each) for each in seen]
    two = [second.decide(each) for each in seen]
    assert same(one, two)
    assert same(two, decisions(before, seen))


@every
def test_a_decision_stays_as_it_was_made(policy):
    """Who keeps decisions keeps no window into a controller's memory; readings and the system are left alone."""
    controller = policy.begin(SYSTEM)
    seen = [reading(15.0 * at, cpu_cores=np.array([0.2 * at, 3.0 / at])) for at in range(1, 20)]
    untouched, kept = copy.deepcopy((seen, SYSTEM)), []
    made = []
    for each in seen:
        made.append(controller.decide(each))
        kept.append(copy.deepcopy(made[-1]))
    assert same(made, kept)
    assert repr((seen, SYSTEM)) == repr(untouched)


@every
def test_without_traffic_nothing_grows(policy):
    nothing = np.zeros(2)
    quiet = {
        "arrivals_per_s": nothing, "answered_per_s": nothing, "mean_s": nothing, "cpu_cores": nothing,
        "throttled": nothing, "latency_p99_s": float("nan"),
    }  # fmt: skip
    found = decisions(policy, [reading(15.0 * at, **quiet) for at in range(1, 60)])
    fixed = isinstance(policy, (StaticPeak, Plan))
    assert fixed or (found[-1].replicas <= SYSTEM.replicas).all()
    assert (found[-1].cores <= SYSTEM.cores).all()


@every
def test_a_service_without_pods_is_decided_on_all_the_same(policy):
    gone = {"ready": np.array([2, 0]), "cpu_cores": np.array([1.2, 0.0])}
    found = decisions(policy, [reading(15.0 * at, **gone) for at in range(1, 30)])
    assert (found[-1].replicas >= 1).all()  # or nothing would ever bring it back


@every
def test_memory_that_nobody_saw_changes_nothing_but_memory(policy):
    hours = [3600.0 * at for at in range(1, 60)]
    unseen = [reading(hour, memory_mib=np.array([np.nan, np.nan])) for hour in hours]
    assert same(decisions(policy, unseen), decisions(policy, [reading(hour) for hour in hours]))


def network() -> Network:
    front = Service(name="front", demand_s=0.01, replicas=2, most_replicas=6, calls=(Call(callee="back"),))
    return Network(services=(front, Service(name="back", demand_s=0.02, replicas=3, most_replicas=40)), entry="front")


@every
def test_the_same_seed_plays_the_same_course(policy):
    load = np.concatenate([np.full(60, 40.0), np.zeros(60), np.full(60, 120.0)])
    one, other = (play(policy, network(), load, seed=4) for _ in range(2))
    assert np.array_equal(one.replicas, other.replicas)
    assert np.array_equal(one.cores, other.cores)
    assert (one.core_hours, one.violation_share) == (other.core_hours, other.violation_share)
    assert one.core_hours == pytest.approx((one.paid * one.cores).sum() * one.step_s / 3600)


@every
def test_no_decision_goes_below_the_least(policy):
    played = play(policy, network(), np.full(240, 2.0), seed=1, least=[2, 3])
    assert (played.replicas >= [2, 3]).all()


def test_settings_that_are_tuned_go_from_dear_to_cheap_and_say_so_in_their_names():
    """Along each row the pods for one steady load never grow; names differ, since tables tell settings by them."""
    seen = [reading(15.0 * at, throttled=np.array([0.05, 0.2])) for at in range(1, 60)]
    for rows in families().values():
        policies = [[make(value) for value in values] for make, values in rows]
        for row in policies:
            last = [decisions(policy, seen)[-1] for policy in row]
            paid = [float((one.replicas * one.cores).sum()) for one in last]
            assert paid == sorted(paid, reverse=True)
        names = [policy.name for row in policies for policy in row]
        assert len(set(names)) == len(names)
