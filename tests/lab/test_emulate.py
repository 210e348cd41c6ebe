import os
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from chaosprsa.history.files import read_history
from chaosprsa.lab.emulate import CALLS_IN_ALL, emulate
from chaosprsa.lab.history import lab_history
from chaosprsa.lab.physics import steady
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import visits
from chaosprsa.types import Edge, Topology

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
BOUTIQUE = DATA / "nezha" / "2022-08-22"
END = datetime(2026, 11, 25, tzinfo=UTC)


def test_a_bare_call_graph_is_played_with_usual_values_and_says_so():
    topology = Topology(services=("web", "api"), edges=(Edge(caller="web", callee="api"),), entry="web")
    lab = emulate(topology)
    assert lab.entry == "web"
    assert len([note for note in lab.notes if "played" in note]) == 5  # CPU and memory of two, and the load


def test_the_labs_own_history_gives_back_the_labs_own_work_and_calls():
    lab = emulate(shop().topology, lab_history(shop(), 1, 1, END, incidents_per_day=0))
    for service in shop().services:
        assert lab[service.name].cpu_ms == pytest.approx(service.cpu_ms, rel=0.1)
        assert lab[service.name].memory_base_mib == pytest.approx(service.memory_base_mib, rel=0.1)
    assert visits(lab) == pytest.approx(visits(shop()), rel=0.1)


def test_what_it_allocates_holds_its_load():
    lab = emulate(shop().topology, None, 40.0)
    flows = steady(lab, 40.0)
    assert all(flow.utilisation[0] < 0.6 for flow in flows.values())
    assert flows["gateway"].success[0] > 0.999


def test_a_circle_of_calls_is_cut_and_told():
    edges = (Edge(caller="a", callee="b"), Edge(caller="b", callee="c"), Edge(caller="c", callee="a"))
    lab = emulate(Topology(services=("a", "b", "c"), edges=edges, entry="a"))
    assert any("c -> a: left out" in note for note in lab.notes)


def test_a_fan_out_that_no_machine_plays_is_scaled_down_and_told():
    names = tuple("abcdefgh")
    edges = tuple(Edge(caller=caller, callee=callee, calls_per_request=3.0) for caller, callee in pairwise(names))
    lab = emulate(Topology(services=names, edges=edges, entry="a"))
    assert sum(visits(lab).values()) <= CALLS_IN_ALL
    assert any("scaled down" in note for note in lab.notes)


@pytest.mark.skipif(not BOUTIQUE.is_dir(), reason=f"no public history at {BOUTIQUE}; set CHAOSPRSA_DATA")
def test_a_public_call_graph_is_playable_at_thirty_requests_a_second():
    history = read_history(BOUTIQUE, END)
    lab = emulate(history.topology, history, 30.0)
    flows = steady(lab, 30.0)
    assert flows[lab.entry].success[0] > 0.99
    assert all(flow.utilisation[0] < 0.6 for flow in flows.values())
    assert sum(visits(lab).values()) <= CALLS_IN_ALL
