"""How old the requests of a backlog are: cohorts by arrival, followed through the services that hold them.

Under processor sharing all requests in a pod are as likely as one another to be done next. So of those in a pod the
share G(s, t) that was asked for before s goes, as new ones arrive, to the share X(s, t) among the arriving ones,

    dG/dt = (a / N) (X - G),    a arrivals a second at a level of N,

with X = 0 at the first service and the share among the answers of those before it further on. With N and X in straight
lines the equation is solved in closed form. Near its end a backlog is gone in some runs and not in others: there it is
followed for each of the NODES of a normal law of the level. Plain loops, compiled: a row is one environment.
"""

import math

import numpy as np
from numpy.typing import NDArray

from chaosprsa.compiled import compiled, inner
from chaosprsa.twin.ages import REPLACED, SOON, TIMES_USUAL

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BEFORE, AFTER, CAME, DRAIN, PODS, USUAL, DEVIATION = range(7)  # of a step, a service, a pod each but PODS
PARTS = 4  # of a step, each a cohort
COHORTS = 40
FINER = 4
TOLD = COHORTS + FINER + 2  # ages
NODES = np.linspace(-2.8, 2.8, 9)
WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
MIDDLE = len(NODES) // 2
FULL = 0.9  # arrivals over the most that can go: below, a backlog falls freely until it is gone
NEAR = 4.0  # deviations from the end: the nodes part


@compiled
def followed(
    step_s: Floats,
    flow: Floats,
    moved: Floats,
    visits: Floats,
    calls: Floats,
    now_s: Floats,
    counts: Ints,
    apart: Ints,
    tails_s: Floats,
    births_s: Floats,
    deviations: Floats,
    levels: Floats,
    shares: Floats,
    ages_s: Floats,
    older: Floats,
) -> None:
    """One step of every row's cohorts; what is found is in ages_s and older, shape (rows, TOLD).

    step_s, flow (answers asked for a second): shape (rows,); moved: (rows, DEVIATION + 1, services), callers first,
    in the order of the names above; USUAL: level of a steady state, 0 where there is none; DEVIATION: of the level
    after the step; visits: (services,) a request; calls: (services, services), of a caller (row).
    State: now_s, counts, apart (whether nodes have parted), tails_s (rows,); births_s (rows, COHORTS), deviations
    (rows, services), levels (rows, nodes, services), shares (rows, nodes, services, COHORTS).
    """
    path = np.empty((4, moved.shape[2]))
    for row in range(step_s.size):
        first = _thinned(births_s[row], shares[row], counts[row])
        counts[row] = first + PARTS
        for part in range(PARTS):
            births_s[row, first + part] = now_s[row] + part * step_s[row] / PARTS
        _ages(ages_s[row], births_s[row], counts[row], now_s[row] + step_s[row], tails_s[row])
        if apart[row] == 0 and _near(moved[row], levels[row, MIDDLE], deviations[row]):
            apart[row] = 1
            _part(levels[row], shares[row], deviations[row])
        for at in range(TOLD):
            older[row, at] = 0.0
        total = 0.0
        for node in range(NODES.size):
            if apart[row] == 1 or node == MIDDLE:
                latest = _paths(path, levels[row, node], moved[row], deviations[row], calls, NODES[node], step_s[row])
                total += _lived(
                    shares[row, node], births_s[row], first, now_s[row], latest, path, moved[row], flow[row],
                    visits, step_s[row], WEIGHTS[node], tails_s[row], ages_s[row], older[row],
                )  # fmt: skip
        for at in range(TOLD):
            older[row, at] /= max(total, 1e-300)
        _deviate(deviations[row], levels[row, -1 if apart[row] == 1 else MIDDLE], moved[row])
        now_s[row] += step_s[row]


@inner
def _thinned(births_s: Floats, shares: Floats, count: int) -> int:
    """Room for a step's cohorts: in the older half every other is joined to the next. Returns how many are left."""
    while count + PARTS > COHORTS:
        kept = 1
        for k in range(2, count):
            if k % 2 == 0 or k > count // 2:
                births_s[kept] = births_s[k]
                for node in range(shares.shape[0]):
                    for j in range(shares.shape[1]):
                        shares[node, j, kept] = shares[node, j, k]
                kept += 1
        count = kept
    return count


