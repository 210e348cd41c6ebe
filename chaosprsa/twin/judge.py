"""A trace against an SLO, part by part, as a trial judges its phases: latency at the percentile, share of failures."""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.course import Course, Part
from chaosprsa.twin.queueing import Floats
from chaosprsa.twin.trace import Trace
from chaosprsa.types import Slo

COARSE = (0.3, 0.5, 0.7, 0.85, 1.0, 1.3, 2.5, 8.0)
FINE = tuple(float(x) for x in np.geomspace(0.02, 60.0, 60))


@dataclass(frozen=True, slots=True)
class Judged:
    """Shape (environments,): the worst part's latency at the percentile and failures, and how far the SLO is missed.

    violation: the larger share by which latency or success misses its objective; 0 when both hold. potential: the
    same, made strictly falling in capacity where the violation is flat, so that a search finds its way.
    """

    latency_s: Floats
    failed: Floats
    violation: Floats
    potential: Floats


def judged(trace: Trace, course: Course, slo: Slo, multiples: tuple[float, ...] = COARSE) -> Judged:
    """The worst over the fault, the rest of a long fault, and after it; a part without arrivals says nothing."""
    parts = [
        part_of(trace, np.flatnonzero(course.part == part), slo, multiples)
        for part in (Part.FAULT, Part.LASTING, Part.AFTER)
        if (course.part == part).any()
    ]
    latency = np.max([latency for latency, _ in parts], axis=0)
    failed = np.max([failed for _, failed in parts], axis=0)
    slow = latency / (slo.latency_ms / 1000) - 1.0
    bad = 1.0 - (1.0 - failed) / slo.success_ratio
    violation = np.maximum(np.maximum(slow, bad), 0.0)
    crowd = np.maximum(trace.pressure.max(axis=0) - 1.0, 0.0)
    mean = np.log1p(trace.mean_s.max(axis=0) / (slo.latency_ms / 1000))
    potential = np.where(violation > 0, np.log1p(violation) + np.minimum(crowd, 1e3) + 0.1 * mean, 0.0)
    return Judged(latency_s=latency, failed=failed, violation=violation, potential=potential)


def part_of(trace: Trace, steps: np.ndarray, slo: Slo, multiples: tuple[float, ...]) -> tuple[Floats, Floats]:
    """(latency at the SLO's percentile in seconds, share of failures) over all answers in these steps.

    The percentile is read off the mixture of the steps' distributions, at multiples of the SLO's latency, logarithmic
    in between. Whether it lies under the SLO is exact where 1 is among the multiples.
    """
    weight = trace.arrivals[steps]
    total = np.maximum(weight.sum(axis=0), 1e-12)
    failed = (weight * trace.failed[steps]).sum(axis=0) / total
    slow = slo.latency_ms / 1000 * np.asarray(multiples)
    law = trace.law(steps)
    above = np.stack([(weight * law.above(x)).sum(axis=0) / total for x in slow])
    return _crossing(above, slow, 1.0 - slo.latency_percentile / 100), failed


def _crossing(above: Floats, at: Floats, share: float) -> Floats:
    """Where a falling curve (rows: thresholds, columns: environments) crosses a share; its ends where it does not."""
    under = above <= share
    first = np.where(under.any(axis=0), under.argmax(axis=0), len(at) - 1)
    before = np.maximum(first - 1, 0)
    columns = np.arange(above.shape[1])
    high, low = np.log(above[before, columns] + 1e-12), np.log(above[first, columns] + 1e-12)
    rise = np.clip((high - np.log(share + 1e-12)) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    found: Floats = np.exp(np.log(at[before]) + rise * (np.log(at[first]) - np.log(at[before])))
    return np.where(first == 0, at[0], found)
