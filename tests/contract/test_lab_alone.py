"""What only the lab can be asked: memory kills on demand, usage on demand, Chaos Mesh's kinds, its speed."""

import json
import time
from typing import Any

import pytest


def _pod(space: Any, name: str = "one") -> Any:
    return space.kube.core.read_namespaced_pod(name, space.name)


def _oom(space: Any, name: str = "one") -> None:
    space.kube.lab.call(space.kube.lab.kubelet.report_oom, space.name, name)


def test_a_pod_killed_for_its_memory_restarts_and_tells_why(lab_space: Any) -> None:
    space = lab_space
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    space.ready("one")
    _oom(space)
    space.kube.until(lambda: _pod(space).status.container_statuses[0].restart_count == 1)
    space.ready("one")
    container = _pod(space).status.container_statuses[0]
    ended = container.last_state.terminated
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)
    assert container.state.running is not None
    assert "one" in space.kube.lab.runtime.serving


def test_a_pod_killed_again_and_again_is_in_crash_loop_back_off(lab_space: Any) -> None:
    space = lab_space
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    space.ready("one")
    _oom(space)
    space.kube.until(lambda: _pod(space).status.container_statuses[0].restart_count == 1)
    space.ready("one")
    _oom(space)
    waiting = space.kube.until(lambda: _pod(space).status.container_statuses[0].state.waiting)
    assert waiting.reason == "CrashLoopBackOff"
    assert _pod(space).status.phase == "Running"
    assert "one" not in space.kube.lab.runtime.serving
    space.kube.until(lambda: _pod(space).status.container_statuses[0].restart_count == 2)


def test_a_pod_that_never_restarts_fails(lab_space: Any) -> None:
    space = lab_space
    body = space.pod("one")
    body["spec"]["restartPolicy"] = "Never"
    space.kube.core.create_namespaced_pod(space.name, body)
    space.ready("one")
    _oom(space)
    space.kube.until(lambda: _pod(space).status.phase == "Failed")
    assert _pod(space).status.container_statuses[0].state.terminated.reason == "OOMKilled"


def test_the_runtime_hears_of_start_stop_and_resize(lab_space: Any) -> None:
    space, runtime = lab_space, lab_space.kube.lab.runtime
    space.kube.core.create_namespaced_pod(space.name, space.pod("heard"))
    space.ready("heard")
    assert "heard" in runtime.serving
    change = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"cpu": "200m"}}}]}}
    space.kube.core.patch_namespaced_pod_resize("heard", space.name, change)
    space.kube.until(lambda: "heard" in runtime.resizes)
    space.kube.core.delete_namespaced_pod("heard", space.name)
    space.kube.until(lambda: "heard" not in runtime.serving)


def test_a_resize_that_no_node_could_give_stays_pending(lab_space: Any) -> None:
    space = lab_space
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    space.ready("one")
    wanted = {"requests": {"cpu": "400"}, "limits": {"cpu": "400"}}
    change = {"spec": {"containers": [{"name": "main", "resources": wanted}]}}
    space.kube.core.patch_namespaced_pod_resize("one", space.name, change)

    def pending() -> Any:
        return [each for each in _pod(space).status.conditions if each.type == "PodResizePending"]

    assert space.kube.until(pending)[0].reason == "Infeasible"
    assert _pod(space).status.container_statuses[0].resources.limits["cpu"] == "100m"


def _scaled_to(space: Any, replicas: int) -> None:
    read = space.kube.apps.read_namespaced_deployment
    space.kube.until(lambda: read("busy", space.name).spec.replicas == replicas, f"{replicas} replicas")


def test_an_autoscaler_follows_the_usage_up_and_down(lab_space: Any) -> None:
    space, runtime = lab_space, lab_space.kube.lab.runtime
    space.deploy("busy", 2)
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    body = {
        "metadata": {"name": "busy"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "busy"},
            "minReplicas": 1,
            "maxReplicas": 6,
            "metrics": [metric],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }
    runtime.used["busy"] = (0.010, 8e6)  # 100 % of the request of 10m, twice the target: two pods become four
    space.kube.autoscaling.create_namespaced_horizontal_pod_autoscaler(space.name, body)
    _scaled_to(space, 4)
    runtime.used["busy"] = (0.005, 8e6)
    space.ready("busy", 4)
    told = space.kube.autoscaling.read_namespaced_horizontal_pod_autoscaler("busy", space.name)
    assert told.status.current_metrics[0].resource.name == "cpu"
    assert {each.type: each.status for each in told.status.conditions}["ScalingActive"] == "True"
    runtime.used["busy"] = (0.00125, 8e6)  # 12.5 %, a quarter of the target: four pods become one
    _scaled_to(space, 1)


