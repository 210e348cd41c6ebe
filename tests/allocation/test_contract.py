"""allocate_resources: the example in its own words, JSON as well as nouns, and what it refuses."""

import doctest

import pytest

from chaosprsa.allocation import ServiceUtilisation, ShadowEnvironment, allocate_resources, contract
from chaosprsa.documents import to_json
from chaosprsa.errors import BadInput
from chaosprsa.types import Edge, Fault, Prices, Resources, Slo, Topology

RESOURCES = Resources(
    cpu_request_millicores=250, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=256
)
PAIR = Topology(services=("gateway", "stock"), entry="gateway", edges=(Edge(caller="gateway", callee="stock"),))
PRICES = Prices(cpu_core_hour=0.0331, memory_gib_hour=0.0044)
LOADED = {
    "gateway": ServiceUtilisation(replicas=2, resources=RESOURCES, request_rate_per_s=40.0),
    "stock": ServiceUtilisation(replicas=2, resources=RESOURCES),
}


@pytest.fixture(scope="module")
def surge(shop):
    return shop.issue_of(Fault.TRAFFIC_SURGE, "gateway", 2.0)


@pytest.fixture(scope="module")
def environment(shop, surge):
    """Two trials of two services at half of production's size."""
    issues = (surge, shop.issue_of(Fault.CPU_SQUEEZE, "stock", 0.4))
    slo = Slo(service="gateway", latency_ms=200)
    small = shop.allocation_of(PAIR, replicas=1, cpu=500, memory=256)
    played = [
        shop.trial(shop.SERVICES, PAIR, small, issue, slo, 20.0, seed, 20.0, 30.0, 15.0)
        for seed, issue in enumerate(issues)
    ]
    return ShadowEnvironment(outcomes=tuple(played), topology=PAIR, slo=slo, prices=PRICES, now=shop.NOON)


def test_the_example_in_its_docstring_runs(shop, surge, environment):
    names = vars(contract) | {
        "surge": surge,
        "outcomes": environment.outcomes,
        "resources": RESOURCES,
        "Edge": Edge,
    }
    (example,) = doctest.DocTestFinder(recurse=False).find(allocate_resources, "allocate_resources", globs=names)
    result = doctest.DocTestRunner().run(example)
    assert (result.attempted, result.failed) == (3, 0)


def test_json_means_the_same_as_nouns(surge, environment):
    nouns = allocate_resources(surge, environment, LOADED)
    texts = allocate_resources(to_json(surge), to_json(environment), {k: to_json(v) for k, v in LOADED.items()})
    assert nouns == texts


def test_the_entrys_load_is_needed(surge, environment):
    silent = LOADED | {"gateway": ServiceUtilisation(replicas=2, resources=RESOURCES)}
    with pytest.raises(BadInput, match="request_rate_per_s"):
        allocate_resources(surge, environment, silent)


def test_a_service_that_is_not_there_is_refused(surge, environment):
    with pytest.raises(BadInput, match="pay"):
        allocate_resources(surge, environment, LOADED | {"pay": LOADED["stock"]})


def test_a_service_left_out_is_refused(surge, environment):
    with pytest.raises(BadInput, match="stock"):
        allocate_resources(surge, environment, {"gateway": LOADED["gateway"]})


def test_something_else_than_an_issue_is_refused(environment):
    with pytest.raises(BadInput, match="simulated_issue"):
        allocate_resources("surge", environment, LOADED)
    with pytest.raises(BadInput, match="simulated_issue"):
        allocate_resources({"id": "x"}, environment, LOADED)
