"""Watches: what is there, what comes, what was missed."""

import threading
from typing import Any

from kubernetes import client, watch


def _create(space: Any, name: str, **labels: str) -> Any:
    return space.kube.core.create_namespaced_config_map(space.name, {"metadata": {"name": name, "labels": labels}})


def _events(space: Any, count: int, **query: Any) -> list[tuple[str, str]]:
    """The first so many events, or fewer after five seconds; the namespace's own ConfigMap left out."""
    found: list[tuple[str, str]] = []
    watching = watch.Watch()
    listed = space.kube.core.list_namespaced_config_map
    for event in watching.stream(listed, space.name, timeout_seconds=5, **query):
        name = event["object"].metadata.name
        if name != "kube-root-ca.crt":
            found.append((event["type"], name))
        if len(found) == count:
            watching.stop()
    return found


def _now(space: Any) -> str:
    return space.kube.core.list_namespaced_config_map(space.name).metadata.resource_version


def test_a_watch_begins_with_what_is_there(space: Any) -> None:
    _create(space, "a")
    _create(space, "b")
    assert sorted(_events(space, 2)) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_tells_changes_as_they_come(space: Any) -> None:
    version = _now(space)

    def change() -> None:
        _create(space, "a")
        space.kube.core.patch_namespaced_config_map("a", space.name, {"data": {"x": "y"}})
        space.kube.core.delete_namespaced_config_map("a", space.name)

    timer = threading.Timer(0.3, change)
    timer.start()
    found = _events(space, 3, resource_version=version)
    timer.join()
    assert found == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_resumes_where_it_ended(space: Any) -> None:
    _create(space, "a")
    version = _now(space)
    _create(space, "b")
    space.kube.core.delete_namespaced_config_map("a", space.name)
    assert _events(space, 2, resource_version=version) == [("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_with_labels_sees_objects_come_into_view_and_leave(space: Any) -> None:
    _create(space, "a", tier="data")
    version = _now(space)
    for tier in ("web", "data"):
        space.kube.core.patch_namespaced_config_map("a", space.name, {"metadata": {"labels": {"tier": tier}}})
    found = _events(space, 2, resource_version=version, label_selector="tier=web")
    assert found == [("ADDED", "a"), ("DELETED", "a")]


def test_a_watch_of_one_object_by_its_name(space: Any) -> None:
    _create(space, "a")
    _create(space, "b")
    assert _events(space, 1, field_selector="metadata.name=b") == [("ADDED", "b")]


def _nodes(kube: Any) -> set[str]:
    return {node.metadata.name for node in kube.core.list_node().items}


def _nodes_since(kube: Any, version: str) -> tuple[int, set[str]]:
    """(HTTP status, names of nodes that were added)."""
    try:
        told = list(watch.Watch().stream(kube.core.list_node, resource_version=version, timeout_seconds=3))
    except client.ApiException as gone:
        return gone.status, set()
    return 200, {event["object"].metadata.name for event in told if event["type"] == "ADDED"}


def test_a_watch_from_too_long_ago_is_gone(kube: Any) -> None:
    """Or, where a young cluster still remembers everything, told from the very first node on."""
    status, told = _nodes_since(kube, "1")
    assert status == 410 or told >= _nodes(kube)


def test_a_watch_ends_with_its_timeout(space: Any) -> None:
    answer = space.kube.core.list_namespaced_config_map(
        space.name, watch=True, timeout_seconds=1, resource_version=_now(space), _preload_content=False
    )
    assert answer.read() == b""


def test_a_watched_pod_shows_its_life(space: Any) -> None:
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    phases = []
    watching = watch.Watch()
    for event in watching.stream(space.kube.core.list_namespaced_pod, space.name, timeout_seconds=30):
        phases.append(event["object"].status.phase)
        if phases[-1] == "Running":
            watching.stop()
    assert phases[0] == "Pending"
    assert phases[-1] == "Running"