@inner
def _ages(ages_s: Floats, births_s: Floats, count: int, end_s: float, tail_s: float) -> None:
    """Where the law of ages is told: at the cohorts' ages at the end of the step, and a few within the youngest."""
    ages_s[0] = 0.0
    for k in range(FINER):
        ages_s[1 + k] = (end_s - births_s[count - 1]) * 0.5 ** (FINER - k)
    for k in range(count):
        ages_s[1 + FINER + k] = end_s - births_s[count - 1 - k]
    for at in range(1 + FINER + count, TOLD):
        ages_s[at] = ages_s[FINER + count] + tail_s


@inner
def _near(moved: Floats, level: Floats, deviations: Floats) -> bool:
    """Whether a backlog may be gone within the step by chance."""
    for j in range(level.size):
        came, drain = moved[CAME, j], moved[DRAIN, j]
        lasting = SOON * level[j] > came and level[j] > TIMES_USUAL * moved[USUAL, j] and came <= FULL * drain
        if lasting and level[j] + came - drain < NEAR * _free(deviations[j], came, drain):
            return True
    return False


@inner
def _part(levels: Floats, shares: Floats, deviations: Floats) -> None:
    """Nodes go their own ways from where the middle one is."""
    whole = _whole(deviations)
    for node in range(NODES.size):
        for j in range(deviations.size):
            if node != MIDDLE:
                off = NODES[node] * deviations[j] * deviations[j] / whole
                levels[node, j] = max(levels[MIDDLE, j] + off, 0.0)
                for k in range(COHORTS):
                    shares[node, j, k] = shares[MIDDLE, j, k]


@inner
def _free(deviation: float, came: float, drain: float) -> float:
    """The deviation of a level that nothing holds back: arrivals and departures are Poisson."""
    return math.sqrt(deviation * deviation + came + drain)


@inner
def _whole(deviations: Floats) -> float:
    """The deviation of the sum of all levels; where it is one off, each is its own over this off, on average."""
    found = 1e-12
    for each in deviations:
        found += each * each
    return math.sqrt(found)


@inner
def _deviate(deviations: Floats, highest: Floats, moved: Floats) -> None:
    """Deviations after the step."""
    for j in range(deviations.size):
        came, drain = moved[CAME, j], moved[DRAIN, j]
        if came > FULL * drain or highest[j] <= moved[AFTER, j]:
            deviations[j] = moved[DEVIATION, j]
        else:
            deviations[j] = _free(deviations[j], came, drain)


@inner
def _paths(
    path: Floats, levels: Floats, moved: Floats, deviations: Floats, calls: Floats, node: float, step_s: float
) -> float:
    """Sets each service's (level at the beginning, slope, least level, arrivals) and the level after the step.

    Returns when the last backlog is gone, 0 where none is within the step.
    """
    latest, whole = 0.0, _whole(deviations)
    for j in range(levels.size):
        path[3, j] = moved[CAME, j]
    for j in range(levels.size):
        off = node * deviations[j] / whole
        after, came, drain, usual = moved[AFTER, j], path[3, j], moved[DRAIN, j], moved[USUAL, j]
        level, least, most = levels[j], min(usual, after), max(levels[j], after)
        if REPLACED * most <= came or (SOON * most <= came and most <= TIMES_USUAL * usual):
            level, change, least = after, 0.0, after
        elif came > FULL * drain:
            least, wider = 0.0, moved[DEVIATION, j] - deviations[j]
            change = after - moved[BEFORE, j] + came - moved[CAME, j] + off * wider
        else:
            wider = _free(deviations[j], came, drain) - deviations[j]
            change = came - drain + off * wider
        path[0, j], path[1, j], path[2, j] = level, change / step_s, least
        if level + change < least < level:
            latest = max(latest, step_s * (level - least) / -change)
        more = came - moved[CAME, j] + levels[j] - max(level + change, least) + after - moved[BEFORE, j]
        levels[j] = max(level + change, least)
        for other in range(j + 1, levels.size):
            if calls[j, other] > 0:
                path[3, other] += calls[j, other] * more * moved[PODS, j] / moved[PODS, other]
                path[3, other] = max(path[3, other], 0.0)
    return latest


