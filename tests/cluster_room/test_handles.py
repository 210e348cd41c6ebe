"""Changes through handles, on a real API: what is refused, what is done, how it comes back."""

import json

import pytest

from chaosprsa.cluster import is_stopped, restore_all, resume, stop
from chaosprsa.cluster.snapshots import snapshots_folder
from chaosprsa.errors import BadInput, NotApproved, NotAShadow, Refused, Stopped, Unavailable
from chaosprsa.manifests import CANARY, SHADOW_OF
from chaosprsa.types import Allocation, Resources, ServiceAllocation

READY_S = 60


def sized(cpu_request, cpu_limit, memory_request, memory_limit):
    return Resources(
        cpu_request_millicores=cpu_request,
        cpu_limit_millicores=cpu_limit,
        memory_request_mib=memory_request,
        memory_limit_mib=memory_limit,
    )


def allocated(service, replicas, resources):
    return Allocation(services=(ServiceAllocation(service=service, replicas=replicas, resources=resources),))


NOW = sized(50, 200, 32, 64)


# --- who gets a handle -------------------------------------------------------------------------------------------


def test_a_namespace_without_the_label_gives_no_shadow_handle(cluster, new_namespace):
    with pytest.raises(NotAShadow, match=r"isn't labelled chaosprsa.io/shadow-of.*Create a shadow"):
        cluster.shadow(new_namespace())


@pytest.mark.parametrize("name", ["", "  "])
def test_no_namespace_is_no_default_namespace(cluster, name):
    with pytest.raises(BadInput, match="no namespace was named"):
        cluster.shadow(name)


def test_a_namespace_that_is_not_there_is_said(cluster):
    with pytest.raises(BadInput, match='namespace "room-nowhere": there is none'):
        cluster.workloads("room-nowhere")


@pytest.mark.parametrize("approval", ["", "plan-2", "plan-1 "])
def test_production_needs_the_approval_of_this_very_plan(cluster, new_namespace, approval):
    with pytest.raises(NotApproved, match="--approve plan-1"):
        cluster.production(new_namespace(), "plan-1", approval)


def test_an_empty_hash_approves_nothing(cluster, new_namespace):
    with pytest.raises(NotApproved):
        cluster.production(new_namespace(), "", "")


def test_a_shadow_is_no_production(cluster, shadow_namespace):
    with pytest.raises(NotApproved, match="it is a shadow"):
        cluster.production(shadow_namespace, "plan-1", "plan-1")


def test_a_handle_is_void_when_its_label_is_taken_away(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    cluster.api.patch("Namespace", "", shadow_namespace, {"metadata": {"labels": {SHADOW_OF: None}}})
    with pytest.raises(NotAShadow, match="isn't the shadow of"):
        shadow.scale("basket", 1)
    assert cluster.workload(shadow_namespace, "basket").replicas == 2


# --- what is changed ---------------------------------------------------------------------------------------------


def test_an_allocation_is_given_to_deployments_and_statefulsets_and_lasts(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    wanted = Allocation(
        services=(
            ServiceAllocation(service="basket", replicas=3, resources=sized(60, 250, 40, 80)),
            ServiceAllocation(service="store", replicas=2, resources=sized(70, 300, 48, 96)),
        )
    )
    changes = shadow.set_allocation(wanted)
    assert [(change.service, change.what.split(",")[0]) for change in changes] == [
        ("basket", "replicas 2 -> 3"),
        ("store", "replicas 1 -> 2"),
    ]
    assert shadow.missing_from(wanted) == ()
    shadow.wait_ready(READY_S)
    assert cluster.allocation(shadow_namespace, ["basket", "store"]) == wanted
    for kind, name, replicas, cpu in (("Deployment", "basket", 3, "250m"), ("StatefulSet", "store", 2, "300m")):
        pods = cluster.pods(shadow_namespace, kind, name)
        assert [pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] for pod in pods] == [cpu] * replicas


def test_an_allocation_that_is_there_already_changes_nothing_and_opens_no_snapshot(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    assert shadow.set_allocation(allocated("basket", 2, NOW)) == ()
    assert shadow.open_snapshots() == ()


def test_the_autoscaler_moves_its_floor_and_the_count_never_falls(cluster, new_namespace, samples):
    name = new_namespace("shop", [samples.deployment("basket", 3), samples.autoscaler("basket", 2, 4)])
    shadow = cluster.shadow(name)
    shadow.set_allocation(allocated("basket", 6, NOW))
    spec = cluster.api.get("HorizontalPodAutoscaler", name, "basket")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (6, 6)
    assert cluster.workload(name, "basket").replicas == 6
    shadow.set_allocation(allocated("basket", 2, NOW))
    spec = cluster.api.get("HorizontalPodAutoscaler", name, "basket")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    assert cluster.workload(name, "basket").replicas >= 2
    assert shadow.missing_from(allocated("basket", 2, NOW)) == ()
    assert shadow.set_allocation(allocated("basket", 2, NOW)) == ()


def test_a_ceiling_is_raised_never_lowered_targets_stay_and_a_restore_puts_both_bounds_back(
    cluster, new_namespace, samples
):
    name = new_namespace("shop", [samples.deployment("basket", 2), samples.autoscaler("basket", 2, 4)])
    shadow = cluster.shadow(name)
    before = cluster.api.get("HorizontalPodAutoscaler", name, "basket")["spec"]
    shadow.set_allocation(allocated("basket", 3, NOW), {"basket": 9})
    after = cluster.api.get("HorizontalPodAutoscaler", name, "basket")["spec"]
    assert (after["minReplicas"], after["maxReplicas"]) == (3, 9)
    assert after.get("metrics") == before.get("metrics")
    assert shadow.set_allocation(allocated("basket", 3, NOW), {"basket": 5}) == ()
    shadow.restore(shadow.open_snapshots()[0])
    put_back = cluster.api.get("HorizontalPodAutoscaler", name, "basket")["spec"]
    assert (put_back["minReplicas"], put_back["maxReplicas"]) == (2, 4)
    assert put_back.get("metrics") == before.get("metrics")


def test_a_squeeze_goes_in_place_without_a_restart_and_comes_back(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    shadow.wait_ready(READY_S)
    before = {pod["metadata"]["uid"] for pod in cluster.pods(shadow_namespace, "Deployment", "basket")}
    change = shadow.resize("basket", sized(20, 50, 32, 64))
    assert change.in_place
    assert len(change.pods) == 2
    assert json.dumps(change.as_journal())
    pods = cluster.pods(shadow_namespace, "Deployment", "basket")
    assert {pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] for pod in pods} == {"50m"}
    assert cluster.workload(shadow_namespace, "basket").resources == NOW  # the template stays
    shadow.unresize("basket")
    shadow.unresize("basket")
    pods = cluster.pods(shadow_namespace, "Deployment", "basket")
    assert {pod["metadata"]["uid"] for pod in pods} == before
    assert {pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] for pod in pods} == {"200m"}
    assert sum(status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]) == 0


