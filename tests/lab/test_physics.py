import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.lab.physics import Conditions, flows, lognormal_quantile, station, steady
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import visits

WORK_S = 0.02


def at(load, limit=1.0, room=400, cv=1.0):
    return station(np.array([load * limit / WORK_S]), WORK_S, cv, np.array([limit]), room)


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8, 0.9])
def test_one_server_is_the_textbooks_processor_sharing(load):
    found = at(load)
    assert found.mean_s[0] == pytest.approx(WORK_S / (1 - load), rel=1e-3)
    assert found.utilisation[0] == pytest.approx(load, rel=1e-6)
    assert found.squared_s2[0] / found.mean_s[0] ** 2 == pytest.approx(4 / (2 - load), rel=1e-3)


@pytest.mark.parametrize("cores", [2, 4])
def test_whole_cores_are_erlangs_queue(cores):
    load = 0.75
    offered = load * cores
    waiting = offered**cores / math.factorial(cores) / (1 - load)
    erlang_c = waiting / (waiting + sum(offered**k / math.factorial(k) for k in range(cores)))
    expected = WORK_S + erlang_c * WORK_S / (cores * (1 - load))
    assert at(load, cores).mean_s[0] == pytest.approx(expected, rel=1e-3)


def test_a_limit_below_a_core_stretches_an_idle_pods_work():
    assert at(0.0, 0.25).mean_s[0] == pytest.approx(0.08)


def test_overload_is_refused_and_what_is_served_waits_for_a_full_pod():
    found = at(2.0, room=100)
    assert found.refused[0] == pytest.approx(0.5, abs=1e-3)
    assert found.utilisation[0] == pytest.approx(1.0, abs=1e-6)
    assert found.mean_s[0] == pytest.approx(100 * WORK_S, rel=0.02)


@pytest.mark.parametrize("limit", [0.3, 1.0, 2.7])
@pytest.mark.parametrize("load", [0.3, 0.999999, 1.0, 1.000001, 1.5, 8.0])
@pytest.mark.parametrize("room", [1, 2, 3, 150])
def test_the_closed_form_is_the_sum_over_all_states(limit, load, room):
    weights = [1.0]
    for count in range(1, room + 1):
        weights.append(weights[-1] * load * limit / min(count, limit))
    shares = np.array(weights) / sum(weights)
    found = at(load, limit, room)
    assert found.refused[0] == pytest.approx(shares[-1], rel=1e-3, abs=1e-12)
    assert found.in_work[0] == pytest.approx(shares @ np.arange(room + 1), rel=1e-3)


@given(
    load=st.floats(0, 3), limit=st.floats(0.05, 8), room=st.integers(1, 500), cv=st.floats(0, 3), more=st.floats(1, 2)
)
def test_more_load_never_makes_a_pod_faster(load, limit, room, cv, more):
    calm, busy = at(load, limit, room, cv), at(load * more, limit, room, cv)
    assert busy.mean_s[0] >= calm.mean_s[0] * (1 - 1e-6)
    assert busy.refused[0] >= calm.refused[0] - 1e-9
    assert 0 <= busy.utilisation[0] <= 1
    assert busy.squared_s2[0] >= busy.mean_s[0] ** 2 * (1 - 1e-9)


def test_lognormal_percentiles_have_the_moments_they_were_given():
    shares = (np.arange(200_000) + 0.5) / 200_000
    values = np.array([lognormal_quantile(np.array(0.05), np.array(0.04), share) for share in shares[::200]])
    assert values.mean() == pytest.approx(0.05, rel=0.01)
    assert values.std() == pytest.approx(0.04, rel=0.05)


def test_production_holds_its_objective_on_a_good_day_and_not_without_a_catalogue_pod():
    topology = shop()
    usual = steady(topology, topology.rate_per_s)["gateway"]
    assert usual.percentile_s(0.99)[0] < 0.3
    assert usual.success[0] > 0.999
    conditions = {service.name: Conditions.usual(service, 1) for service in topology.services}
    conditions["catalogue"].replicas[:] = 1
    hurt = flows(topology, np.array([topology.rate_per_s]), conditions)["gateway"]
    assert hurt.percentile_s(0.99)[0] > 0.3


def test_a_service_without_pods_fails_every_request_that_needs_it():
    topology = shop()
    conditions = {service.name: Conditions.usual(service, 1) for service in topology.services}
    conditions["payment"].replicas[:] = 0
    seen = flows(topology, np.array([30.0]), conditions)
    assert seen["payment"].success[0] == 0
    assert seen["checkout"].success[0] == 0
    assert seen["cart"].success[0] > 0.999


def test_visits_follow_the_mix():
    # of ten requests seven ask the catalogue, two the cart, one checks out (which asks cart and payment)
    assert visits(shop()) == pytest.approx(
        {"gateway": 1, "catalogue": 0.7, "cart": 0.3, "checkout": 0.1, "payment": 0.1}
    )
