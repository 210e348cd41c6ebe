"""One suite of behaviours for two clusters: the lab, in this process, and the real one that KUBECONFIG names.

The real one needs CHAOSPRSA_CLUSTER=1. Its image is a setting: CHAOSPRSA_TEST_IMAGE, any that has `sleep`.
"""

import asyncio
import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes import client, config

from chaosprsa.lab.api import build_api, serve
from chaosprsa.lab.boot import boot, write_kubeconfig
from chaosprsa.lab.controllers import start_controllers
from chaosprsa.lab.kubelet import Kubelet
from chaosprsa.lab.store import Store

IMAGE = os.environ.get("CHAOSPRSA_TEST_IMAGE", "docker.io/local/busybox:1")
START_S = 0.1
Obj = dict[str, Any]


class QuietRuntime:
    """Pods that start in 0.1 s, say hello and use what a test tells."""

    def __init__(self) -> None:
        self.serving: set[str] = set()
        self.resizes: list[str] = []
        self.used: dict[str, tuple[float, float]] = {}  # by the label app

    def start_delay_s(self, pod: Obj) -> float:  # noqa: ARG002  # the seam's own signature
        return START_S

    def started(self, pod: Obj) -> None:
        self.serving.add(pod["metadata"]["name"])

    def stopped(self, pod: Obj) -> None:
        self.serving.discard(pod["metadata"]["name"])

    def resized(self, pod: Obj) -> None:
        self.resizes.append(pod["metadata"]["name"])

    def usage(self, pod: Obj) -> tuple[float, float]:
        return self.used.get(pod["metadata"]["labels"].get("app", ""), (0.0, 0.0))

    def logs(self, pod: Obj) -> str:  # noqa: ARG002  # the seam's own signature
        return f"{datetime.now(UTC).isoformat()} hello\n"


class Lab:
    """The lab's API, controllers and kubelet in a thread with its own loop."""

    def __init__(self, history: int = 2000) -> None:
        self.runtime = QuietRuntime()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.store, self.kubelet, self.url, self._close = self.do(self._open(history))

    async def _open(self, history: int) -> tuple[Store, Kubelet, str, Callable[[], Any]]:
        store = Store(history=history)
        boot(store, cpu_cores=16, memory_gib=64)
        kubelet = Kubelet(store, self.runtime, drain_s=0.1)
        tasks = [*kubelet.start(), *start_controllers(store, self.runtime, hpa_period_s=0.3)]
        runner, url = await serve(build_api(store, self.runtime))

        async def close() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await runner.cleanup()

        return store, kubelet, url, close

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call in the lab's loop."""

        async def called() -> Any:
            return function(*arguments, **named)

        return self.do(called())

    def close(self) -> None:
        self.do(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@dataclass
class Kube:
    """A cluster and its clients."""

    name: str
    kubeconfig: str
    lab: Lab | None
    image: str = IMAGE
    api: client.ApiClient = field(init=False)

    def __post_init__(self) -> None:
        self.api = config.new_client_from_config(config_file=self.kubeconfig)
        self.core = client.CoreV1Api(self.api)
        self.apps = client.AppsV1Api(self.api)
        self.autoscaling = client.AutoscalingV2Api(self.api)
        self.policy = client.PolicyV1Api(self.api)
        self.networking = client.NetworkingV1Api(self.api)
        self.coordination = client.CoordinationV1Api(self.api)
        self.discovery = client.DiscoveryV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)

    @property
    def patience_s(self) -> float:
        return 10.0 if self.lab else 60.0

    def until(self, probe: Callable[[], Any], what: str = "") -> Any:
        """The probe's first true value; an error of the API counts as not yet."""
        deadline = time.monotonic() + self.patience_s
        last: Any = None
        while time.monotonic() < deadline:
            try:
                last = probe()
            except client.ApiException as error:
                last = error
            else:
                if last:
                    return last
            time.sleep(0.02 if self.lab else 0.1)
        raise AssertionError(f"never came about: {what or probe}; last: {last}")

    def raw(self, obj: Any) -> Obj:
        """A model as JSON."""
        return self.api.sanitize_for_serialization(obj)


