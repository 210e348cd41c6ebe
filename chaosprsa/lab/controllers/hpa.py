"""HorizontalPodAutoscalers: they read the runtime's usage and scale their targets."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from chaosprsa.lab import conditions, podstatus
from chaosprsa.lab.controllers import autoscaling
from chaosprsa.lab.controllers.autoscaling import Reading
from chaosprsa.lab.controllers.replicasets import key_of
from chaosprsa.lab.events import EventRecorder
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.podstatus import requested
from chaosprsa.lab.resources import OF_KIND
from chaosprsa.lab.selectors import label_selector
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue

PERIOD_S = 5.0  # upstream: 15 s
REMEMBERED = 400
Usage = Callable[[Obj], tuple[float, float]]


@dataclass(slots=True)
class Memory:
    """What an autoscaler remembers: recommendations and changes, each (time in s, pods)."""

    wanted: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    changes: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Autoscalers:
    """The controller; its keys are HorizontalPodAutoscalers; usage: (cores, bytes) of a pod."""

    def __init__(self, store: Store, usage: Usage, period_s: float = PERIOD_S) -> None:
        self._store = store
        self._usage = usage
        self._period_s = period_s
        self._memory: dict[str, Memory] = {}
        self._events = EventRecorder(store, "horizontal-pod-autoscaler")
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("horizontalpodautoscalers", self._changed, replay=True)

    def _changed(self, event: str, autoscaler: Obj) -> None:
        if event == "DELETED":
            self._memory.pop(autoscaler["metadata"]["uid"], None)
        elif event == "ADDED":
            self.queue.add(key_of(autoscaler))

    def _sync(self, key: Key) -> float | None:
        autoscaler = self._store.find("horizontalpodautoscalers", *key)
        if autoscaler is None:
            return None
        reference = autoscaler["spec"]["scaleTargetRef"]
        kind = OF_KIND.get(reference["kind"])
        target = self._store.find(kind.plural, key[0], reference["name"]) if kind and kind.scale else None
        if target is None or kind is None:
            message = "the HPA controller was unable to get the target's current scale: not found"
            self._tell(autoscaler, [_condition("AbleToScale", "False", "FailedGetScale", message)])
        else:
            self._scale(autoscaler, kind.plural, target)
        return self._period_s

    def _scale(self, autoscaler: Obj, plural: str, target: Obj) -> None:
        current = int(target["spec"]["replicas"])
        able = _condition(
            "AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale"
        )
        if current == 0:
            message = "scaling is disabled since the replica count of the target is zero"
            self._tell(autoscaler, [able, _condition("ScalingActive", "False", "ScalingDisabled", message)], current, 0)
            return
        proposed, shown, active = self._proposed(autoscaler, target, current)
        wanted, limit = self._bounded(autoscaler, current, proposed)
        if wanted != current:
            self._store.update(
                plural, {**target, "spec": {**target["spec"], "replicas": wanted}}, subresource="trusted"
            )
            self._remember(autoscaler).changes.append((asyncio.get_running_loop().time(), wanted - current))
            self._events.record(autoscaler, "SuccessfulRescale", f"New size: {wanted}; reason: resource metrics")
            rescaled = f"the HPA controller was able to update the target scale to {wanted}"
            able = _condition("AbleToScale", "True", "SucceededRescale", rescaled)
        news = [able, active, *([limit] if limit else [])]
        self._tell(autoscaler, news, current, wanted, shown, changed=wanted != current)

    def _remember(self, autoscaler: Obj) -> Memory:
        return self._memory.setdefault(autoscaler["metadata"]["uid"], Memory())

    def _proposed(self, autoscaler: Obj, target: Obj, current: int) -> tuple[int | None, list[Obj], Obj]:
        """(the largest proposal of the metrics or None, their current values, ScalingActive)."""
        selected = label_selector(target["spec"]["selector"])
        pods = self._store.list("pods", target["metadata"]["namespace"])
        pods = tuple(pod for pod in pods if selected(pod["metadata"].get("labels") or {}) and podstatus.is_active(pod))
        ready = [pod for pod in pods if podstatus.is_ready(pod)]
        proposals, shown, why = [], [], "no ready pods have metrics"
        for metric in autoscaler["spec"]["metrics"] if ready else ():
            resource = metric.get("resource") or {}
            name = resource.get("name")
            if metric["type"] != "Resource" or name not in {"cpu", "memory"}:
                why = f"the metric {metric['type']}/{name} is not served here"
                continue
            found = autoscaling.wanted_by(resource["target"], self._reading(ready, name), len(ready), current)
            if found is None:
                why = f"missing request for {name}"
                continue
            proposals.append(found[0])
            shown.append({"type": "Resource", "resource": {"name": name, "current": found[1]}})
        if not proposals:
            told = f"the HPA was unable to compute the replica count: {why}"
            return None, [], _condition("ScalingActive", "False", "FailedGetResourceMetric", told)
        told = "the HPA was able to successfully calculate a replica count from resource metrics"
        return max(proposals), shown, _condition("ScalingActive", "True", "ValidMetricFound", told)

    def _reading(self, ready: list[Obj], name: str) -> Reading:
        place = 0 if name == "cpu" else 1
        usage = sum(self._usage(pod)[place] for pod in ready)
        return Reading(usage, sum(requested(pod, "requests", name) for pod in ready), len(ready))

    def _bounded(self, autoscaler: Obj, current: int, proposed: int | None) -> tuple[int, Obj | None]:
        """(replicas within bounds, windows and policies, ScalingLimited)."""
        spec, now = autoscaler["spec"], asyncio.get_running_loop().time()
        least, most = int(spec["minReplicas"]), int(spec["maxReplicas"])
        if proposed is None:
            return min(max(current, least), most), None
        memory = self._remember(autoscaler)
        memory.wanted.append((now, proposed))
        if current > most or current < least:
            return min(max(current, least), most), None
        calm = autoscaling.stabilised(spec, current, proposed, memory.wanted, now)
        step = autoscaling.limited(spec, current, calm, memory.changes, now)
        wanted = min(max(step, least), most)
        if calm > most:
            told = "the desired replica count is more than the maximum replica count"
            return wanted, _condition("ScalingLimited", "True", "TooManyReplicas", told)
        if calm < least:
            told = "the desired replica count is less than the minimum replica count"
            return wanted, _condition("ScalingLimited", "True", "TooFewReplicas", told)
        told = "the desired count is within the acceptable range"
        return wanted, _condition("ScalingLimited", "False", "DesiredWithinRange", told)

    def _tell(
        self,
        autoscaler: Obj,
        news: list[Obj],
        current: int = 0,
        wanted: int = 0,
        shown: list[Obj] | None = None,
        *,
        changed: bool = False,
    ) -> None:
        old = (autoscaler.get("status") or {}).get("conditions")
        fields: Obj = {
            "currentReplicas": current,
            "desiredReplicas": wanted,
            "currentMetrics": shown or None,
            "conditions": conditions.laid(old, self._store.stamp(), *news),
        }
        if changed:
            fields["lastScaleTime"] = self._store.stamp()
        self._store.set_status("horizontalpodautoscalers", autoscaler, **fields)


def _condition(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}