def test_a_squeeze_down_to_the_request_keeps_the_quality_of_service(cluster, shadow_namespace):
    """Seen on 1.34: "Pod QOS Class may not change as a result of resizing" when limits met requests."""
    shadow = cluster.shadow(shadow_namespace)
    shadow.wait_ready(READY_S)
    assert shadow.resize("basket", sized(50, 50, 64, 64)).in_place


def test_a_squeeze_that_pods_do_not_take_goes_by_the_template_and_comes_back(cluster, shadow_namespace, monkeypatch):
    monkeypatch.setattr(
        "chaosprsa.cluster.handles.resize_pods", lambda *_: ((), "this server has no pods/resize")
    )  # as before Kubernetes 1.33
    shadow = cluster.shadow(shadow_namespace)
    before = cluster.api.get("Deployment", shadow_namespace, "basket")
    change = shadow.resize("basket", sized(20, 50, 16, 32))
    assert not change.in_place
    assert "this server has no pods/resize" in change.what
    assert cluster.workload(shadow_namespace, "basket").resources == sized(20, 50, 16, 32)
    shadow.resize("basket", sized(10, 40, 16, 32))
    shadow.unresize("basket")
    after = cluster.api.get("Deployment", shadow_namespace, "basket")
    assert after["spec"] == before["spec"]


def test_a_canary_is_applied_and_deleted_and_others_objects_are_not(cluster, new_namespace, samples):
    name = new_namespace(objects=[samples.deployment("basket")])
    production = cluster.production(name, "plan-1", "plan-1")
    canary = samples.deployment("basket", 1)
    canary["metadata"] = {"name": "basket-canary", "labels": {CANARY: "plan-1"}}
    canary["spec"]["selector"]["matchLabels"]["track"] = "canary"
    canary["spec"]["template"]["metadata"]["labels"]["track"] = "canary"
    assert production.apply([canary]) == ("Deployment/basket-canary",)
    production.wait_ready(READY_S)
    assert production.delete("Deployment", "basket-canary")
    assert not production.delete("Deployment", "basket-canary")
    with pytest.raises(Refused, match="wasn't made by this package"):
        production.delete("Deployment", "basket")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Pod"}, "a handle applies only"),
        ({"metadata": {"name": ""}}, "empty name selects everything"),
        ({"metadata": {"name": "basket", "namespace": "kube-system"}}, "this handle is for"),
        ({"spec": {"selector": {"matchLabels": {}}}}, "selector is empty"),
        ({"spec": {}}, "selector is empty"),
    ],
)
def test_what_would_select_too_much_is_refused(cluster, shadow_namespace, samples, change, message):
    with pytest.raises(BadInput, match=message):
        cluster.shadow(shadow_namespace).apply([{**samples.deployment("basket"), **change}])