@dataclass
class Space:
    """A namespace to work in, and makers of what is put there."""

    kube: Kube
    name: str

    def template(self, app: str, **container: Any) -> Obj:
        resources = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
        script = "trap 'exit 0' TERM; echo hello; while true; do sleep 0.2; done"
        main = {"name": "main", "image": self.kube.image, "command": ["sh", "-c", script], "resources": resources}
        return {
            "metadata": {"labels": {"app": app}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{**main, **container}]},
        }

    def pod(self, name: str, app: str = "", labels: Obj | None = None, **container: Any) -> Obj:
        template = self.template(app or name, **container)
        metadata = {"name": name, "labels": {**template["metadata"]["labels"], **(labels or {})}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}

    def workload(self, name: str, replicas: int = 1, container: Obj | None = None, **spec: Any) -> Obj:
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": name}},
                "template": self.template(name, **(container or {})),
                **spec,
            },
        }

    def deploy(self, name: str = "web", replicas: int = 1, **options: Any) -> Any:
        """A Deployment, created and fully available."""
        self.kube.apps.create_namespaced_deployment(self.name, self.workload(name, replicas, **options))
        return self.rolled_out(name)

    def rolled_out(self, name: str = "web") -> Any:
        """The Deployment, once its last change is complete."""

        def complete() -> Any:
            found = self.kube.apps.read_namespaced_deployment(name, self.name)
            status, wanted = found.status, found.spec.replicas
            counts = (status.replicas or 0, status.updated_replicas or 0, status.available_replicas or 0)
            observed = (status.observed_generation or 0) >= found.metadata.generation
            return found if observed and counts == (wanted, wanted, wanted) else None

        return self.kube.until(complete, f"deployment {name} rolled out")

    def pods(self, app: str = "web") -> list[Any]:
        """Pods that are not going away."""
        found = self.kube.core.list_namespaced_pod(self.name, label_selector=f"app={app}").items
        return [pod for pod in found if pod.metadata.deletion_timestamp is None]

    def ready(self, app: str = "web", count: int = 1) -> list[Any]:
        """Exactly so many Ready pods."""

        def enough() -> Any:
            pods = self.pods(app)
            return pods if len(pods) == count and all(map(is_ready, pods)) else None

        return self.kube.until(enough, f"{count} ready pods of {app}")


def is_ready(pod: Any) -> bool:
    return any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())


@pytest.fixture(scope="session")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    lab = Lab()
    path = tmp_path_factory.mktemp("lab") / "kubeconfig"
    write_kubeconfig(path, lab.url)
    yield Kube("lab", str(path), lab)
    lab.close()


@pytest.fixture(scope="session")
def _real() -> Kube:
    if os.environ.get("CHAOSPRSA_CLUSTER") != "1":
        pytest.skip("CHAOSPRSA_CLUSTER isn't 1: no real Kubernetes is touched")
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no real Kubernetes")
    return Kube("real", os.environ["KUBECONFIG"], None)


@pytest.fixture(params=["lab", pytest.param("real", marks=pytest.mark.cluster)])
def kube(request: pytest.FixtureRequest) -> Kube:
    return request.getfixturevalue(f"_{request.param}")


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Kube:
    """The lab alone: what only it can be asked."""
    return request.getfixturevalue("_lab")


def space_in(kube: Kube) -> Iterator[Space]:
    made = kube.core.create_namespace({"metadata": {"generateName": "contract-", "labels": {"contract": "1"}}})
    name = made.metadata.name
    kube.until(lambda: kube.core.read_namespaced_service_account("default", name), "the default service account")
    kube.until(lambda: kube.core.read_namespaced_config_map("kube-root-ca.crt", name), "the root certificate")
    yield Space(kube, name)
    with contextlib.suppress(client.ApiException):
        kube.core.delete_namespace(name)


@pytest.fixture
def space(kube: Kube) -> Iterator[Space]:
    yield from space_in(kube)


@pytest.fixture
def lab_space(lab: Kube) -> Iterator[Space]:
    yield from space_in(lab)


@pytest.fixture
def chaosk8s_here(kube: Kube, monkeypatch: pytest.MonkeyPatch) -> Kube:
    """chaosk8s talks to this cluster, as it would with KUBECONFIG."""
    monkeypatch.setenv("KUBECONFIG", kube.kubeconfig)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", kube.kubeconfig)
    return kube


@pytest.fixture
def refused() -> Callable[..., Obj]:
    """The Status of a call that must be refused with this code."""

    def refuse(code: int, call: Callable[..., Any], *arguments: Any, **named: Any) -> Obj:
        with pytest.raises(client.ApiException) as caught:
            call(*arguments, **named)
        assert caught.value.status == code, caught.value.body
        status: Obj = json.loads(caught.value.body)
        assert status["kind"] == "Status"
        assert status["status"] == "Failure"
        assert status["code"] == code
        return status

    return refuse
