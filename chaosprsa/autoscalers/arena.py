"""Policies side by side on one system under one load: each tuned where it can be, then played.

Tuned on the stretch of the load that moves most, with other arrivals: baselines that know the day beforehand, so that
what is better than they are is better than what a team could have tuned.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from chaosprsa.autoscalers.bound import clairvoyant
from chaosprsa.autoscalers.captain import Captain
from chaosprsa.autoscalers.contract import STEP_S, Autoscaler, Floats, Ints
from chaosprsa.autoscalers.families import Family, families
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.autoscalers.play import Played, play, step_means
from chaosprsa.autoscalers.sizing import visits_of
from chaosprsa.autoscalers.static import StaticPeak
from chaosprsa.autoscalers.tuning import Scored, fitting
from chaosprsa.autoscalers.vpa import Vpa
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import SimulatedIssue

PRESENT, HPA, VPA, PEAK, RECOMMENDED, BOUND = "present", "hpa", "vpa", "peak", "recommended", "bound"
BOUND_PLAYS, ROW_PLAYS = 12.0, 3.0  # of the bound's search; of halving through a row of settings
TUNED_SHARE, TUNED_LEAST_S = 0.5, 1800.0  # of the load
OTHER_ARRIVALS = 1_000_003  # added to the seed for tuning
LUCK = 2  # plays with further arrivals of what no settings keep the promise for
BEGIN_AT, PEAK_AT = 0.6, 0.8  # utilisation: where policies that count pods begin; of a fixed peak
ISSUE_SHARE = 0.1  # of the load that an issue lasts at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """slo_s: an answer that takes longer is late. late, failed: shares of requests at most."""

    slo_s: float
    late: float
    failed: float

    def missed(self, played: Played) -> float:
        """The worse of both shares over its limit: above 1 the promise is broken."""
        return max(played.violation_share / self.late, played.failed_share / max(self.failed, 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """network: with the pods there are now. recommended: None: there is none. load_per_s: a value a second.

    least: pods of each service that no policy goes below. hpa: the one there is. others: further families to tune, by
    name.
    """

    network: Network
    recommended: Network | None
    load_per_s: Floats
    issues: tuple[SimulatedIssue, ...] = ()
    promise: Promise
    least: Ints
    start_s: float
    seed: int
    hpa: Hpa = field(default_factory=lambda: Hpa(name="HPA at 80%"))
    others: Mapping[str, Family] = field(default_factory=dict)

    def played(self, name: str) -> Played:
        """One policy, tuned where it can be; `policy` says with which settings. KeyError: there is no such policy."""
        if name == BOUND:
            return self._bound()
        if name == RECOMMENDED:
            return self.play(StaticPeak(name="as recommended"), self.recommended or self.network)
        return self.play(self._policy(name))

    def play(self, policy: Autoscaler, network: Network | None = None, give_up: float = 1.0) -> Played:
        """A policy, from the pods that suit it where none are given."""
        return play(
            policy, network or self._from(policy), self.load_per_s, self.issues, self.seed,
            None, self.start_s, self.promise.slo_s, give_up, self.least,
        )  # fmt: skip

    def _from(self, policy: Autoscaler) -> Network:
        """Fixed pods are there from the beginning; policies that don't count pods leave them as they are."""
        if isinstance(policy, StaticPeak) and policy.replicas:
            return _with_pods(self.network, policy.replicas)
        stays = isinstance(policy, (StaticPeak, Vpa, Captain))
        return self.network if stays else self.begun

    @property
    def begun(self) -> Network:
        """With the pods that hold BEGIN_AT in the first minute, as every policy that counts pods begins."""
        pods = np.ceil(self._work(float(self.load_per_s[:60].mean())) / BEGIN_AT)
        return _with_pods(self.network, np.maximum(pods, np.maximum(self.least, 1)).astype(int).tolist())

    def _policy(self, name: str) -> Autoscaler:
        usual: Mapping[str, Autoscaler] = {
            PRESENT: StaticPeak(name="as it is"),
            HPA: self.hpa,
            VPA: Vpa(settled_after_s=0.0, name="VPA, its defaults"),
            PEAK: self._peak(),
        }
        return usual[name] if name in usual else self._tuned(name)

    def _bound(self) -> Played:
        return clairvoyant(
            self.begun, self.load_per_s, self.issues, self.seed, self.promise.late, STEP_S, self.start_s,
            self.promise.slo_s, self.least,
        )  # fmt: skip

    def _tuned(self, name: str) -> Autoscaler:
        """The cheapest settings that keep the promise on the stretch that moves most, or are as near as any by luck."""
        piece = busiest(self.load_per_s, max(TUNED_LEAST_S, TUNED_SHARE * len(self.load_per_s)))
        there = replace(self, load_per_s=piece, issues=placed(self.issues, len(piece)), seed=self.seed + OTHER_ARRIVALS)

        rows: Family = {**families(), **self.others}[name]

        def score(policy: Autoscaler, luck: int = 0) -> Scored:
            world = replace(there, seed=there.seed + luck)
            run = world.play(policy, world.begun if not isinstance(policy, Captain) else world.network)
            return Scored(policy, run.mean_cores, self.promise.missed(run))

        def by_luck(one: Scored) -> list[float]:
            return [score(one.policy, luck).violations for luck in range(1, LUCK + 1)]

        return fitting(rows, score, by_luck, 1.0, 1.0).policy

    def _peak(self) -> StaticPeak:
        """For the load's busiest 15 s."""
        busy = step_means(self.load_per_s).max()
        pods = np.maximum(np.ceil(self._work(float(busy)) / PEAK_AT), self.least)
        return StaticPeak(tuple(pods.astype(int).tolist()), name=f"fixed, peak at {PEAK_AT:.0%}")

    def _work(self, load_per_s: float) -> Floats:
        """Pods that are busy at this load."""
        of_pods = np.array([each.demand_s / each.cores for each in self.network.services])
        return np.asarray(load_per_s * visits_of(self.network) * of_pods)


