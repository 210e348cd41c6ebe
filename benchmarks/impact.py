"""Claim: the 90 % intervals of predicted impact cover at least 80 % of what the lab then shows, without being wide.

python benchmarks/impact.py --json out.json

Several small systems (the lab's shop, and call graphs drawn at random and emulated) each live two days with incidents,
which are learned from. Then issues of every fault at every service (a weak and a strong one each, at random hours) are
predicted and played on the lab's own queues in formulas (lab/physics.py): latency is the entry's 99th percentile as a
multiple of the same minutes without the issue, errors the share of its failed requests beyond those. Counting noise is
left in. The lab's physics and the predictions share no code.

Baselines: constant (the 5th to 95th percentile of what past incidents did, whatever the issue), widest (latency 1 to
50, errors 0 to 1), before (one formula and a normal interval, as it was). The interval score (Gneiting & Raftery 2007;
Winkler 1972) is width plus 2/alpha times what is missed, in the logarithm of latency and in the share of errors: lower
is better. Real trials (whole outcomes, --outcomes DIR...) are judged the same way.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from baselines_impact import impact_before
from claims import parser, table, write

from chaosprsa.documents import read_document
from chaosprsa.issues.marks import strength_at
from chaosprsa.lab.emulate import emulate
from chaosprsa.lab.history import lab_history
from chaosprsa.lab.misfortune import Mishap, happen
from chaosprsa.lab.physics import Conditions, flows
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import LabTopology
from chaosprsa.lab.traffic import hour_of_week, load_shape
from chaosprsa.models.bundle import Bundle
from chaosprsa.models.learned import learn_parts
from chaosprsa.reckoning import predicted_impact, reckoning
from chaosprsa.types import Edge, Fault, Impact, Interval, Outcome, Phase, Topology

GOAL_COVERED, GOAL_SHARE = 0.9, 0.8
END = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
STRENGTHS = (0.3, 0.8)  # quantiles of the catalogue's own distribution
MINUTES = 15


@dataclass(frozen=True)
class Shown:
    """One played issue: what was predicted by each, and what was shown."""

    fault: Fault
    predicted: dict[str, Impact]
    latency_ratio: float
    error_share: float


def main() -> None:
    """Measure, print, write."""
    options = _options()
    rng = np.random.default_rng(options.seed)
    cases: list[Shown] = []
    for number, world in enumerate(_worlds(options.worlds, rng)):
        history = lab_history(world, options.days, options.seed * 100 + number, END)
        bundle = learn_parts(replace(history, metrics=history.metrics), None, 1)
        cases += _played(world, bundle, rng)
    figures: dict[str, Any] = {"goal.coverage": GOAL_SHARE, "cases": len(cases)}
    rows = [_row(method, cases, figures) for method in cases[0].predicted]
    print(
        table(
            [
                "prediction",
                "covers latency",
                "errors",
                "both",
                "width log latency",
                "width errors",
                "score latency",
                "score errors",
            ],
            rows,
        )
    )
    by_fault = [
        [fault.value, len(own), *(f"{_covers(own, 'ours', what):.2f}" for what in ("latency", "errors"))]
        for fault in Fault
        if (own := [case for case in cases if case.fault is fault])
    ]
    print(table(["fault", "cases", "covers latency", "errors"], by_fault))
    figures |= {f"ours.{row[0]}.covers_latency": float(row[2]) for row in by_fault}
    figures |= {f"ours.{row[0]}.covers_errors": float(row[3]) for row in by_fault}
    if options.outcomes:
        _real(options.outcomes, figures)
    write(options.json, __file__, options, figures)


def _options() -> argparse.Namespace:
    found = parser(__doc__ or "")
    found.add_argument("--worlds", type=int, default=4, help="systems played, the shop among them")
    found.add_argument("--days", type=float, default=2.0, help="of history that each is learned from")
    found.add_argument("--outcomes", type=Path, nargs="*", help="outcome.json files of real trials")
    return found.parse_args()


def _worlds(count: int, rng: np.random.Generator) -> Iterator[LabTopology]:
    yield shop()
    for _ in range(count - 1):
        names = ("front", *(f"svc{number}" for number in range(int(rng.integers(3, 7)))))
        edges = [
            Edge(
                caller=str(rng.choice(names[:at])),
                callee=name,
                calls_per_request=round(float(rng.uniform(0.3, 2.0)), 2),
            )
            for at, name in enumerate(names)
            if at
        ]
        graph = Topology(services=names, edges=tuple(edges), entry="front")
        yield replace(emulate(graph, None, float(rng.uniform(20, 80))), steady=False)


def _played(world: LabTopology, bundle: Bundle, rng: np.random.Generator) -> Iterator[Shown]:
    usual = reckoning(bundle)
    past = [(each.latency_ratio, each.error_share) for each in bundle.felt]
    for fault in Fault:
        for service in (world.entry,) if fault is Fault.TRAFFIC_SURGE else bundle.topology.services:
            for quantile in STRENGTHS:
                strength = strength_at(fault, float(np.clip(quantile + rng.uniform(-0.2, 0.2), 0.02, 0.98)))
                start = END + timedelta(minutes=float(rng.uniform(30, 1300)))
                ratio, errors = _shown(world, fault, service, strength, start, rng)
                predicted = {
                    "ours": predicted_impact(usual, fault, service, strength, MINUTES * 60.0, start),
                    "before": impact_before(bundle, fault, service, strength, MINUTES * 60.0),
                    "constant": _constant(past),
                    "widest": Impact(
                        latency_ratio=Interval(low=1, mid=2, high=50), error_share=Interval(low=0, mid=0.1, high=1)
                    ),
                }
                yield Shown(fault, predicted, ratio, errors)


def _constant(past: Sequence[tuple[float, float]]) -> Impact:
    ratios, errors = np.array(past).T if past else (np.array([1.0, 2.0]), np.array([0.0, 0.1]))
    low, mid, high = np.quantile(ratios, [0.05, 0.5, 0.95]).tolist()
    least, middle, most = np.quantile(errors, [0.05, 0.5, 0.95]).tolist()
    return Impact(
        latency_ratio=Interval(low=low, mid=mid, high=high), error_share=Interval(low=least, mid=middle, high=most)
    )


def _shown(
    world: LabTopology, fault: Fault, service: str, strength: float, start: datetime, rng: np.random.Generator
) -> tuple[float, float]:
    """(latency ratio, error share) at the entry, over the issue's minutes."""
    hours = hour_of_week(start) + np.arange(MINUTES) / 60
    load = world.rate_per_s * load_shape(hours) * np.exp(rng.normal(0, 0.05))
    mishap = Mishap(
        component=service, fault=fault, start_min=0.0, ramp_min=0.0, hold_min=float(MINUTES), strength=strength
    )
    rate, conditions = happen(world, (mishap,), load, rng)
    with_it = flows(world, rate, conditions)[world.entry]
    without = flows(world, load, {one.name: Conditions.usual(one, MINUTES) for one in world.services})[world.entry]
    noise = np.exp(rng.normal(0, 0.05))
    ratio = float(np.median(with_it.percentile_s(0.99)) / np.median(without.percentile_s(0.99)) * noise)
    counts = np.maximum(rng.poisson(np.maximum(with_it.arrivals_per_s, 0) * 60), 1)
    failed = rng.binomial(counts, np.clip(1 - with_it.success, 0, 1)).sum() / counts.sum()
    return ratio, float(max(failed - np.mean(1 - without.success), 0.0))