def test_chaos_mesh_kinds_are_stored_and_heard_of(lab_space: Any) -> None:
    space, heard = lab_space, []
    lab = space.kube.lab
    leave = lab.call(lab.store.subscribe, "networkchaos", lambda event, _obj: heard.append(event))
    place = ("chaos-mesh.org", "v1alpha1", space.name, "networkchaos")
    body = {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": "NetworkChaos",
        "metadata": {"name": "slow"},
        "spec": {"action": "delay", "mode": "all", "selector": {"namespaces": [space.name]}},
    }
    made = space.kube.custom.create_namespaced_custom_object(*place, body)
    assert made["spec"]["action"] == "delay"
    change = {"spec": {"delay": {"latency": "100ms"}}}
    patch = space.kube.custom.patch_namespaced_custom_object
    assert patch(*place, "slow", change, _content_type="application/merge-patch+json")["spec"]["mode"] == "all"
    assert len(space.kube.custom.list_namespaced_custom_object(*place)["items"]) == 1
    space.kube.custom.delete_namespaced_custom_object(*place, "slow")
    space.kube.until(lambda: heard == ["ADDED", "MODIFIED", "DELETED"])
    lab.call(leave)


def test_a_custom_object_takes_no_strategic_patch(lab_space: Any, refused: Any) -> None:
    place = ("chaos-mesh.org", "v1alpha1", lab_space.name, "httpchaos")
    lab_space.kube.custom.create_namespaced_custom_object(*place, {"metadata": {"name": "x"}, "spec": {}})
    refused(
        415,
        lab_space.kube.custom.patch_namespaced_custom_object,
        *place,
        "x",
        {"spec": {"a": 1}},
        _content_type="application/strategic-merge-patch+json",
    )


def test_chaosk8s_slows_the_network_through_chaos_mesh(lab_space: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from chaosk8s.chaosmesh.network.actions import add_latency

    monkeypatch.setenv("KUBECONFIG", lab_space.kube.kubeconfig)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", lab_space.kube.kubeconfig)
    made = add_latency("slow", ns=lab_space.name, label_selectors="app=web", latency="50ms")
    assert made["spec"]["action"] == "delay"


def test_a_cordoned_node_takes_no_pods(lab_space: Any) -> None:
    space = lab_space
    space.kube.core.patch_node("lab", {"spec": {"unschedulable": True}})
    try:
        space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
        space.kube.until(lambda: _pod(space).status.conditions)
        assert "unschedulable" in _pod(space).status.conditions[0].message
    finally:
        space.kube.core.patch_node("lab", {"spec": {"unschedulable": None}})
    space.ready("one")


def test_a_bookmark_ends_a_watch_that_asked_for_it(lab_space: Any) -> None:
    version = lab_space.kube.core.list_namespaced_pod(lab_space.name).metadata.resource_version
    answer = lab_space.kube.core.list_namespaced_pod(
        lab_space.name,
        watch=True,
        timeout_seconds=1,
        resource_version=version,
        allow_watch_bookmarks=True,
        _preload_content=False,
    )
    told = json.loads(answer.read())
    assert told["type"] == "BOOKMARK"
    assert int(told["object"]["metadata"]["resourceVersion"]) >= int(version)


def test_a_watch_whose_client_is_gone_is_forgotten(lab_space: Any) -> None:
    store = lab_space.kube.lab.store
    before = len(store._changes)
    answer = lab_space.kube.core.list_namespaced_pod(lab_space.name, watch=True, _preload_content=False)
    lab_space.kube.until(lambda: len(store._changes) == before + 1)
    answer.close()
    lab_space.kube.until(lambda: len(store._changes) == before)


def test_a_list_of_hundreds_takes_milliseconds(lab_space: Any) -> None:
    space, lab = lab_space, lab_space.kube.lab

    def fill() -> None:
        for number in range(300):
            body = {"metadata": {"name": f"m{number}", "namespace": space.name}, "data": {"text": "x" * 500}}
            lab.store.create("configmaps", body)

    lab.call(fill)
    listed = space.kube.core.list_namespaced_config_map
    listed(space.name, _preload_content=False)
    began = time.perf_counter()
    answer = listed(space.name, _preload_content=False)
    took_ms = (time.perf_counter() - began) * 1000
    assert len(answer.data) > 150_000
    assert took_ms < 50


def test_hundreds_of_pods_roll_out_without_blocking_the_loop(lab_space: Any) -> None:
    space, lab = lab_space, lab_space.kube.lab
    gaps: list[float] = []

    def tick(last: float) -> None:
        now = time.thread_time()  # what the loop's thread worked, whatever else this machine does
        gaps.append(now - last)
        lab.loop.call_later(0.0005, tick, now)

    small = {"resources": {"requests": {"cpu": "1m", "memory": "1Mi"}}}
    lab.call(lambda: lab.loop.call_soon(tick, time.thread_time()))
    space.deploy("web", 100, container=small)
    assert sorted(gaps)[int(len(gaps) * 0.99)] < 0.02
