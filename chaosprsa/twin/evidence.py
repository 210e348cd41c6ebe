"""What counters show of a request's cost and of calls, each with a standard error.

Both are lines through what few or many phases counted: weighted by how many requests a phase had, since a mean over n
requests is sure to about 1 / sqrt(n); robust by Tukey's biweight (Beaton and Tukey 1974), since a phase may be wild.
What is known beforehand enters as a prior, so that numbers the data can't tell keep it, and its width with it.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.queueing import Floats
from chaosprsa.twin.robust import weighted_median

IDLE_CORES = 0.002  # of a pod without requests: probes, garbage collection, exporters; before anything was seen
DECLARED_SPREAD = 0.5  # of a declared number of calls, relative
POISSON_ROWS = 2.0  # rows that the prior of the noise counts for: a request's work varies as an exponential's
_WILD = 4.685  # scales: 95 % efficient for normal errors
_ROUNDS = 20
_MOST_ALIKE = 0.9  # correlation of a row's error with the next one's


@dataclass(frozen=True, slots=True)
class Line:
    """value: coefficients, shape (terms,), of at least 0; covariance: (terms, terms)."""

    value: Floats
    covariance: Floats

    def relative(self, along: Floats) -> float:
        """Standard error of along @ value over it: of its logarithm, where it is small."""
        middle = float(along @ self.value)
        variance = max(float(along @ self.covariance @ along), 0.0)
        return variance**0.5 / middle if middle > 0 else float("inf")


@dataclass(frozen=True, slots=True)
class Cost:
    """demand_s: core-seconds a request, its logarithm's standard error `spread`; idle_cores: of a pod without any."""

    demand_s: float
    spread: float
    idle_cores: float


def cost_of_requests(cpu_cores: Floats, rate: Floats, ready: Floats, length_s: Floats) -> Cost | None:
    """CPU used as a line in requests a second, a pod each; shape (rows,). None where no row has both, above 0."""
    good = np.isfinite(cpu_cores) & np.isfinite(rate) & (cpu_cores > 0) & (rate > 0) & (ready > 0) & (length_s > 0)
    if not good.any():
        return None
    pods, requests = ready[good], rate[good] * length_s[good]
    used, came = cpu_cores[good] / pods, rate[good] / pods
    about = weighted_median(used / came, requests)  # for the weights alone: idle use is in it
    weight = requests / (about * came) ** 2  # a row's error is the mean's, of exponential work
    terms = np.stack([came, np.ones_like(came)], axis=1)
    known = Known(np.zeros(2), np.array([np.inf, IDLE_CORES]), heavy=True)
    line = _fitted(terms, used, weight, known)
    demand = float(line.value[0])
    if demand <= 0:
        return Cost(about, 1.0, 0.0)
    return Cost(demand, line.relative(np.array([1.0, 0.0])), float(line.value[1]))


def calls_of_requests(callers: Floats, callee: Floats, length_s: Floats, declared: Floats) -> Line:
    """Calls that a request of each caller makes; callers: rates, shape (rows, callers); callee: (rows,).

    Where callers rise and fall together the sum alone can be told: then the errors are those of the declared numbers.
    """
    wide = DECLARED_SPREAD * declared
    good = np.isfinite(callee) & (callee > 0) & np.isfinite(callers).all(axis=1) & (callers.max(axis=1) > 0)
    if not good.any():
        return Line(declared.copy(), np.diag(wide**2))
    x, y, length = callers[good], callee[good], length_s[good]
    return _fitted(x, y, length / y, Known(declared, wide))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of coefficients before anything is seen: middle and standard error, shape (terms,); inf: nothing.

    heavy: Cauchy's law instead of the normal one, so that evidence far from it prevails.
    """

    middle: Floats
    wide: Floats
    heavy: bool = False

    def precision(self, value: Floats) -> Floats:
        """Shape (terms, terms), about a value."""
        square = np.maximum(self.wide, 1e-12) ** 2
        if self.heavy:
            square = square + (value - self.middle) ** 2
        return np.diag(np.where(np.isfinite(square), 1.0 / square, 0.0))


def _fitted(terms: Floats, y: Floats, weight: Floats, known: Known) -> Line:
    """Weighted least squares, robust, with what is known. weight: one over the variance that chance alone gives a row.

    It begins at least absolute deviations, which no wild row moves.
    """
    each = weight.copy()
    value = known.middle
    for _ in range(_ROUNDS):
        value, off, _ = _solved(terms, y, each, weight, known, value)
        each = weight / np.maximum(np.abs(off), 0.1)
    for _ in range(_ROUNDS):
        scale = max(1.4826 * float(np.median(np.abs(off))), 1.0)
        trust = np.clip(1.0 - (off / (_WILD * scale)) ** 2, 0.0, None) ** 2
        free = max(float(trust.sum()) - len(value), 0.0)
        noise = (POISSON_ROWS + float(trust @ off**2)) / (POISSON_ROWS + free)
        each = trust * weight / (noise * _fewer(off[trust > 0]))
        value, off, precision = _solved(terms, y, each, weight, known, value)
    return Line(value, np.asarray(np.linalg.inv(precision), dtype=np.float64))


def _solved(
    terms: Floats, y: Floats, each: Floats, weight: Floats, known: Known, value: Floats
) -> tuple[Floats, Floats, Floats]:
    """(coefficients of at least 0, rows' errors in units of chance, precision) for these weights of rows."""
    before = known.precision(value)
    precision = terms.T @ (each[:, None] * terms) + before
    value = np.maximum(np.linalg.solve(precision, terms.T @ (each * y) + before @ known.middle), 0.0)
    return value, (y - terms @ value) * np.sqrt(weight), precision


def _fewer(off: Floats) -> float:
    """By how much rows count for fewer, since each one's error is like the one's before; 1 where too few can tell."""
    if len(off) < 10 or not off.std() > 0:
        return 1.0
    centred = off - off.mean()
    alike = float(np.clip((centred[1:] * centred[:-1]).mean() / (centred**2).mean(), 0.0, _MOST_ALIKE))
    return (1.0 + alike) / (1.0 - alike)


def spread_of_starts(delays_s: Floats, usual: float = 0.2) -> float:
    """How much a start differs from the middle one, as a logarithm's standard deviation; usual counts as two starts.

    Not the middle's error: a world has one start, not the mean of many.
    """
    logs = np.log(np.maximum(delays_s, 1e-3))
    count = len(logs)
    around = (2.0 * usual**2 + float(((logs - logs.mean()) ** 2).sum())) / (2.0 + max(count - 1, 0))
    return float(np.sqrt(around * (1.0 + 1.0 / count)))
