"""Which issues are worth a rehearsal."""

from datetime import UTC, datetime

from chaosprsa.selection import weight, weightiest
from chaosprsa.types import Fault, Impact, Interval, Lineage, Severity, SimulatedIssue


def issue(name, component, fault, probability, errors=0.1, slower=1.0):
    return SimulatedIssue(
        id=name,
        kind=fault.value,
        fault=fault,
        strength=0.5,
        components=(component,),
        origin=datetime(2026, 1, 1, tzinfo=UTC),
        start_s=0.0,
        duration_s=60.0,
        severity=Severity.MAJOR,
        probability=probability,
        impact=Impact(
            latency_ratio=Interval(low=slower, mid=slower, high=slower),
            error_share=Interval(low=errors, mid=errors, high=errors),
        ),
        novelty=0.0,
        evidence=(),
        lineage=Lineage(id=name),
    )


def test_ten_times_slower_weighs_as_much_as_every_request_failing():
    slow = issue("a", "web", Fault.POD_KILL, 0.5, errors=0.0, slower=10.0)
    failing = issue("b", "web", Fault.POD_KILL, 0.5, errors=1.0)
    assert weight(slow) == weight(failing) == 0.5


def test_one_of_each_component_and_fault_is_chosen_and_the_heaviest_of_it():
    light = issue("light", "web", Fault.POD_KILL, 0.5, errors=0.1)
    heavy = issue("heavy", "web", Fault.POD_KILL, 0.5, errors=0.9)
    assert weightiest([light, heavy], 5) == (heavy,)


def test_faults_not_yet_chosen_come_before_a_second_component_of_one_fault():
    kills = [issue(f"kill-{name}", name, Fault.POD_KILL, 0.9) for name in ("web", "cart")]
    surge = issue("surge", "web", Fault.TRAFFIC_SURGE, 0.1)
    assert {chosen.id for chosen in weightiest([*kills, surge], 2)} == {"kill-cart", "surge"}


def test_what_an_allocation_can_mend_comes_first():
    failing = issue("failing", "db", Fault.DEPENDENCY_FAILING, 1.0, errors=1.0)
    surge = issue("surge", "web", Fault.TRAFFIC_SURGE, 0.01)
    assert [chosen.id for chosen in weightiest([failing, surge], 2)] == ["surge", "failing"]
