"""Cumulants of an answer along its calls: what services add up to, and that they are slow together.

The sojourn times of one request at pods that feed one another are correlated under processor sharing, since who shares
the first pod with it shares the second as well. For two M/M/c-PS in a row, solved as a Markov chain of both numbers,
the covariance is, within some 3 %,

    m_i m_j g_i g_j 2 sqrt(m_i m_j) / (m_i + m_j) sqrt(s f),   g² = slowdown variance (1 - u) / (2 - 1.38 u)

with mean times m, utilisations u, s the share of the first pod's answers that go on to the second and f the share of
the second's arrivals that come from the first. Over d calls it falls as d to the power -(0.4 + 1.2 u_i u_j) (simulated
rows of up to eight). A request that comes to the same pod again at once finds it as it left it: there the covariance is
m² g² (2 - 1.38 u) / ((1 - u) (2 - u)), exact for M/M/1-PS by its reversibility and its mean time given the number. The
third cumulant grows with the variance to the power 2.5 (simulated, 2.4 to 2.8), the fourth to the power 4, so that the
kurtosis grows as the squared skewness does.

Left out: that requests which call a service several times make its arrivals come in bunches. The 99th percentile of
2.3 calls to a chain of two at 64 % is 6 % too low for it.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.queueing import Floats

_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Own:
    """What services take themselves, shape (services, environments): cumulants; sojourn_s: in their pods.

    together: g² above, again: the covariance on coming again over m²; both over the pods that share the flow.
    """

    mean_s: Floats
    variance_s2: Floats
    third_s3: Floats
    fourth_s4: Floats
    sojourn_s: Floats
    together: Floats
    again: Floats
    utilisation: Floats


class Along:
    """Sums along the calls below one service."""

    def __init__(self, graph: CallGraph, target: int) -> None:
        part = graph.calls - np.floor(graph.calls)
        inverse, self._chance = graph.spreads
        overlap, self._target = graph.waited**3, target
        self._waits, self._inverse = graph.waits, inverse
        self._thirds = np.linalg.inv(np.eye(len(part)) - overlap * graph.calls)
        self._skewed = overlap * part * (1.0 - part) * (1.0 - 2.0 * part)
        self._mixed = 3.0 * overlap * part * (1.0 - part)
        self._fourths(graph, part)
        self._certain = not part.any()
        self._pairs(graph)
        self._repeats(graph)

    def _fourths(self, graph: CallGraph, part: Floats) -> None:
        """The fourth cumulant along calls, seen from the target; of a call with a chance by its moments."""
        overlap, chance = graph.waited**4, part * (1.0 - part)
        self._fourth = np.linalg.inv(np.eye(len(part)) - overlap * graph.calls)[self._target]
        self._chance_4 = self._fourth @ (overlap * chance)
        self._mixed_4 = self._fourth @ (6.0 * overlap * chance * (1.0 - 2.0 * part))
        self._alone_4 = self._fourth @ (overlap * chance * (1.0 - 6.0 * chance))

    def _pairs(self, graph: CallGraph) -> None:
        """Which services' times go together, how often a request meets both, and how many calls are between them."""
        visits = np.linalg.inv(np.eye(len(graph.calls)) - graph.calls)
        here = visits[self._target]
        heard = np.divide(graph.waits[self._target], here, out=np.zeros(len(here)), where=here > 0)
        apart, reached = _distances(graph.calls), visits - np.eye(len(here))
        often = here[:, None] * reached
        self._sisters(graph, here, often, reached, apart)
        met = (often > 0) & np.isfinite(apart)
        flow = np.minimum(reached, 1.0) * np.sqrt(here[:, None] / np.maximum(here, _TINY))
        weight = 4.0 * often * flow * heard[:, None] * heard
        self._met = [
            (first, slice(others[0], others[-1] + 1), np.where(met[first], weight[first], 0.0), _log(apart[first]))
            for first in range(len(here))
            if len(others := np.flatnonzero(met[first]))
        ]
        self._met = [(first, row, weights[row, None], far[row, None]) for first, row, weights, far in self._met]

    def _repeats(self, graph: CallGraph) -> None:
        """How many pairs of visits to one service a request makes."""
        visits = np.linalg.inv(np.eye(len(graph.calls)) - graph.calls)
        here, whole = visits[self._target], np.floor(graph.calls)
        alike = 0.5 * whole * (whole - 1.0) + whole * (graph.calls - whole)
        below = graph.calls @ visits
        unlike = 0.5 * (below**2 - graph.calls**2 @ visits**2)
        heard = np.divide(graph.waits[self._target], here, out=np.zeros(len(here)), where=here > 0)
        self._again = 2.0 * (here @ (unlike + alike @ visits**2)) * heard**2

    def _sisters(self, graph: CallGraph, here: Floats, often: Floats, reached: Floats, apart: Floats) -> None:
        """Callees of one caller, one after the other, follow each other too."""
        for caller in np.flatnonzero(here > 0):
            callees = np.flatnonzero(graph.calls[caller])
            for at, one in enumerate(callees):
                for other in callees[at + 1 :]:
                    if not np.isfinite(apart[one, other]) and not np.isfinite(apart[other, one]):
                        apart[one, other] = 1.0
                        reached[one, other] = graph.calls[caller, other]
                        often[one, other] = here[caller] * graph.calls[caller, one] * graph.calls[caller, other]

    def means(self, own_s: Floats) -> Floats:
        """Mean time of an answer of each service, its callees' included, shape (services, environments)."""
        return np.asarray(self._waits @ own_s)

    def total(self, own: Own, means: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """The first four cumulants of an answer of the target, shape (environments,). means: as above."""
        at = self._target
        if self._certain:
            variance = self._inverse[at] @ own.variance_s2
            third = self._thirds[at] @ own.third_s3
            fourth = self._fourth @ own.fourth_s4
        else:
            variance, third, fourth = self._by_chance(own, means)
        mean = means[at]
        if not self._met and not self._again.any():
            return mean, variance, third, fourth
        more = 1.0 + self._covariance(own) / np.maximum(variance, _TINY)
        square = more * more
        return mean, variance * more, third * square * np.sqrt(more), fourth * square * square

    def _by_chance(self, own: Own, means: Floats) -> tuple[Floats, Floats, Floats]:
        """From the second cumulant on, where some calls are made only at times."""
        square = means * means
        variances = self._inverse @ (own.variance_s2 + self._chance @ square)
        spread = means * variances
        thirds = self._thirds @ (own.third_s3 + self._mixed @ spread + self._skewed @ (square * means))
        fourth = (
            self._fourth @ own.fourth_s4
            + self._chance_4 @ (4.0 * means * thirds + 3.0 * variances * variances)
            + self._mixed_4 @ (means * spread)
            + self._alone_4 @ (square * square)
        )
        return variances[self._target], thirds[self._target], fourth

    def _covariance(self, own: Own) -> Floats:
        """Twice the sum over pairs."""
        sojourn, used = own.sojourn_s, own.utilisation
        size = sojourn * np.sqrt(sojourn * own.together)
        total: Floats = self._again @ (own.again * sojourn * sojourn)
        for first, row, weight, far in self._met:
            pair = size[row] / (sojourn[first] + sojourn[row])
            if far.any():
                pair *= np.exp(-far * (0.4 + (1.2 * used[first]) * used[row]))
            total += size[first] * (weight * pair).sum(axis=0)
        return total


def _log(apart: Floats) -> Floats:
    """0 where there is no way."""
    return np.log(np.where(np.isfinite(apart), np.maximum(apart, 1.0), 1.0))


def _distances(calls: Floats) -> Floats:
    """Calls from one service down to another by the shortest way; infinite where there is none."""
    count = len(calls)
    found = np.full((count, count), np.inf)
    step, steps = (calls > 0).astype(float), 1.0
    reach = step
    while reach.any():
        found = np.where((reach > 0) & ~np.isfinite(found), steps, found)
        reach, steps = np.minimum(reach @ step, 1.0), steps + 1.0
    return found