POLICIES = (PRESENT, HPA, *families(), VPA, PEAK, RECOMMENDED, BOUND)


def plays_of(names: Iterable[str], seconds: float) -> float:
    """How often the load is played about for these policies, of pieces that are tuned on their share."""
    share = min(1.0, max(TUNED_LEAST_S, TUNED_SHARE * seconds) / seconds)
    once, known = {PRESENT, HPA, VPA, PEAK, RECOMMENDED}, families()

    def plays(name: str) -> float:
        rows = 0 if name in once else len(known.get(name, "1"))
        return BOUND_PLAYS if name == BOUND else 1.0 + ROW_PLAYS * share * rows

    return sum(map(plays, names))


def _with_pods(network: Network, pods: Sequence[int]) -> Network:
    """As many as there can be at most."""
    services = tuple(
        replace(each, replicas=min(count, each.pods), most_replicas=each.pods)
        for each, count in zip(network.services, pods, strict=True)
    )
    return replace(network, services=services)


def busiest(load_per_s: Floats, seconds: float) -> Floats:
    """The stretch of this length whose minutes differ most; all of a shorter load."""
    return load_per_s[busiest_part(load_per_s, seconds)]


def busiest_part(load_per_s: Floats, seconds: float) -> slice:
    """Where that stretch lies."""
    length = min(len(load_per_s), math.ceil(seconds))
    starts = range(0, len(load_per_s) - length + 1, max(60, length // 8))
    begin = max(starts, key=lambda at: _moved(load_per_s[at : at + length]))
    return slice(begin, begin + length)


def _moved(part: Floats) -> float:
    whole = part[: max(len(part) // 60, 1) * 60]
    return float(whole.reshape(-1, min(60, len(whole))).mean(axis=1).std()) + 1e-9 * float(whole.mean())


def placed(issues: Sequence[SimulatedIssue], seconds: float) -> tuple[SimulatedIssue, ...]:
    """One after the other over the load, none longer than a tenth of it."""
    room = seconds / max(len(issues), 1)
    return tuple(
        replace(
            issue,
            start_s=room * (at + 0.4),
            duration_s=min(issue.duration_s, ISSUE_SHARE * seconds, 0.5 * room),
            ramp_s=min(issue.ramp_s, 0.5 * min(issue.duration_s, ISSUE_SHARE * seconds, 0.5 * room)),
        )
        for at, issue in enumerate(issues)
    )
