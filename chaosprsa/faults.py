"""The fault catalogue: what can be played, in which unit its strength is, and which words of a history mean it.

One table. The words are regular expressions that the sources' own kinds were read for (Chaos Mesh, ChaosBlade, Pumba,
cloud incident exports, node and JVM exporters): the first entry whose words match wins, in the table's order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from chaosprsa.types import Fault, Impact, SimulatedIssue


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEntry:
    """How one fault is measured and recognised.

    low, high, typical: strength in `unit`; a draw stays inside [low, high]. typical_s: how long it lasts where a
    history says nothing. prior_per_day: how often a component has it where a history says nothing; one in a hundred
    days for the rarer ones, an order of magnitude that the first real incident beats. words: kinds of a history that
    mean it. needs: what the cluster must have for it to be played. mendable: whether an allocation can change its end.
    """

    unit: str
    low: float
    high: float
    typical: float
    typical_s: float
    prior_per_day: float
    words: tuple[str, ...]
    needs: str
    description: str
    mendable: bool = True


CATALOGUE: Mapping[Fault, FaultEntry] = {
    Fault.TRAFFIC_SURGE: FaultEntry(
        unit="multiple of the forecast load",
        low=1.2,
        high=5.0,
        typical=2.0,
        typical_s=900.0,
        prior_per_day=0.05,
        words=(r"surge", r"traffic", r"load.?spike", r"flash.?crowd", r"request.?rate", r"ddos", r"overload"),
        needs="a load generator that reaches the entry",
        description="More requests than forecast arrive at the entry.",
    ),
    Fault.MEMORY_SQUEEZE: FaultEntry(
        unit="share of the memory limit taken away",
        low=0.1,
        high=0.9,
        typical=0.4,
        typical_s=600.0,
        prior_per_day=0.01,
        words=(r"\boom\b", r"out.?of.?memory", r"memory", r"\bmem\b", r"heap", r"leak"),
        needs="in-place pod resize (Kubernetes 1.33) or a rollout",
        description="A container has less memory than its limit says: it is killed when it needs more.",
    ),
    Fault.POD_KILL: FaultEntry(
        unit="share of pods killed at once",
        low=0.1,
        high=1.0,
        typical=0.5,
        typical_s=120.0,
        prior_per_day=0.02,
        words=(
            r"pod.?(kill|fail|delet|evict)", r"process.?terminat", r"\bkill", r"crash", r"restart", r"abort", r"evict",
            r"back.?off",
        ),
        needs="nothing besides the workload",
        description="Pods end without warning and start again.",
    ),
    Fault.REPLICA_LOSS: FaultEntry(
        unit="share of replicas lost",
        low=0.1,
        high=1.0,
        typical=0.5,
        typical_s=900.0,
        prior_per_day=0.01,
        words=(
            r"replica", r"node.?(down|los[st]|fail|drain|not.ready)", r"failed.?schedul", r"zone", r"capacity",
            r"maintenance", r"scal\w+.?down",
        ),
        needs="no autoscaler that brings the replicas back meanwhile",
        description="Replicas are gone for a while and nothing replaces them.",
    ),
    Fault.CPU_SQUEEZE: FaultEntry(
        unit="share of the CPU limit taken away",
        low=0.1,
        high=0.9,
        typical=0.5,
        typical_s=600.0,
        prior_per_day=0.02,
        words=(r"cpu", r"throttl", r"contention", r"noisy.?neighbou?r", r"stress", r"high.?load"),
        needs="in-place pod resize (Kubernetes 1.33) or a rollout",
        description="A container gets less CPU than its limit says, as beside a noisy neighbour.",
    ),
    Fault.DEPENDENCY_SLOW: FaultEntry(
        unit="milliseconds added to each answer",
        low=10.0,
        high=5000.0,
        typical=200.0,
        typical_s=600.0,
        prior_per_day=0.02,
        words=(
            r"delay", r"latenc", r"slow", r"network", r"packet", r"\bloss\b", r"disk", r"\bi/?o\b", r"lock", r"timeout",
            r"corrupt", r"retransmi",
        ),
        needs="Chaos Mesh (chaos-mesh.org/v1alpha1 networkchaos)",
        description="A service answers later, to all who call it.",
        mendable=False,
    ),
    Fault.DEPENDENCY_FAILING: FaultEntry(
        unit="share of calls that fail",
        low=0.05,
        high=1.0,
        typical=0.3,
        typical_s=600.0,
        prior_per_day=0.02,
        words=(r"error", r"exception", r"return", r"fail", r"outage", r"unavailab", r"5\d\d", r"refus", r"down"),
        needs="Chaos Mesh (chaos-mesh.org/v1alpha1 httpchaos)",
        description="A service answers some calls with an error.",
        mendable=False,
    ),
}  # fmt: skip

_OWN_WORDS = {str(fault): fault for fault in Fault}
_SOUNDS = tuple((fault, re.compile("|".join(entry.words), re.IGNORECASE)) for fault, entry in CATALOGUE.items())
_BOUNDARIES = re.compile(r"[_\s]+")


@lru_cache(maxsize=4096)
def fault_of_kind(kind: str) -> Fault:
    """The fault that plays a kind from a history: our own names first, then the table's words.

    A kind that nothing matches ("anomaly", "incident") is played as a failing dependency: whatever it was, its callers
    saw it fail. `knows_kind` tells the two apart.
    """
    plain = _BOUNDARIES.sub("-", kind.strip().lower())
    if plain in _OWN_WORDS:
        return _OWN_WORDS[plain]
    return next((fault for fault, sounds in _SOUNDS if sounds.search(plain)), Fault.DEPENDENCY_FAILING)


def knows_kind(kind: str) -> bool:
    """Whether the table has words for this kind."""
    plain = _BOUNDARIES.sub("-", kind.strip().lower())
    return plain in _OWN_WORDS or any(sounds.search(plain) for _, sounds in _SOUNDS)


def clip_strength(fault: Fault, strength: float) -> float:
    """The strength, inside the table's bounds."""
    entry = CATALOGUE[fault]
    return min(max(strength, entry.low), entry.high)


def strength_in_words(fault: Fault, strength: float) -> str:
    """For titles: "60 % of the CPU limit taken away", "240 ms added to each answer"."""
    if fault is Fault.DEPENDENCY_SLOW:
        return f"{strength:.0f} ms added to each answer"
    if fault is Fault.TRAFFIC_SURGE:
        return f"{strength:.1f} times the forecast load"
    return CATALOGUE[fault].unit.replace("share", f"{strength:.0%}".replace("%", " %"), 1)


def issue_in_words(issue: SimulatedIssue) -> str:
    """For titles: "cart: 60 % of the CPU limit taken away, together with gateway: 2.0 times the forecast load"."""
    own = f"{issue.component}: {strength_in_words(issue.fault, issue.strength)}"
    others = (f"{also.component}: {strength_in_words(also.fault, also.strength)}" for also in issue.companions)
    return ", together with ".join((own, *others))


def impact_in_words(impact: Impact) -> str:
    """Read as: "latency x 2.1 (1.2 to 3.9), errors 4.0% (1.0% to 9.1%)"; the brackets are 90 % intervals."""
    ratio, errors = impact.latency_ratio, impact.error_share
    return (
        f"latency x {ratio.mid:.1f} ({ratio.low:.1f} to {ratio.high:.1f}), "
        f"errors {errors.mid:.1%} ({errors.low:.1%} to {errors.high:.1%})"
    )