@inner
def _lived(
    shares: Floats, births_s: Floats, first: int, now_s: float, latest: float, path: Floats, moved: Floats,
    flow: float, visits: Floats, step_s: float, weight: float, tail_s: float, ages_s: Floats, older: Floats,
) -> float:  # fmt: skip
    """All parts of a step, the one in which the last backlog goes cut there. Returns the answers' weight."""
    total = 0.0
    for half in range(2 * PARTS):
        part = half // 2
        begin, end = part * step_s / PARTS, (part + 1) * step_s / PARTS
        cut = latest if begin < latest < end else end
        x, y = (begin, cut) if half % 2 == 0 else (cut, end)
        if y > x:
            total += _answered(
                shares, births_s, first + part + 1, x == begin, now_s, x, y, path, moved, flow, visits, step_s,
                weight, tail_s, ages_s, older,
            )  # fmt: skip
    return total


@inner
def _answered(
    shares: Floats, births_s: Floats, count: int, born: bool, now_s: float, x: float, y: float, path: Floats,
    moved: Floats, flow: float, visits: Floats, step_s: float, weight: float, tail_s: float, ages_s: Floats,
    older: Floats,
) -> float:  # fmt: skip
    """Cohorts from x to y seconds into the step; adds the law of answers to `older`. Returns the answers' weight."""
    begin, end = np.zeros(count), np.zeros(count)
    answers, fresh = flow * (y - x), 0.0
    for j in range(visits.size):
        came, times = path[3, j] * (y - x) / step_s, max(visits[j], 1.0)
        one, other = max(path[0, j] + path[1, j] * x, path[2, j]), max(path[0, j] + path[1, j] * y, path[2, j])
        passing = (1.0 - min(visits[j], 1.0)) * answers
        answers = max(passing + moved[PODS, j] * (came + one - other) / times, 1e-12)
        level = (2.0 * math.sqrt(one * other) + 0.5 * (one + other)) / 3.0
        if one <= path[2, j]:
            for k in range(count):
                shares[j, k] = end[k]
            continue
        if born:
            shares[j, count - 1] = 1.0
        turnover, by = max(came / (level * times), 1e-9), 1.0 - min(passing / answers, 1.0)
        _relaxed(shares[j], begin, end, turnover, by)
        fresh += by * (1.0 - fresh)
    weight *= answers
    _add(older, ages_s, births_s, now_s + x, begin, fresh, tail_s, 0.5 * weight)
    _add(older, ages_s, births_s, now_s + y, end, fresh, tail_s, 0.5 * weight)
    return weight


@inner
def _relaxed(shares: Floats, begin: Floats, end: Floats, turnover: float, by: float) -> None:
    """Sets a service's shares at the end. begin, end: of those that arrive, then of those that go on.

    turnover: arrivals over the level; by: share of those that go on that were here.
    """
    left = math.exp(-turnover)
    for k in range(begin.size):
        share, lag = shares[k], (end[k] - begin[k]) / turnover
        shares[k] = end[k] - lag + (share - begin[k] + lag) * left
        begin[k] += by * (share - begin[k])
        end[k] += by * (shares[k] - end[k])


@inner
def _add(
    older: Floats, ages_s: Floats, births_s: Floats, time_s: float, shares: Floats, fresh: float, tail_s: float,
    weight: float,
) -> None:  # fmt: skip
    """Adds the share that is older than each age; the roots of shares are joined by straight lines."""
    k, age, root = shares.size - 1, 0.0, math.sqrt(fresh)
    next_age, next_root = time_s - births_s[k], math.sqrt(max(shares[k], 0.0))
    for at in range(ages_s.size):
        while next_age <= ages_s[at] and k >= 0:
            age, root, k = next_age, next_root, k - 1
            if k >= 0:
                next_age, next_root = time_s - births_s[k], math.sqrt(max(shares[k], 0.0))
            else:
                next_age, next_root = age + tail_s, 0.0
        if ages_s[at] >= next_age:
            break
        found = root + (next_root - root) * (ages_s[at] - age) / (next_age - age)
        older[at] += weight * found * found
