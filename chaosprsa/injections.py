"""How each fault is played: chaosk8s' actions wherever they do the job, this package's own where they don't.

What depends on the shadow as it is then (replicas, ports, limits) is read when the experiment starts or an action runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chaosprsa.settings import Settings
from chaosprsa.types import Fault, SimulatedIssue

Activity = dict[str, Any]
CHAOS_MESH = {"group": "chaos-mesh.org", "version": "v1alpha1"}


@dataclass(frozen=True, slots=True)
class FaultParts:
    """What plays one fault: values read as the experiment starts, activities that begin it and that end it."""

    begin: tuple[Activity, ...] = ()
    end: tuple[Activity, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activities:
    """Writes activities; they get the cluster's secrets where a context is set."""

    settings: Settings

    def own(self, kind: str, name: str, function: str, /, **arguments: Any) -> Activity:
        """An action or probe of this package."""
        module = "chaosprsa.actions" if kind == "action" else "chaosprsa.probes"
        return self.call(kind, name, module, function, **arguments)

    def call(self, kind: str, name: str, module: str, function: str, /, **arguments: Any) -> Activity:
        """Any Python activity."""
        provider: dict[str, Any] = {"type": "python", "module": module, "func": function, "arguments": arguments}
        if self.settings.cluster.context:
            provider["secrets"] = ["kubernetes"]
        return {"type": kind, "name": name, "provider": provider}


@dataclass(frozen=True, slots=True)
class _Target:
    """What a fault is played on. kinds: a service's workload kind, where it is known. mark: of the values it reads."""

    issue: SimulatedIssue
    settings: Settings
    kinds: Mapping[str, str]
    mark: str = ""

    @property
    def write(self) -> Activities:
        return Activities(self.settings)

    @property
    def service(self) -> str:
        return self.issue.component

    @property
    def label(self) -> str:
        return self.settings.cluster.service_label

    def read(self, function: str, **arguments: Any) -> Activity:
        """A value that the experiment reads when it starts (Chaos Toolkit's dynamic configuration)."""
        known = {"namespace": self.settings.shadow_namespace, "service": self.service, **arguments}
        return self.write.own("probe", function.replace("_", " "), function, **known)

    def restore(self) -> Activity:
        """The shadow as the snapshot has it."""
        return self.write.own("action", f"{self.service} is put back", "restore_shadow", namespace="${shadow}")


def inject(issue: SimulatedIssue, settings: Settings, kinds: Mapping[str, str]) -> FaultParts:
    """The parts that play an issue's fault, and its companions' after it; they end in the opposite order.

    kinds: service -> Deployment or StatefulSet, where it is known. A surge has no parts: the load is the fault.
    """
    played = [_FAULTS[issue.fault](_Target(issue, settings, kinds))]
    for number, also in enumerate(issue.companions, start=2):
        alone = replace(
            issue, id=f"{issue.id}-{number}", fault=also.fault, strength=also.strength, components=(also.component,)
        )
        played.append(_FAULTS[also.fault](_Target(alone, settings, kinds, f"_{number}")))
    return FaultParts(
        begin=tuple(activity for parts in played for activity in parts.begin),
        end=tuple(activity for parts in reversed(played) for activity in parts.end),
        configuration={name: value for parts in played for name, value in parts.configuration.items()},
    )


def _pod_kill(target: _Target) -> FaultParts:
    kill = target.write.call(
        "action",
        f"kill pods of {target.service}",
        "chaosk8s.pod.actions",
        "terminate_pods",
        label_selector=f"{target.label}={target.service}",
        mode="percentage",
        qty=max(1, round(100 * target.issue.strength)),
        grace_period=0,
        ns="${shadow}",
    )
    return FaultParts(begin=(kill,))


