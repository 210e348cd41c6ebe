"""The stage: what autoscalers read, what their decisions do to the twin, what it costs and what users see."""

from datetime import UTC, datetime

import numpy as np
import pytest

from chaosprsa.autoscalers import Decision, StaticPeak, play, system_of
from chaosprsa.autoscalers.play import arrivals_of
from chaosprsa.errors import BadInput, InvalidNoun
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.types import Fault, Impact, Interval, Lineage, Severity, SimulatedIssue

NOTHING = Interval(low=0, mid=0, high=0)


def tandem(replicas=2, **fields) -> Network:
    services = (
        Service(
            name="front", demand_s=0.01, replicas=replicas, most_replicas=10, calls=(Call(callee="back"),), **fields
        ),
        Service(name="back", demand_s=0.02, replicas=replicas, most_replicas=10, **fields),
    )
    return Network(services=services, entry="front")


def issue(fault, strength, component="back", start_s=60.0, duration_s=60.0):
    return SimulatedIssue(
        id="i", kind="k", fault=fault, strength=strength, components=(component,),
        origin=datetime(2026, 1, 1, tzinfo=UTC), start_s=start_s, duration_s=duration_s, severity=Severity.MAJOR,
        probability=0.5, impact=Impact(latency_ratio=NOTHING, error_share=NOTHING), novelty=0.0, evidence=(),
        lineage=Lineage(id="i"),
    )  # fmt: skip


class Recorder:
    """Says what it is told to and keeps what it read."""

    name = "recorder"

    def __init__(self, *decisions):
        self.decisions, self.readings = list(decisions), []

    def begin(self, system):
        self.system = system
        return self

    def decide(self, reading):
        self.readings.append(reading)
        replicas = self.decisions.pop(0) if self.decisions else self.system.replicas
        return Decision(replicas=np.array(replicas), cores=self.system.cores)


def test_a_reading_shows_what_was_offered_and_what_it_took():
    policy = Recorder()
    play(policy, tandem(), np.full(300, 50.0), seed=3)
    arrivals = np.mean([reading.arrivals_per_s for reading in policy.readings], axis=0)
    used = np.mean([reading.cpu_cores for reading in policy.readings], axis=0)
    assert arrivals == pytest.approx([50, 50], rel=0.05)
    assert used == pytest.approx([0.5, 1.0], rel=0.07)
    assert [reading.time_s for reading in policy.readings] == list(range(15, 300, 15))
    assert policy.readings[0].utilisation == pytest.approx([0.25, 0.5], rel=0.2)


def test_a_pod_is_ready_its_start_delay_after_the_decision_and_paid_from_the_decision_on():
    policy = Recorder(*[(2, 5)] * 20)
    played = play(policy, tandem(), np.full(90, 10.0), start_s=30.0)
    assert played.ready[:, 1].tolist() == [2, 2, 2, 5, 5, 5]
    assert played.replicas[:, 1].tolist() == [2, 5, 5, 5, 5, 5]
    assert policy.readings[1].starting.tolist() == [0, 3]
    assert played.core_hours == pytest.approx((15 * 4 + 75 * 7) / 3600)
    assert played.mean_cores == pytest.approx((4 + 5 * 7) / 6)


def test_a_pod_that_is_too_much_goes_at_once():
    played = play(Recorder(*[(1, 1)] * 9), tandem(4), np.full(60, 5.0))
    assert played.ready.tolist() == [[4, 4], [1, 1], [1, 1], [1, 1]]


def test_violations_of_one_pod_are_those_of_theory():
    """M/M/1, first come first served: a request takes longer than t with probability exp(-(mu - lambda) t)."""
    service = Service(name="a", demand_s=0.1, replicas=1, threads=1)
    played = play(StaticPeak(), Network(services=(service,), entry="a"), np.full(8_000, 5.0), seed=2, slo_s=0.3)
    assert played.violation_share == pytest.approx(np.exp(-1.5), rel=0.08)
    assert played.requests == pytest.approx(40_000, rel=0.02)


def test_requests_that_never_get_an_answer_are_violations():
    network = Network(services=(Service(name="a", demand_s=1.0, replicas=1),), entry="a")
    played = play(StaticPeak(), network, np.full(60, 20.0))
    assert played.violation_share > 0.95
    assert np.nanmax(played.p99_s) > 10


