"""A cluster at its first minute: namespaces, one node, admissions; and the kubeconfig that leads to it."""

from pathlib import Path

import yaml

from chaosprsa.lab.controllers import addresses, quotas
from chaosprsa.lab.defaults import quantities
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.store import Store

NODE = "lab"
VERSION = "v1.34.4"  # the Kubernetes that the contract suite compares with
FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


def boot(store: Store, cpu_cores: float = 64, memory_gib: float = 256, pods: int = 500) -> None:
    """Make the store a cluster with one Ready node; to be called once, before any other write."""
    store.admissions += [addresses.admission(store), quotas.admission(store)]
    for name in FIRST_NAMESPACES:
        store.create("namespaces", {"metadata": {"name": name}})
    store.create("nodes", node(NODE, store.stamp(), cpu_cores, memory_gib, pods))


def node(name: str, now: str, cpu_cores: float, memory_gib: float, pods: int) -> Obj:
    """A Ready node on this machine; cores and GiB may be many more than there really are."""
    room = quantities({"cpu": f"{cpu_cores:.3f}", "memory": f"{round(memory_gib * 1024)}Mi", "pods": str(pods)})
    common = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
            },
        },
        "spec": {},
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
            "conditions": [{**ready, **common}],
            "nodeInfo": {
                "kubeletVersion": VERSION,
                "kubeProxyVersion": VERSION,
                "operatingSystem": "linux",
                "architecture": "amd64",
                "osImage": "chaosprsa lab",
                "containerRuntimeVersion": "lab://1",
                "kernelVersion": "",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
            },
        },
    }


def kubeconfig(url: str) -> Obj:
    """What KUBECONFIG should hold to reach the API at a URL; nobody has to log in."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "chaosprsa-lab", "cluster": {"server": url}}],
        "users": [{"name": "chaosprsa-lab", "user": {}}],
        "contexts": [{"name": "chaosprsa-lab", "context": {"cluster": "chaosprsa-lab", "user": "chaosprsa-lab"}}],
        "current-context": "chaosprsa-lab",
    }


def write_kubeconfig(path: Path, url: str) -> None:
    """Write it whole or not at all."""
    half = path.with_name(f"{path.name}.part")
    half.write_text(yaml.safe_dump(kubeconfig(url)), encoding="utf-8")
    half.replace(path)
