"""The catalogue: every fault is described, and the words of real histories mean the right one."""

import pytest

from chaosprsa.faults import CATALOGUE, clip_strength, fault_of_kind, knows_kind, strength_in_words
from chaosprsa.types import Fault

# Kinds as they stand in public incident data: Nezha, OpenRCA, Sock Shop, PetShop, Chaos Mesh, cloud exports.
KINDS = {
    "cpu-contention": Fault.CPU_SQUEEZE,
    "cpu-hog": Fault.CPU_SQUEEZE,
    "high JVM CPU load": Fault.CPU_SQUEEZE,
    "container-cpu-load": Fault.CPU_SQUEEZE,
    "node-cpu-spike": Fault.CPU_SQUEEZE,
    "network-delay": Fault.DEPENDENCY_SLOW,
    "container-packet-loss": Fault.DEPENDENCY_SLOW,
    "container-network-packet-retransmission": Fault.DEPENDENCY_SLOW,
    "high-disk-i/o-read-usage": Fault.DEPENDENCY_SLOW,
    "container-read-i/o-load": Fault.DEPENDENCY_SLOW,
    "JVM Out of Memory (OOM) Heap": Fault.MEMORY_SQUEEZE,
    "node-memory-consumption": Fault.MEMORY_SQUEEZE,
    "memory_leak": Fault.MEMORY_SQUEEZE,
    "container-process-termination": Fault.POD_KILL,
    "PodKill": Fault.POD_KILL,
    "pod failure": Fault.POD_KILL,
    "exception": Fault.DEPENDENCY_FAILING,
    "wrong-return": Fault.DEPENDENCY_FAILING,
    "outage": Fault.DEPENDENCY_FAILING,
    "maintenance": Fault.REPLICA_LOSS,
    "node lost": Fault.REPLICA_LOSS,
    "traffic_spike": Fault.TRAFFIC_SURGE,
}


@pytest.mark.parametrize(("kind", "fault"), KINDS.items())
def test_a_kind_from_a_history_means_the_fault_that_plays_it(kind, fault):
    assert fault_of_kind(kind) is fault
    assert knows_kind(kind)


@pytest.mark.parametrize("fault", Fault)
def test_our_own_names_mean_themselves(fault):
    assert fault_of_kind(fault.value) is fault
    assert fault_of_kind(fault.value.replace("-", "_").upper()) is fault


def test_a_kind_that_nothing_matches_is_played_as_a_failing_dependency_and_known_to_be_unknown():
    assert fault_of_kind("anomaly") is Fault.DEPENDENCY_FAILING
    assert not knows_kind("anomaly")


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_described_and_its_typical_strength_lies_within_its_bounds(fault):
    entry = CATALOGUE[fault]
    assert 0 < entry.low < entry.typical < entry.high
    assert all((entry.unit, entry.needs))
    assert entry.description.endswith(".")
    assert clip_strength(fault, 1e9) == entry.high
    assert clip_strength(fault, -1.0) == entry.low


def test_a_strength_is_said_in_its_own_unit():
    assert strength_in_words(Fault.CPU_SQUEEZE, 0.6) == "60 % of the CPU limit taken away"
    assert strength_in_words(Fault.DEPENDENCY_SLOW, 240.4) == "240 ms added to each answer"
    assert strength_in_words(Fault.TRAFFIC_SURGE, 2.04) == "2.0 times the forecast load"