def _row(method: str, cases: Sequence[Shown], figures: dict[str, Any]) -> list[Any]:
    latency = [case.predicted[method].latency_ratio for case in cases]
    errors = [case.predicted[method].error_share for case in cases]
    log = [(math.log(max(one.low, 1e-3)), math.log(max(one.high, 1e-3))) for one in latency]
    shown_log = [math.log(case.latency_ratio) for case in cases]
    shown = [case.error_share for case in cases]
    both = np.mean([_in(case, method, "latency") and _in(case, method, "errors") for case in cases])
    told = {
        "covers_latency": _covers(cases, method, "latency"),
        "covers_errors": _covers(cases, method, "errors"),
        "covers_both": float(both),
        "width_log_latency": float(np.mean([high - low for low, high in log])),
        "width_errors": float(np.mean([one.high - one.low for one in errors])),
        "score_latency": _score(log, shown_log),
        "score_errors": _score([(one.low, one.high) for one in errors], shown),
    }
    figures |= {f"{method}.{key}": value for key, value in told.items()}
    return [method, *told.values()]


def _in(case: Shown, method: str, what: str) -> bool:
    """Inside, to the third digit."""
    one = case.predicted[method]
    interval, value = (
        (one.latency_ratio, case.latency_ratio) if what == "latency" else (one.error_share, case.error_share)
    )
    return interval.low - 5e-4 <= value <= interval.high + 5e-4


def _covers(cases: Sequence[Shown], method: str, what: str) -> float:
    return float(np.mean([_in(case, method, what) for case in cases]))


def _score(intervals: Sequence[tuple[float, float]], values: Sequence[float]) -> float:
    """The mean interval score at 90 %."""
    punished = 2 / (1 - GOAL_COVERED)
    return float(
        np.mean(
            [
                high - low + punished * (max(low - value, 0) + max(value - high, 0))
                for (low, high), value in zip(intervals, values, strict=True)
            ]
        )
    )


def _real(files: Sequence[Path], figures: dict[str, Any]) -> None:
    """Outcomes of real trials: what was predicted of their issue and what the load generator measured."""
    inside = []
    for file in files:
        outcome = read_document(file, Outcome)
        before, during = outcome.load.get(Phase.BEFORE), outcome.load.get(Phase.DURING)
        if before is None or during is None or not before.latency_p99_ms or not during.latency_p99_ms:
            continue
        felt, ratio = outcome.issue.impact, during.latency_p99_ms / before.latency_p99_ms
        inside.append(felt.latency_ratio.low <= ratio <= felt.latency_ratio.high)
        print(f"{file}: latency x {ratio:.2f}, predicted {felt.latency_ratio.low:.2f} to {felt.latency_ratio.high:.2f}")
    if inside:
        figures |= {"real.trials": len(inside), "real.covers_latency": float(np.mean(inside))}


if __name__ == "__main__":
    main()