def _replica_loss(target: _Target) -> FaultParts:
    """chaosk8s scales what is known to be a Deployment or StatefulSet; an own action finds out otherwise."""
    share, kind = target.issue.strength, target.kinds.get(target.service, "").lower()
    name = f"{target.service} loses replicas"
    if kind not in {"deployment", "statefulset"}:
        lose = target.write.own(
            "action", name, "scale_down", namespace="${shadow}", service=target.service, share=share
        )
        return FaultParts(begin=(lose,), end=(target.restore(),))
    scale = (f"chaosk8s.{kind}.actions", f"scale_{kind}")
    same: dict[str, Any] = {"name": target.service, "ns": "${shadow}"}
    back = f"{target.service} has its replicas again"
    return FaultParts(
        begin=(target.write.call("action", name, *scale, replicas=f"${{replicas_left{target.mark}}}", **same),),
        end=(target.write.call("action", back, *scale, replicas=f"${{replicas_now{target.mark}}}", **same),),
        configuration={
            f"replicas_left{target.mark}": target.read("replicas_left", share=share),
            f"replicas_now{target.mark}": target.read("replicas_now"),
        },
    )


def _squeeze(target: _Target, factor: str) -> FaultParts:
    resize = target.write.own(
        "action",
        f"squeeze {target.service}",
        "resize_pods",
        namespace="${shadow}",
        service=target.service,
        **{factor: round(1 - target.issue.strength, 6)},
    )
    return FaultParts(begin=(resize,), end=(target.restore(),))


def _slow(target: _Target) -> FaultParts:
    module, name = "chaosk8s.chaosmesh.network.actions", f"chaosprsa-{target.issue.id}"
    delay = target.write.call(
        "action",
        f"{target.service} answers late",
        module,
        "add_latency",
        name=name,
        ns="${shadow}",
        namespaces_selectors="${shadow}",
        label_selectors=f"{target.label}={target.service}",
        mode="all",
        latency=f"{round(target.issue.strength)}ms",
        direction="to",
        target_mode=None,
    )
    back = f"{target.service} answers in time"
    clear = target.write.call("action", back, module, "delete_network_fault", name=name, ns="${shadow}")
    return FaultParts(begin=(delay,), end=(clear,))


def _failing(target: _Target) -> FaultParts:
    """HTTPChaos fails every call of the pods it chooses; `percent` is known to the lab and left out by Chaos Mesh."""
    name, share = f"chaosprsa-{target.issue.id}", target.issue.strength
    where = {**CHAOS_MESH, "plural": "httpchaos", "ns": "${shadow}"}
    resource = {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": "HTTPChaos",
        "metadata": {"name": name, "namespace": "${shadow}"},
        "spec": {
            "mode": "fixed",
            "value": f"${{pods_hit{target.mark}}}",
            "percent": f"${{percent_hit{target.mark}}}",
            "selector": {"namespaces": ["${shadow}"], "labelSelectors": {target.label: target.service}},
            "target": "Response",
            "port": f"${{target_port{target.mark}}}",
            "path": "*",
            "replace": {"code": 503},
        },
    }
    module, act = "chaosk8s.crd.actions", target.write.call
    return FaultParts(
        begin=(
            act("action", f"{target.service} fails calls", module, "create_custom_object", **where, resource=resource),
        ),
        end=(act("action", f"{target.service} fails no more", module, "delete_custom_object", **where, name=name),),
        configuration={
            f"pods_hit{target.mark}": target.read("share_of_pods", share=share),
            f"percent_hit{target.mark}": target.read("percent_of_pods", share=share),
            f"target_port{target.mark}": target.read("container_port"),
        },
    )


_FAULTS: Mapping[Fault, Callable[[_Target], FaultParts]] = {
    Fault.POD_KILL: _pod_kill,
    Fault.REPLICA_LOSS: _replica_loss,
    Fault.CPU_SQUEEZE: lambda target: _squeeze(target, "cpu_factor"),
    Fault.MEMORY_SQUEEZE: lambda target: _squeeze(target, "memory_factor"),
    Fault.DEPENDENCY_SLOW: _slow,
    Fault.DEPENDENCY_FAILING: _failing,
    Fault.TRAFFIC_SURGE: lambda _: FaultParts(),  # the load is the fault
}