def test_negative_replicas_and_an_empty_service_are_refused(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    with pytest.raises(BadInput, match="replicas is -1"):
        shadow.scale("basket", -1)
    with pytest.raises(BadInput, match="empty service name"):
        shadow.scale("", 1)


def test_waiting_ends_in_time_and_says_what_is_not_ready_and_why(cluster, shadow_namespace, samples):
    shadow = cluster.shadow(shadow_namespace)
    huge = samples.deployment("huge", 1, resources={"requests": {"cpu": "900", "memory": "32Mi"}})
    shadow.apply([huge])
    with pytest.raises(Unavailable, match=r"not ready after 2 s: Deployment huge \(0 of 1 pods are ready: .*cpu"):
        shadow.wait_ready(2, ["huge"])


def test_an_object_that_was_replaced_meanwhile_is_not_deleted_for_its_predecessor(cluster, shadow_namespace):
    """A StatefulSet's pod comes back under its name: a restore on 1.34 once ended with the 409 that this gives."""
    assert not cluster.api.delete("Deployment", shadow_namespace, "basket", uid="00000000-0000-0000-0000-000000000000")
    assert cluster.workload(shadow_namespace, "basket").replicas == 2
    assert cluster.api.delete("Deployment", shadow_namespace, "basket")
    assert not cluster.api.delete("Deployment", shadow_namespace, "nothing")


# --- the way back ------------------------------------------------------------------------------------------------


def test_every_change_is_written_down_in_both_places_before_it_is_made(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    shadow.scale("basket", 1)
    (snapshot,) = shadow.open_snapshots()
    local = json.loads((snapshots_folder(cluster.state) / f"{snapshot.id}.json").read_text())
    assert local["published"]
    remembered = {item["metadata"]["name"]: item["spec"]["replicas"] for item in snapshot.workloads}
    assert (
        remembered
        == {"basket": 2, "store": 1}
        == {w["metadata"]["name"]: w["spec"]["replicas"] for w in local["workloads"]}
    )


def test_a_restored_namespace_is_as_it_was_and_restoring_again_does_nothing(cluster, shadow_namespace, samples, plain):
    shadow = cluster.shadow(shadow_namespace)
    before = plain(shadow_namespace)
    snapshot = shadow.snapshot("a test")
    shadow.set_allocation(allocated("basket", 4, sized(60, 250, 40, 80)))
    shadow.apply([samples.service("basket"), samples.deployment("extra", 1)])
    shadow.resize("store", sized(20, 50, 32, 64))
    assert shadow.restore(snapshot)
    assert plain(shadow_namespace) == before
    assert shadow.open_snapshots() == ()
    assert not list(snapshots_folder(cluster.state).glob("*.json"))
    assert restore_all(cluster, snapshots_folder(cluster.state), shadow_namespace) == ()


def test_kept_changes_stand(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    snapshot = shadow.snapshot("a rollout that is good")
    shadow.scale("basket", 1)
    shadow.keep(snapshot)
    assert restore_all(cluster, snapshots_folder(cluster.state), shadow_namespace) == ()
    assert cluster.workload(shadow_namespace, "basket").replicas == 1


def test_what_others_changed_meanwhile_stays_theirs(cluster, new_namespace, samples):
    name = new_namespace(objects=[samples.deployment("basket")])
    production = cluster.production(name, "plan-1", "plan-1")
    snapshot = production.snapshot("a rollout")
    production.set_resources("basket", sized(60, 250, 40, 80))
    theirs = {"spec": {"template": {"metadata": {"annotations": {"release": "2"}}}}}
    cluster.api.patch("Deployment", name, "basket", theirs)
    production.restore(snapshot)
    template = cluster.api.get("Deployment", name, "basket")["spec"]["template"]
    assert template["metadata"]["annotations"]["release"] == "2"
    assert cluster.workload(name, "basket").resources == NOW


def test_a_restore_in_production_leaves_the_workloads_alone_that_were_not_changed(cluster, new_namespace, samples):
    """A rollback once would have scaled a neighbour back down in the middle of an incident."""
    name = new_namespace(objects=[samples.deployment("basket"), samples.deployment("payments")])
    production = cluster.production(name, "plan-1", "plan-1")
    snapshot = production.snapshot("a rollout of basket")
    production.set_resources("basket", sized(60, 250, 40, 80))
    cluster.api.patch("Deployment", name, "payments", {"spec": {"replicas": 3}})
    production.restore(snapshot)
    assert cluster.workload(name, "basket").resources == NOW
    assert cluster.workload(name, "payments").replicas == 3


def test_what_an_autoscaler_added_in_production_is_not_taken_away_by_a_restore(cluster, new_namespace, samples):
    """Flagger issue 869: a rollback overwhelmed a primary that had been scaled down."""
    name = new_namespace(objects=[samples.deployment("basket", 2), samples.autoscaler("basket", 2, 5)])
    production = cluster.production(name, "plan-1", "plan-1")
    snapshot = production.snapshot("a rollout")
    production.set_resources("basket", sized(60, 250, 40, 80))
    cluster.api.patch("Deployment", name, "basket", {"spec": {"replicas": 4}})
    production.restore(snapshot)
    assert cluster.workload(name, "basket").replicas == 4


def test_a_snapshot_of_a_namespace_that_is_gone_is_dropped_and_that_is_said(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    shadow.scale("basket", 1)
    (path,) = snapshots_folder(cluster.state).glob("*.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "namespace": "room-nowhere"}))
    lines = restore_all(cluster, snapshots_folder(cluster.state), "room-nowhere")
    assert lines == ('namespace "room-nowhere": gone since, so there is nothing to put back',)
    assert not path.exists()


def test_a_deleted_configmap_leaves_the_local_file_to_restore_from(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    shadow.scale("basket", 1)
    (snapshot,) = shadow.open_snapshots()
    cluster.api.delete("ConfigMap", shadow_namespace, f"chaosprsa-snapshot-{snapshot.id}")
    assert restore_all(cluster, snapshots_folder(cluster.state), shadow_namespace)
    assert cluster.workload(shadow_namespace, "basket").replicas == 2


def test_another_machine_restores_from_the_configmap_alone(cluster, shadow_namespace, tmp_path):
    cluster.shadow(shadow_namespace).scale("basket", 1)
    assert restore_all(cluster, tmp_path / "elsewhere", shadow_namespace)
    assert cluster.workload(shadow_namespace, "basket").replicas == 2


def test_a_local_file_whose_change_never_happened_undoes_nothing(cluster, shadow_namespace):
    """Killed between the local file and the ConfigMap: what others change later must not be taken back."""
    shadow = cluster.shadow(shadow_namespace)
    snapshot = shadow.snapshot("killed")
    cluster.api.delete("ConfigMap", shadow_namespace, f"chaosprsa-snapshot-{snapshot.id}")
    path = snapshots_folder(cluster.state) / f"{snapshot.id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "published": False}))
    cluster.api.patch("Deployment", shadow_namespace, "basket", {"spec": {"replicas": 5}})
    assert restore_all(cluster, snapshots_folder(cluster.state), shadow_namespace) == ()
    assert cluster.workload(shadow_namespace, "basket").replicas == 5
    assert not path.exists()


def test_a_snapshot_that_is_no_snapshot_is_refused_by_its_name(cluster, shadow_namespace):
    folder = snapshots_folder(cluster.state)
    folder.mkdir(parents=True)
    (folder / "odd.json").write_text('{"schema": "chaosprsa/snapshot/99"}')
    with pytest.raises(BadInput, match=r"odd.json: its schema is 'chaosprsa/snapshot/99'"):
        restore_all(cluster, folder, shadow_namespace)


# --- the stop switch ---------------------------------------------------------------------------------------------


def test_the_stop_switch_refuses_every_change_and_lets_the_way_back_go_on(cluster, shadow_namespace, samples):
    shadow = cluster.shadow(shadow_namespace)
    snapshot = shadow.snapshot("a test")
    shadow.scale("basket", 1)
    stop(cluster, shadow_namespace, "users complain")
    stop(cluster, shadow_namespace, "users complain")
    assert "users complain" in is_stopped(cluster, shadow_namespace)
    for change in (
        lambda: shadow.scale("basket", 3),
        lambda: shadow.resize("basket", NOW),
        lambda: shadow.apply([samples.service("basket")]),
        lambda: shadow.set_allocation(allocated("basket", 3, NOW)),
        lambda: shadow.snapshot("another"),
    ):
        with pytest.raises(Stopped, match=r"users complain.*chaos prsa resume"):
            change()
    shadow.restore(snapshot)
    assert cluster.workload(shadow_namespace, "basket").replicas == 2
    resume(cluster, shadow_namespace)
    resume(cluster, shadow_namespace)
    assert is_stopped(cluster, shadow_namespace) == ""


def test_the_local_file_alone_stops_and_so_does_the_configmap_alone(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    stop(cluster, shadow_namespace)
    (cluster.state / "stop").unlink()
    with pytest.raises(Stopped, match="ConfigMap chaosprsa-stop"):
        shadow.scale("basket", 1)
    resume(cluster, shadow_namespace)
    (cluster.state / "stop").write_text("here only\n")
    with pytest.raises(Stopped, match="here only"):
        shadow.scale("basket", 1)
