"""Chaos Mesh's objects made to act: NetworkChaos (delay, loss, partition) and HTTPChaos (abort, delay, replace).

Pods are chosen once, when the object appears, by selector and mode, as Chaos Mesh does. Network faults act on what
the chosen pods send, as `tc netem` does: their answers, and their calls to others (direction `to`, the default; with a
target, only what goes to the target's pods). A lost message comes again after TCP's retransmission time-out of 200 ms,
which doubles. HTTPChaos of the lab knows one field more, `percent`: the share of requests it hits.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chaosprsa.lab.kinds import Kind
from chaosprsa.lab.runtime import Obj
from chaosprsa.lab.status import invalid

RETRANSMIT_S = 0.2
NEVER_S = 1e6  # a partition: later than any deadline
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")

PodKey = tuple[str, str]  # namespace, name
Pods = Mapping[PodKey, Mapping[str, str]]  # with their labels


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """What happens to messages that a pod sends. targets: only those to these pods; empty: all."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    partition: bool = False
    targets: frozenset[PodKey] = frozenset()
    answers: bool = True

    def added_s(self, rng: np.random.Generator) -> float:
        """What one message loses."""
        if self.partition:
            return NEVER_S
        added = self.delay_s
        if self.jitter_s:
            added = max(0.0, added + self.jitter_s * rng.uniform(-1, 1))
        wait = RETRANSMIT_S
        while self.loss and wait < NEVER_S and rng.random() < self.loss:
            added += wait
            wait *= 2
        return added


@dataclass(frozen=True, slots=True)
class HttpFault:
    """What happens to requests that a pod answers."""

    on_request: bool
    path: str = "*"
    abort: bool = False
    delay_s: float = 0.0
    code: int = 0
    share: float = 1.0

    def hits(self, path: str, rng: np.random.Generator) -> bool:
        return fnmatch.fnmatchcase(path, self.path) and (self.share >= 1 or rng.random() < self.share)


@dataclass(frozen=True, slots=True)
class PodFaults:
    """All that is wrong with one pod now."""

    network: tuple[NetworkFault, ...] = ()
    http: tuple[HttpFault, ...] = ()

    def answer_delay_s(self, rng: np.random.Generator) -> float:
        """What its answer loses on the way out."""
        return sum(fault.added_s(rng) for fault in self.network if fault.answers)

    def call_delay_s(self, callee: PodKey, rng: np.random.Generator) -> float:
        """What its call to another pod loses on the way out."""
        return sum(fault.added_s(rng) for fault in self.network if not fault.targets or callee in fault.targets)


def seconds(text: object) -> float:
    """A Go duration ("100ms", "1m30s"). Raises ValueError."""
    parts = _DURATION.findall(str(text or "0s"))
    if "".join(number + unit for number, unit in parts) != str(text or "0s"):
        raise ValueError(f"{text!r} is no duration such as 100ms")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def percent(value: object, default: float = 0.0) -> float:
    """A percentage as a share, 0 to 1. Raises ValueError."""
    share = float(str(default * 100 if value is None or value == "" else value)) / 100
    if not 0 <= share <= 1:
        raise ValueError(f"{value!r} is no percentage from 0 to 100")
    return share


def chosen(selection: Mapping[str, Any], home: str, pods: Pods, rng: np.random.Generator) -> tuple[PodKey, ...]:
    """The pods that a spec's selector, mode and value choose. home: the object's own namespace."""
    candidates = sorted(_matching(selection.get("selector") or {}, home, pods))
    mode, value = selection.get("mode", "one"), selection.get("value")
    count = len(candidates)
    if mode == "one":
        count = min(1, count)
    elif mode == "fixed":
        count = min(int(str(value or 0)), count)
    elif mode == "fixed-percent":
        count = int(count * percent(value))
    elif mode == "random-max-percent":
        count = int(rng.integers(0, int(count * percent(value)) + 1))
    elif mode != "all":
        raise ValueError(f"mode {mode!r} is none of one, all, fixed, fixed-percent, random-max-percent")
    picks = rng.permutation(len(candidates))[:count]
    return tuple(candidates[int(pick)] for pick in sorted(picks))


