"""Issues -> Chaos Toolkit experiments: JSON that `chaos validate` accepts and plain `chaos run` plays, with its load.

The way of each: the gate (it is a shadow, its services are ready), a snapshot, the load, the fault at its second of the
load's own clock, the end of the fault, the rest of the load, what Prometheus saw; afterwards the objective in the fault
and after it, rollbacks (always, and harmless twice), and a last look that the steady state is back. What depends on the
shadow as it is then (replicas, ports, limits) is read when the experiment runs.

Where it looks for things, in the environment: CHAOSPRSA_STUDY (folder of the profile), CHAOSPRSA_LOAD_FOLDER (where the
load is logged), CHAOSPRSA_ENTRY_URL, CHAOSPRSA_PROMETHEUS; without them, the workspace's folders and chaosprsa.toml.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from chaosprsa.documents import to_json
from chaosprsa.faults import impact_in_words, issue_in_words
from chaosprsa.injections import Activities, Activity, FaultParts, inject
from chaosprsa.loads import fault_window
from chaosprsa.settings import Settings
from chaosprsa.types import Fault, SimulatedIssue, Slo
from chaosprsa.workspace import Workspace

EXTENSION = "chaosprsa"
STUDY_VARIABLE = "CHAOSPRSA_STUDY"
LOAD_VARIABLE = "CHAOSPRSA_LOAD_FOLDER"
ENTRY_VARIABLE = "CHAOSPRSA_ENTRY_URL"
PROMETHEUS_VARIABLE = "CHAOSPRSA_PROMETHEUS"
READY_TIMEOUT_S = 90.0

_PROMETHEUS_PROBES = {
    "error share at the entry": (
        'sum(rate(http_request_duration_seconds_count{namespace="$namespace",$label="$entry",code=~"5.."}[$window]))'
        ' / sum(rate(http_request_duration_seconds_count{namespace="$namespace",$label="$entry"}[$window]))'
        " or vector(0)"
    ),
    "restarts in the shadow": (
        'sum(increase(kube_pod_container_status_restarts_total{namespace="$namespace"}[$window])) or vector(0)'
    ),
}


def build_experiment(
    issue: SimulatedIssue,
    study: str,
    profile: str,
    settings: Settings,
    seed: int,
    kinds: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One issue's experiment.

    profile: the load profile's file name in the study's folder. kinds: a service's workload kind (Deployment,
    StatefulSet) where it is known: chaosk8s then scales it; an own action that finds out does otherwise.
    """
    start_s, end_s = fault_window(issue, settings.trial)
    return _Writer(issue, study, profile, settings, seed, kinds or {}, start_s, end_s).experiment()


