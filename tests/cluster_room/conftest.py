"""A namespace to work in: on the lab by default; on a real Kubernetes too with CHAOSPRSA_CLUSTER=1 and KUBECONFIG."""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosprsa.cluster import Cluster, connect
from chaosprsa.cluster.kinds import APPLICABLE
from chaosprsa.manifests import SHADOW_OF, SNAPSHOT, labels_of, without_server_fields
from chaosprsa.workspace import Workspace

IMAGE = os.environ.get("CHAOSPRSA_TEST_IMAGE", "docker.io/local/busybox:1")


def deployment(name: str, replicas: int = 2, kind: str = "Deployment", **container: Any) -> dict[str, Any]:
    """A workload that sleeps, with requests and limits that differ."""
    resources = {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    main = {"name": name, "image": IMAGE, "command": ["sleep", "100000"], "resources": resources, **container}
    spec: dict[str, Any] = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [main]},
        },
    }
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports, **spec},
    }


def autoscaler(target: str, least: int, most: int) -> dict[str, Any]:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
    }
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": target},
        "spec": {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": reference, "metrics": [metric]},
    }


@pytest.fixture(scope="session")
def samples() -> SimpleNamespace:
    """Makers of manifests, as pytest's import mode lets tests share no module."""
    return SimpleNamespace(deployment=deployment, service=service, autoscaler=autoscaler)


@pytest.fixture(params=["lab", pytest.param("real", marks=pytest.mark.cluster)])
def cluster(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    if request.param == "lab":
        monkeypatch.setenv("KUBECONFIG", str(request.getfixturevalue("lab").kubeconfig))
    elif os.environ.get("CHAOSPRSA_CLUSTER") != "1":
        pytest.skip("set CHAOSPRSA_CLUSTER=1 and KUBECONFIG to a cluster whose namespaces may be created and deleted")
    return connect(state=Workspace(tmp_path).state)


@pytest.fixture
def new_namespace(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Makes namespaces of one test; all go when it ends."""
    made: list[str] = []

    def make(shadow_of: str = "", objects: Any = (), name: str = "") -> str:
        name = name or f"room-{uuid.uuid4().hex[:8]}"
        labels = {SHADOW_OF: shadow_of} if shadow_of else {}
        made.append(name)
        cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        for item in objects:
            cluster.api.create({**item, "metadata": {**item["metadata"], "namespace": name}})
        return name

    make.made = made  # type: ignore[attr-defined]
    yield make
    for name in made:
        cluster.api.delete("Namespace", "", name)


@pytest.fixture
def plain(cluster: Cluster) -> Callable[[str], str]:
    """Everything of a namespace that this room may change, without what the server writes, as one text."""

    def read(namespace: str) -> str:
        found = [without_server_fields(item) for item in cluster.objects(namespace, APPLICABLE)]
        kept = [item for item in found if SNAPSHOT not in labels_of(item)]
        return json.dumps([_without_cluster_ips(item) for item in kept], indent=1, sort_keys=True)

    return read


def _without_cluster_ips(manifest: dict[str, Any]) -> dict[str, Any]:
    manifest["spec"] = {k: v for k, v in manifest.get("spec", {}).items() if k not in {"clusterIP", "clusterIPs"}}
    return manifest


@pytest.fixture
def shadow_namespace(new_namespace: Callable[..., str]) -> str:
    """A Deployment `basket` (2 pods) and a StatefulSet `store` (1 pod), names that the lab's shop doesn't have."""
    return new_namespace("shop", [deployment("basket"), deployment("store", 1, "StatefulSet")])