def test_every_policy_meets_the_same_arrivals_and_the_same_seed_gives_the_same_course():
    load = np.full(120, 40.0)
    first, again = (play(StaticPeak(), tandem(), load, seed=5) for _ in range(2))
    other = play(StaticPeak((4, 4)), tandem(), load, seed=5)
    assert np.array_equal(first.p99_s, again.p99_s)
    assert first.core_hours == again.core_hours
    assert np.array_equal(first.entry_per_s, other.entry_per_s)
    assert not np.array_equal(first.entry_per_s, play(StaticPeak(), tandem(), load, seed=6).entry_per_s)


def test_arrivals_follow_the_rate_of_each_second():
    rate = np.array([0.0, 1000.0, 0.0, 3000.0])
    counts = np.bincount(arrivals_of(rate, np.random.default_rng(1)).astype(int), minlength=4)
    assert counts == pytest.approx(rate, abs=4 * np.sqrt(3000))
    assert (counts[0], counts[2]) == (0, 0)


def test_a_surge_multiplies_arrivals_while_it_lasts():
    calm, surged = (
        play(StaticPeak((9, 9)), tandem(), np.full(180, 50.0), issues, seed=4).entry_per_s
        for issues in ((), (issue(Fault.TRAFFIC_SURGE, 2.0, "front"),))
    )
    assert surged[4:8].sum() / calm[4:8].sum() == pytest.approx(2, rel=0.1)
    assert surged[8:].sum() / calm[8:].sum() == pytest.approx(1, rel=0.1)


def test_a_killed_pod_is_back_after_its_start_and_a_lost_one_after_the_issue():
    load = np.full(180, 5.0)
    killed = play(StaticPeak(), tandem(4), load, (issue(Fault.POD_KILL, 0.5),))
    lost = play(StaticPeak(), tandem(4), load, (issue(Fault.REPLICA_LOSS, 0.5),))
    assert killed.ready[:, 1].tolist() == [4] * 4 + [2, 2] + [4] * 6
    assert lost.ready[:, 1].tolist() == [4] * 4 + [2] * 6 + [4] * 2
    assert (killed.ready[:, 0] == 4).all()


def test_a_slow_service_adds_its_delay_and_less_cpu_takes_longer():
    load = np.full(180, 20.0)
    slow = play(StaticPeak((9, 9)), tandem(), load, (issue(Fault.DEPENDENCY_SLOW, 2000.0),))
    assert (slow.late_share[4:8] > 0.95).all()
    assert (slow.late_share[9:] < 0.1).all()
    squeezed = play(StaticPeak((2, 2)), tandem(), load, (issue(Fault.CPU_SQUEEZE, 0.9),))
    assert np.nanmedian(squeezed.p99_s[5:8]) > 5 * np.nanmedian(squeezed.p99_s[:4])
    assert (squeezed.cores == 1).all()  # what was decided, and is paid for


@pytest.mark.parametrize("load", [[1.0, -1.0] * 20, [np.nan] * 40, [1.0] * 5, [[1.0] * 40]])
def test_a_load_that_is_none_is_refused(load):
    with pytest.raises(BadInput, match="load"):
        play(StaticPeak(), tandem(), load)


def test_an_issue_of_an_unknown_service_is_refused():
    with pytest.raises(BadInput, match="not in the topology"):
        play(StaticPeak(), tandem(), np.full(60, 1.0), (issue(Fault.POD_KILL, 0.5, "nobody"),))


def test_a_decision_below_nothing_is_refused():
    with pytest.raises(InvalidNoun):
        Decision(replicas=np.array([-1]), cores=np.array([1.0]))
    with pytest.raises(InvalidNoun):
        Decision(replicas=np.array([1]), cores=np.array([0.0]))


def test_nobody_gets_more_pods_than_there_can_be():
    played = play(Recorder(*[(99, 99)] * 9), tandem(), np.full(60, 5.0))
    assert played.replicas.max() == system_of(tandem()).most_replicas.max() == 10


def test_giving_up_ends_when_too_many_are_late_for_sure():
    network = Network(services=(Service(name="a", demand_s=1.0, replicas=1),), entry="a")
    load = np.full(300, 10.0)
    ended = play(StaticPeak(), network, load, give_up=0.2)
    assert len(ended.time_s) in {5, 6}  # a fifth of 300 s is late after 60 s and a little
    assert ended.violation_share > 0.2
    assert len(play(StaticPeak(), network, load).time_s) == 20