@dataclass(frozen=True, slots=True)
class _Writer:
    issue: SimulatedIssue
    study: str
    profile: str
    settings: Settings
    seed: int
    kinds: Mapping[str, str]
    start_s: float
    end_s: float

    @property
    def stop_s(self) -> float:
        return self.end_s + self.settings.trial.after_s

    @property
    def write(self) -> Activities:
        return Activities(self.settings)

    @property
    def target(self) -> str:
        return self.issue.component

    def experiment(self) -> dict[str, Any]:
        """The whole document, in the order in which people read one."""
        issue, slo = self.issue, self.settings.entry_slo
        parts = inject(issue, self.settings, self.kinds)
        document: dict[str, Any] = {
            "version": "1.0.0",
            "title": issue_in_words(issue),
            "description": self._description(),
            "tags": ["chaosprsa", *_faults(issue), issue.severity.value, *_components(issue)],
            "contributions": _CONTRIBUTIONS[issue.fault],
            "configuration": {**self._configuration(), **parts.configuration},
            "runtime": {"hypothesis": {"strategy": "default"}, "rollbacks": {"strategy": "always"}},
            "controls": [
                {"name": "when each part ran", "provider": {"type": "python", "module": "chaosprsa.controls"}}
            ],
            "steady-state-hypothesis": {"title": _promise(slo), "probes": self._hypothesis(slo)},
            "method": self._method(parts, slo),
            "rollbacks": self._rollbacks(),
            "extensions": [self._extension(slo)],
        }
        if self.settings.cluster.context:
            document["secrets"] = {"kubernetes": {"KUBERNETES_CONTEXT": self.settings.cluster.context}}
        return document

    def _description(self) -> str:
        issue = self.issue
        return (
            f"{issue.kind} on {self.target}, likely with probability {issue.probability:.2f}; felt by "
            f"{', '.join(issue.components[1:]) or 'nobody else'}. Predicted at {self.settings.topology.entry}: "
            f"{impact_in_words(issue.impact)}. {' '.join(issue.evidence)}"
        ).strip()

    def _configuration(self) -> dict[str, Any]:
        root = Workspace(Path())
        load = (root.outcomes(self.study) / self.issue.id / "load").as_posix()
        return {
            "shadow": self.settings.shadow_namespace,
            "service_label": self.settings.cluster.service_label,
            "study_folder": _variable(STUDY_VARIABLE, root.study(self.study).as_posix()),
            "load_folder": _variable(LOAD_VARIABLE, load),
            "entry_url": _variable(ENTRY_VARIABLE, self.settings.trial.entry_url),
            "prometheus_base_url": _variable(PROMETHEUS_VARIABLE, self.settings.sources.prometheus),
        }

    def _hypothesis(self, slo: Slo) -> list[Activity]:
        services = list(self.settings.topology.services)
        gate = [
            self.write.own("probe", "it is a shadow", "namespace_is_shadow", namespace="${shadow}")
            | {"tolerance": True},
            self.write.own("probe", "services are ready", "services_ready", namespace="${shadow}", services=services)
            | {"tolerance": True},
        ]
        judged = [
            self._slo(f"{slo.service} keeps its objective while the fault lasts", slo, self.start_s, self.end_s),
            self._slo(f"{slo.service} keeps its objective after the fault", slo, self.end_s, self.stop_s),
        ]
        met = {"type": "python", "module": "chaosprsa.tolerances", "func": "slo_met", "arguments": {}}
        return gate + [
            probe | {"tolerance": {"type": "probe", "name": "the objective is met", "provider": met}}
            for probe in judged
        ]

    def _slo(self, name: str, slo: Slo, start_s: float, end_s: float, **more: int) -> Activity:
        return self.write.own(
            "probe",
            name,
            "slo",
            folder="${load_folder}",
            latency_ms=slo.latency_ms,
            latency_percentile=slo.latency_percentile,
            success_ratio=slo.success_ratio,
            start_s=start_s,
            end_s=end_s,
            **more,
        )

    def _method(self, parts: FaultParts, slo: Slo) -> list[Activity]:
        return [
            self.write.own(
                "action", "write down what is there", "take_snapshot", namespace="${shadow}", reason=self.issue.id
            ),
            self._start_load(),
            self._wait("load before the fault", self.start_s),
            *parts.begin,
            self._wait("the fault lasts", self.end_s),
            *parts.end,
            self._wait("load after the fault", self.stop_s),
            self.write.own("action", "the load is over", "stop_load", folder="${load_folder}"),
            self._slo(f"{slo.service} before the fault", slo, 0.0, self.start_s, min_requests=1),
            *self._prometheus(),
        ]

    def _start_load(self) -> Activity:
        return self.write.own(
            "action",
            "start the load",
            "start_load",
            profile=self.profile,
            folder="${load_folder}",
            host="${entry_url}",
            namespace="${shadow}",
            entry=self.settings.topology.entry,
            study_folder="${study_folder}",
        )

    def _wait(self, name: str, until_s: float) -> Activity:
        return self.write.own(
            "action", name, "wait_load", folder="${load_folder}", until_s=until_s, namespace="${shadow}"
        )

    def _prometheus(self) -> list[Activity]:
        """What Prometheus saw over the load; none where no Prometheus is set."""
        if not self.settings.sources.prometheus:
            return []
        names = {
            "namespace": self.settings.shadow_namespace,
            "label": self.settings.cluster.service_label,
            "entry": self.settings.topology.entry,
            "window": f"{round(self.stop_s)}s",
        }
        return [
            self.write.call("probe", name, "chaosprometheus.probes", "query", query=Template(query).substitute(names))
            for name, query in _PROMETHEUS_PROBES.items()
        ]

    def _rollbacks(self) -> list[Activity]:
        services = list(self.settings.topology.services)
        return [
            self.write.own("action", "end the load", "stop_load", folder="${load_folder}"),
            self.write.own("action", "put the shadow back", "restore_shadow", namespace="${shadow}"),
            self.write.own(
                "probe",
                "the steady state is back",
                "steady_state_is_back",
                namespace="${shadow}",
                services=services,
                timeout_s=READY_TIMEOUT_S,
            ),
        ]

    def _extension(self, slo: Slo) -> dict[str, Any]:
        issue = self.issue
        companions = {"companions": [to_json(also) for also in issue.companions]} if issue.companions else {}
        return {
            "name": EXTENSION,
            "issue": issue.id,
            "study": self.study,
            "seed": self.seed,
            "component": self.target,
            "fault": issue.fault.value,
            "strength": issue.strength,
            **companions,
            "probability": issue.probability,
            "profile": self.profile,
            "fault_start_s": self.start_s,
            "fault_end_s": self.end_s,
            "end_s": self.stop_s,
            "slo": to_json(slo),
            "lineage": to_json(issue.lineage),
        }


def _faults(issue: SimulatedIssue) -> tuple[str, ...]:
    return tuple(dict.fromkeys((issue.fault.value, *(also.fault.value for also in issue.companions))))


def _components(issue: SimulatedIssue) -> tuple[str, ...]:
    return tuple(dict.fromkeys((issue.component, *(also.component for also in issue.companions))))


def _variable(name: str, default: str) -> dict[str, str]:
    return {"type": "env", "key": name, "default": default}


def _promise(slo: Slo) -> str:
    return (
        f"{slo.service} answers {slo.latency_percentile:g} % of good requests within {slo.latency_ms:g} ms, "
        f"and {slo.success_ratio:.2%} of them well"
    )


_CONTRIBUTIONS: Mapping[Fault, Mapping[str, str]] = {
    Fault.POD_KILL: {"availability": "high", "reliability": "high", "performance": "medium"},
    Fault.REPLICA_LOSS: {"availability": "high", "performance": "high", "reliability": "medium"},
    Fault.CPU_SQUEEZE: {"performance": "high", "availability": "medium"},
    Fault.MEMORY_SQUEEZE: {"reliability": "high", "availability": "high"},
    Fault.DEPENDENCY_SLOW: {"performance": "high", "reliability": "medium"},
    Fault.DEPENDENCY_FAILING: {"reliability": "high", "availability": "high"},
    Fault.TRAFFIC_SURGE: {"performance": "high", "scalability": "high"},
}
