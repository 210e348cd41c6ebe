import json

import pytest

from chaosprsa.errors import InvalidDocument, InvalidNoun
from chaosprsa.lab.manifests import production_objects
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import (
    Call,
    Endpoint,
    LabService,
    LabTopology,
    calls_first,
    read_lab_topology,
    write_lab_topology,
)


def calling(name, *callees):
    return LabService(name=name, endpoints=(Endpoint(calls=tuple(Call(callee=callee) for callee in callees)),))


def test_a_topology_survives_the_way_to_a_file_and_back(tmp_path):
    assert read_lab_topology(write_lab_topology(tmp_path / "lab.json", shop())) == shop()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not a JSON file"),
        ("[]", "expected a JSON object with schema"),
        ('{"schema": "chaosprsa/lab-topology/9"}', "expected a JSON object with schema"),
        ('{"schema": "chaosprsa/lab-topology/1", "entry": "a"}', "services"),
    ],
)
def test_a_file_that_is_no_topology_is_refused_with_its_reason(tmp_path, text, told):
    path = tmp_path / "lab.json"
    path.write_text(text)
    with pytest.raises(InvalidDocument, match=told) as caught:
        read_lab_topology(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InvalidDocument, match="no such file"):
        read_lab_topology(tmp_path / "none.json")


def test_a_negative_work_in_a_file_is_refused(tmp_path):
    path = write_lab_topology(tmp_path / "lab.json", shop())
    values = json.loads(path.read_text())
    values["services"][0]["cpu_ms"] = -1
    path.write_text(json.dumps(values))
    with pytest.raises(InvalidDocument, match="cpu_ms is -1"):
        read_lab_topology(path)


def test_calls_in_a_circle_are_refused():
    with pytest.raises(InvalidNoun, match="circle"):
        LabTopology(services=(calling("a", "b"), calling("b", "a")), entry="a")


def test_a_call_to_nobody_is_refused():
    with pytest.raises(InvalidNoun, match="not there"):
        LabTopology(services=(calling("a", "b"),), entry="a")


def test_callees_come_before_their_callers():
    names = [service.name for service in calls_first(shop())]
    assert names.index("payment") < names.index("checkout") < names.index("gateway")


def test_the_call_graph_and_the_allocation_are_told_as_the_other_rooms_know_them():
    topology = shop()
    edges = {(edge.caller, edge.callee): edge.calls_per_request for edge in topology.topology.edges}
    assert edges["gateway", "catalogue"] == pytest.approx(0.7)
    assert topology.allocation["catalogue"].replicas == 2
    assert [share.path for share in topology.mix] == ["/", "/catalogue", "/cart", "/checkout"]


def test_production_has_every_kind_of_object_a_shadow_must_cope_with():
    objects = production_objects(shop())
    kinds = {obj["kind"] for _, obj in objects}
    assert kinds == {
        "Namespace", "ConfigMap", "Secret", "Service", "Deployment", "StatefulSet",
        "HorizontalPodAutoscaler", "PodDisruptionBudget",
    }  # fmt: skip
    entry = next(obj for _, obj in objects if obj["kind"] == "Service" and obj["metadata"]["name"] == "gateway")
    assert entry["spec"]["type"] == "NodePort"


def test_a_topology_of_stateful_sets_alone_has_no_autoscaler():
    topology = LabTopology(services=(LabService(name="db", kind="StatefulSet"),), entry="db")
    assert "HorizontalPodAutoscaler" not in {obj["kind"] for _, obj in production_objects(topology)}
