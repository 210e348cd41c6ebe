"""Judges a canary against the stable pods, and a service against its objective. Pure: counts in, a judgement out.

A canary may be slower on purpose (the plan gives it less), so slower alone is no failure. It fails when it answers
worse by more than chance *and* users would miss what they were promised if every pod were like it:

- bad answers (failed, or slower than the objective's latency) are more frequent among the canary's, by Fisher's exact
  test, and by more than the objective's own budget; or
- its latencies are larger by the test of Mann and Whitney (1947), and the entry's latency plus the canary's delay
  would be above the objective.

Both tests take answers for independent, which those of a queue aren't: one burst makes many neighbours slow. So a
difference must hold from one slot of time to the next as well (a paired t-test over the slots, in which canary and
stable pods saw the same load). Without that, equal pods near their objective were called worse in 28 of 100 runs.

The words for how it ended are those of Argo Rollouts' analysis runs; VERDICTS maps them to our scale.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from chaosprsa.errors import InvalidNoun, require
from chaosprsa.types import Slo, Verdict

SUCCESSFUL, FAILED, INCONCLUSIVE, ERROR = "successful", "failed", "inconclusive", "error"
SKIPPED = "skipped"  # a step that had no reason to be done any more
VERDICTS: Mapping[str, Verdict] = {
    SUCCESSFUL: Verdict.PASSED,
    FAILED: Verdict.FAILED,
    INCONCLUSIVE: Verdict.INCONCLUSIVE,
    ERROR: Verdict.INVALID,
}
_WORST_FIRST = (ERROR, FAILED, INCONCLUSIVE, SUCCESSFUL)
ALPHA = 0.01  # per test; with two tests and the demand of a real effect, false alarms stay far below 1 in 20
SLOT_ALPHA = 0.05  # that a difference holds over time; with few slots the t-test's own threshold is far
LEAST_SLOTS = 3  # below it nothing can be said of how a difference holds
LEAST_CANARY_REQUESTS = 15  # one that fails 18 % of them shows no failure among so many 1 time in 20 (0.82^15)
LEAST_OBJECTIVE_REQUESTS = 50  # a share of good answers can't be told from fewer


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a group of pods answered: good answers in buckets of latency, and how many failed.

    bounds_ms: each bucket's upper bound, rising, the last one infinite. counts: good answers in each bucket. Failed
    answers have no place in latencies: a service that fails quickly isn't quick.
    """

    bounds_ms: tuple[float, ...]
    counts: tuple[float, ...]
    failures: float = 0.0

    def __post_init__(self) -> None:
        require(len(self.bounds_ms) == len(self.counts), "as many latency buckets as counts are needed")
        require(list(self.bounds_ms) == sorted(set(self.bounds_ms)), "latency buckets must rise")
        require(all(count >= 0 for count in self.counts), "a count of answers can't be negative")
        require(self.failures >= 0, "a count of failures can't be negative")

    def __add__(self, other: "Traffic") -> "Traffic":
        if self.bounds_ms != other.bounds_ms:
            raise InvalidNoun("answers in different buckets of latency can't be added")
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        return Traffic(bounds_ms=self.bounds_ms, counts=counts, failures=self.failures + other.failures)

    @property
    def mean_ms(self) -> float:
        """The mean latency of good answers, each taken for its bucket's middle; 0 without any."""
        return float(np.average(self._middles(), weights=self.counts)) if self.good else 0.0

    @property
    def good(self) -> float:
        return float(sum(self.counts))

    @property
    def requests(self) -> float:
        return self.good + self.failures

    @property
    def error_share(self) -> float:
        return self.failures / self.requests if self.requests else 0.0

    def latency_ms(self, percentile: float) -> float:
        """The percentile of good answers, linear within a bucket (as Prometheus' histogram_quantile); 0 without any."""
        if not self.good:
            return 0.0
        rank = percentile / 100 * self.good
        below = 0.0
        for low, high, count in self._buckets():
            if count and below + count >= rank:
                return low if not np.isfinite(high) else low + (high - low) * (rank - below) / count
            below += count
        return self._buckets()[-1][0]

    def share_above(self, latency_ms: float) -> float:
        """Share of good answers slower than this, linear within a bucket."""
        slower = 0.0
        for low, high, count in self._buckets():
            if low >= latency_ms or not np.isfinite(high):
                slower += count
            elif high > latency_ms:
                slower += count * (high - latency_ms) / (high - low)
        return slower / self.good if self.good else 0.0

    def samples_ms(self) -> np.ndarray:
        """One value a good answer: its bucket's middle (the lower bound of the open bucket)."""
        return np.repeat(self._middles(), np.round(self.counts).astype(int))

    def _middles(self) -> list[float]:
        return [low if not np.isfinite(high) else (low + high) / 2 for low, high, _ in self._buckets()]

    def _buckets(self) -> list[tuple[float, float, float]]:
        return list(zip((0.0, *self.bounds_ms[:-1]), self.bounds_ms, self.counts, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How an analysis ended, why in words, and the figures it rests on."""

    phase: str
    reason: str
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return VERDICTS[self.phase]


def worst(judgements: Iterable[Judgement]) -> Judgement:
    """The worst one: an error, then failed, inconclusive, successful. None at all is inconclusive."""
    ordered = sorted(judgements, key=lambda judgement: _WORST_FIRST.index(judgement.phase))
    return ordered[0] if ordered else Judgement(phase=INCONCLUSIVE, reason="nothing was judged")


def judge_objective(traffic: Traffic | None, slo: Slo, alpha: float = ALPHA) -> Judgement:
    """Whether a service keeps its objective. Missed by no more than chance explains is inconclusive, not a failure.

    alpha: how often chance may be taken for a miss.
    """
    if traffic is None:
        return Judgement(phase=INCONCLUSIVE, reason=f"{slo.service}: Prometheus has no request metrics of it")
    if traffic.requests < LEAST_OBJECTIVE_REQUESTS:
        reason = f"{slo.service}: {traffic.requests:.0f} requests, {LEAST_OBJECTIVE_REQUESTS} are needed to judge it"
        return Judgement(phase=INCONCLUSIVE, reason=reason)
    latency_ms = traffic.latency_ms(slo.latency_percentile)
    said = (
        f"{slo.service}: p{slo.latency_percentile:g} {latency_ms:.0f} ms (objective {slo.latency_ms:g}), "
        f"{traffic.error_share:.2%} failed (objective {1 - slo.success_ratio:.2%})"
    )
    slow = _beyond(traffic.share_above(slo.latency_ms), 1 - slo.latency_percentile / 100, traffic.good, alpha)
    failing = _beyond(traffic.error_share, 1 - slo.success_ratio, traffic.requests, alpha)
    phase = min((slow, failing), key=_WORST_FIRST.index)
    measures = {"latency_ms": latency_ms, "error_share": traffic.error_share, "requests": traffic.requests}
    return Judgement(phase=phase, reason=said, measures=measures)


def _beyond(share: float, budget: float, requests: float, alpha: float) -> str:
    """Whether this share of bad answers is above the budget, and by more than chance (binomial test)."""
    if share <= budget:
        return SUCCESSFUL
    from scipy import stats

    bad, all_ = round(share * requests), round(requests)
    return FAILED if stats.binomtest(bad, all_, budget, alternative="greater").pvalue < alpha else INCONCLUSIVE


def judge_canary(
    service: str,
    canary_slots: Sequence[Traffic],
    stable_slots: Sequence[Traffic],
    entry: Traffic | None,
    slo: Slo,
    alpha: float = ALPHA,
) -> Judgement:
    """The canary's answers against the stable pods', and what its delay would do to the entry's objective.

    *_slots: answers in the same slots of time, oldest first; none where Prometheus knows none. alpha: how often each of
    the two tests may call chance a difference; smaller where one looks more than once.
    """
    canary, stable = total(canary_slots), total(stable_slots)
    if canary is None or stable is None or entry is None or not entry.requests:
        missing = "canary" if canary is None else "stable pods" if stable is None else "entry"
        return Judgement(phase=INCONCLUSIVE, reason=f"{service}: Prometheus has no request metrics of its {missing}")
    fewest = min(canary.requests, stable.requests)
    if fewest < LEAST_CANARY_REQUESTS:
        reason = (
            f"{service}: {canary.requests:.0f} requests at the canary and {stable.requests:.0f} at the stable pods, "
            f"{LEAST_CANARY_REQUESTS} are needed to compare them"
        )
        return Judgement(phase=INCONCLUSIVE, reason=reason)
    pairs = [pair for pair in zip(canary_slots, stable_slots, strict=True) if pair[0].requests and pair[1].requests]
    badness = _judge_badness(service, canary, stable, slo, alpha)
    if badness.phase == FAILED and holds_over(pairs, lambda one: _bad(one, slo) / one.requests):
        return badness
    if not canary.good or not stable.good:  # nothing to compare the delay of
        return replace(badness, phase=SUCCESSFUL)
    delay = _judge_delay(service, canary, stable, entry, slo, alpha)
    if delay.phase == FAILED and not holds_over(pairs, lambda one: one.mean_ms):
        return replace(delay, phase=SUCCESSFUL, reason=f"{delay.reason}; but not all the time, so it may be chance")
    return delay


def total(slots: Sequence[Traffic]) -> Traffic | None:
    """All slots together; None without any."""
    return functools.reduce(operator.add, slots) if slots else None


def holds_over(pairs: Sequence[tuple[Traffic, Traffic]], measure: Callable[[Traffic], float]) -> bool:
    """Whether the canary's measure is above the stable pods' slot after slot (paired t-test); yes if slots are few."""
    if len(pairs) < LEAST_SLOTS:
        return True
    from scipy import stats

    differences = np.array([measure(canary) - measure(stable) for canary, stable in pairs])
    if np.ptp(differences) == 0:
        return bool(differences[0] > 0)
    return float(stats.ttest_1samp(differences, 0.0, alternative="greater").pvalue) < SLOT_ALPHA


def _judge_badness(service: str, canary: Traffic, stable: Traffic, slo: Slo, alpha: float) -> Judgement:
    from scipy import stats

    bad, bad_stable = _bad(canary, slo), _bad(stable, slo)
    share, share_stable = bad / canary.requests, bad_stable / stable.requests
    table = np.array(
        [
            [round(bad), round(canary.requests) - round(bad)],
            [round(bad_stable), round(stable.requests) - round(bad_stable)],
        ]
    )
    by_chance = float(stats.fisher_exact(table, alternative="greater").pvalue)
    budget = (1 - slo.success_ratio) + (1 - slo.latency_percentile / 100)
    phase = FAILED if by_chance < alpha and share - share_stable > budget else SUCCESSFUL
    reason = f"{service}: {share:.1%} bad answers at the canary, {share_stable:.1%} at the stable pods"
    return Judgement(phase=phase, reason=reason, measures={"bad_share": share, "bad_share_stable": share_stable})


def _bad(traffic: Traffic, slo: Slo) -> float:
    """Failed answers, and good ones slower than promised."""
    return traffic.failures + traffic.share_above(slo.latency_ms) * traffic.good


def _judge_delay(service: str, canary: Traffic, stable: Traffic, entry: Traffic, slo: Slo, alpha: float) -> Judgement:
    from scipy import stats

    ours, theirs = canary.samples_ms(), stable.samples_ms()
    by_chance = float(stats.mannwhitneyu(ours, theirs, alternative="greater", method="asymptotic").pvalue)
    delay_ms = max(canary.latency_ms(90) - stable.latency_ms(90), canary.mean_ms - stable.mean_ms)
    then_ms = entry.latency_ms(slo.latency_percentile) + max(delay_ms, 0.0)
    slower = by_chance < alpha and delay_ms > 0
    phase = FAILED if slower and then_ms > slo.latency_ms else SUCCESSFUL
    reason = f"{service}: the canary is as quick as the stable pods"
    if slower:
        reason = (
            f"{service}: the canary is {delay_ms:.0f} ms slower than the stable pods; with it everywhere "
            f"{slo.service}'s p{slo.latency_percentile:g} is about {then_ms:.0f} ms (objective {slo.latency_ms:g})"
        )
    return Judgement(phase=phase, reason=reason, measures={"delay_ms": delay_ms, "entry_then_ms": then_ms})