def _matching(selector: Mapping[str, Any], home: str, pods: Pods) -> Iterable[PodKey]:
    namespaces = set(selector.get("namespaces") or [home])
    labels = (selector.get("labelSelectors") or {}).items()
    named = selector.get("pods")
    for (namespace, name), have in pods.items():
        if named is not None and name not in named.get(namespace, ()):
            continue
        if (named is not None or namespace in namespaces) and labels <= have.items():
            yield namespace, name


def faults_of(obj: Mapping[str, Any], pods: Pods, rng: np.random.Generator) -> dict[PodKey, PodFaults]:
    """What one NetworkChaos or HTTPChaos does, and to which pods. Raises ValueError for a spec that can't be."""
    spec, home = obj.get("spec") or {}, obj["metadata"]["namespace"]
    if obj.get("kind") == "HTTPChaos":
        fault = _http_fault(spec)
        return {key: PodFaults(http=(fault,)) for key in chosen(spec, home, pods, rng)}
    sources, targets = chosen(spec, home, pods, rng), _targets(spec, home, pods, rng)
    out, back = _network_fault(spec, targets), _network_fault(spec, frozenset(sources))
    direction = spec.get("direction") or "to"
    if direction not in {"to", "from", "both"}:
        raise ValueError(f"direction {direction!r} is none of to, from, both")
    found = {key: PodFaults(network=(out,)) for key in sources} if direction != "from" else {}
    for key in targets if direction != "to" else ():
        found[key] = merged((found.get(key, PodFaults()), PodFaults(network=(back,))))
    return found


def _targets(spec: Mapping[str, Any], home: str, pods: Pods, rng: np.random.Generator) -> frozenset[PodKey]:
    target = spec.get("target") or {}
    return frozenset(chosen(target, home, pods, rng)) if target.get("selector") else frozenset()


def _network_fault(spec: Mapping[str, Any], targets: frozenset[PodKey]) -> NetworkFault:
    action, fault = spec.get("action"), NetworkFault(targets=targets, answers=not targets)
    if action == "delay":
        delay = spec.get("delay") or {}
        return replace(fault, delay_s=seconds(delay.get("latency")), jitter_s=seconds(delay.get("jitter")))
    if action in {"loss", "corrupt"}:
        return replace(fault, loss=percent((spec.get(action) or {}).get(action)))
    if action == "partition":
        return replace(fault, partition=True)
    raise ValueError(f"action {action!r} is not played here; delay, loss, corrupt and partition are")


def _http_fault(spec: Mapping[str, Any]) -> HttpFault:
    changed = spec.get("replace") or {}
    return HttpFault(
        on_request=(spec.get("target") or "Request") == "Request",
        path=spec.get("path") or "*",
        abort=bool(spec.get("abort")),
        delay_s=seconds(spec.get("delay")),
        code=int(changed.get("code") or 0),
        share=percent(spec.get("percent"), 1.0),
    )


def admission(kind: Kind, new: Obj, _old: Obj | None) -> None:
    """Refuses what can't be played, as Chaos Mesh's webhook does: a fault that silently does nothing would look like
    one that is survived. Raises StatusError 422.
    """
    if kind.kind in {"NetworkChaos", "HTTPChaos"}:
        try:
            seconds((new.get("spec") or {}).get("duration"))
            faults_of({**new, "kind": kind.kind}, {}, np.random.default_rng(0))
        except (ValueError, TypeError, AttributeError) as error:
            raise invalid(
                kind.kind, new["metadata"]["name"], kind.group, [("spec", f"Invalid value: {error}")]
            ) from None


def merged(faults: Iterable[PodFaults]) -> PodFaults:
    """Several at once."""
    every = tuple(faults)
    return PodFaults(
        network=tuple(one for fault in every for one in fault.network),
        http=tuple(one for fault in every for one in fault.http),
    )
