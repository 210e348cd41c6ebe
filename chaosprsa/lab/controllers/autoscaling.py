"""The arithmetic of a HorizontalPodAutoscaler: usage and bounds in, replicas out. Pure.

Source: k8s.io/kubernetes/pkg/controller/podautoscaler (replica_calculator.go, horizontal.go).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.quantities import value

TOLERANCE = 0.1  # upstream's default: closer to the target than this, nothing moves
DOWN_WINDOW_S = 300  # upstream's default stabilisation before scaling down
DEFAULT_UP: tuple[Obj, ...] = (
    {"type": "Pods", "value": 4, "periodSeconds": 15},
    {"type": "Percent", "value": 100, "periodSeconds": 15},
)
DEFAULT_DOWN: tuple[Obj, ...] = ({"type": "Percent", "value": 100, "periodSeconds": 15},)


@dataclass(frozen=True, slots=True)
class Reading:
    """One resource metric over the Ready pods: sums, in cores or bytes."""

    usage: float
    requests: float
    pods: int


def wanted_by(target: Obj, reading: Reading, ready: int, current: int) -> tuple[int, Obj] | None:
    """(replicas, the metric's current value for the status); None where requests are missing."""
    average = reading.usage / reading.pods
    shown: Obj = {"averageValue": quantity(average)}
    if target["type"] == "Utilization":
        if reading.requests <= 0:
            return None
        utilization = reading.usage / reading.requests * 100
        ratio = utilization / target["averageUtilization"]
        shown["averageUtilization"] = math.floor(utilization)
    else:
        ratio = average / value(target.get("averageValue") or target.get("value"))
    if abs(ratio - 1) <= TOLERANCE:
        return current, shown
    wanted = math.ceil(ratio * ready - 1e-9)
    missing = current - ready
    if missing > 0 and ratio > 1:  # pods that still start count as idle when scaling up, so nothing overshoots
        ratio = ratio * ready / current
        wanted = math.ceil(ratio * current - 1e-9) if ratio - 1 > TOLERANCE else current
    return wanted, shown


def quantity(amount: float) -> str:
    """A usage as the status shows it: milli-units below a thousand, whole ones above."""
    return f"{round(amount * 1000)}m" if amount < 1000 else str(round(amount))


def limited(spec: Obj, current: int, wanted: int, changes: Sequence[tuple[float, int]], now: float) -> int:
    """The step that the scaling policies allow; changes: (time in s, pods added or taken) so far."""
    direction = "scaleUp" if wanted > current else "scaleDown"
    rules = (spec.get("behavior") or {}).get(direction) or {}
    if wanted == current or rules.get("selectPolicy") == "Disabled":
        return current
    policies = rules.get("policies") or (DEFAULT_UP if wanted > current else DEFAULT_DOWN)
    choose = min if rules.get("selectPolicy") == "Min" else max
    steps = [_reach(policy, current, changes, now, up=wanted > current) for policy in policies]
    if wanted > current:
        return min(wanted, choose(steps))
    reach = max(steps) if choose is min else min(steps)
    return max(wanted, reach)


def _reach(
    policy: Mapping[str, object], current: int, changes: Sequence[tuple[float, int]], now: float, *, up: bool
) -> int:
    period_s, amount = float(str(policy["periodSeconds"])), float(str(policy["value"]))
    recent = sum(change for when, change in changes if now - when < period_s and (change > 0) == up)
    start = current - recent
    if policy["type"] == "Pods":
        return int(start + amount) if up else int(start - amount)
    return math.ceil(start * (1 + amount / 100)) if up else math.floor(start * (1 - amount / 100))


def windows(spec: Obj) -> tuple[float, float]:
    """Stabilisation windows (up, down), seconds."""
    behaviour = spec.get("behavior") or {}
    up = (behaviour.get("scaleUp") or {}).get("stabilizationWindowSeconds")
    down = (behaviour.get("scaleDown") or {}).get("stabilizationWindowSeconds")
    return float(up or 0), float(DOWN_WINDOW_S if down is None else down)


def stabilised(spec: Obj, current: int, wanted: int, past: Sequence[tuple[float, int]], now: float) -> int:
    """The calmest of the recent recommendations; past: (time in s, replicas), the newest included."""
    up_s, down_s = windows(spec)
    lowest = min([wanted, *(each for when, each in past if now - when < up_s)])
    highest = max([wanted, *(each for when, each in past if now - when < down_s)])
    if current < lowest:
        return lowest
    return min(current, highest) if current > highest else current if wanted < current else max(current, lowest)
