"""What other ways to allocate would cost and miss: one's own twin and load, every policy, one document."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from chaosprsa.autoscalers.arena import BOUND, HPA, RECOMMENDED, Arena, Promise, busiest_part, plays_of
from chaosprsa.autoscalers.contract import AS_DEPLOYED, STEP_S
from chaosprsa.autoscalers.families import Family
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.autoscalers.play import Played, step_means, system_of
from chaosprsa.autoscalers.sizing import visits_of
from chaosprsa.chain.context import Context
from chaosprsa.chain.courses import Course, course_of_file, course_of_past
from chaosprsa.chain.happening import hpa_there_is, timed
from chaosprsa.chain.learning import past_of
from chaosprsa.chain.modelled import Modelled, modelled
from chaosprsa.documents import lineage, to_json, write_document
from chaosprsa.operating import IN_PLACE, IN_PLACE_S, Lessons, rows_of
from chaosprsa.selection import weightiest
from chaosprsa.twin import Capacity, Twin, capacity_of
from chaosprsa.twin.exact.from_twin import network_of
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import HOURS_A_MONTH, Allocation, Comparison, PolicyScore, Prices, SimulatedIssue, Slo

AHEAD, AHEAD_IN_PLACE = "ahead", "ahead-in-place"
QUOTA_S = 0.1  # of Linux' CFS: what captains read, and what a CPU limit does to a burst
MOST_AT_ONCE = 5e6  # requests in a play: each is kept until its end
LEAST_DEMAND_S = 1e-6
VISITS_A_SECOND = 600_000.0  # of simulation, about
SECONDS_A_CAPTAIN, SECONDS_TO_LEARN = 0.003, 15.0  # for each second of load; for one policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """load: None: the load model's next day, of which the `duration` that moves most is played.

    hpa_target: of requests; None: as the cluster's HPAs say. issues: of the study, at most. pod_start_s: None: as the
    twin has it. most_requests: simulated in all.
    """

    study: str
    history: Path | None
    load: Path | None
    load_step_s: int
    duration: timedelta
    policies: tuple[str, ...]
    hpa_target: float | None
    issues: int
    pod_start_s: float | None
    most_requests: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What will be played: one arena without issues, one with them where there are any. seconds: it takes about."""

    asked: Asked
    system: Modelled
    course: Course
    arenas: tuple[Arena, ...]
    policies: tuple[str, ...]
    scale: float
    requests: float
    seconds: float
    notes: tuple[str, ...]

    def in_words(self) -> str:
        """One line."""
        what = f"{len(self.policies)} policies in {len(self.arenas)} worlds, {self.requests / 1e6:.2g} million requests"
        return f"{what}: about {self.seconds:.0f} s"


def plan(context: Context, asked: Asked) -> Planned:
    """Twin, load, issues, and how much of it can be played. Raises BadInput where one can't be had."""
    past = functools.cache(lambda: past_of(context, asked.history))
    system = modelled(context, asked.study, past)
    course = course_of_file(asked.load, asked.load_step_s) if asked.load else course_of_past(context, past, asked.seed)
    part = busiest_part(course.per_s, asked.duration.total_seconds())
    stretch, issues = course.per_s[part], _issues(system, asked.issues)
    names, notes = _policies(asked.policies, system)
    worlds = 2 if issues else 1
    requests = float(stretch.sum()) * plays_of(names, len(stretch)) * worlds
    scale = min(1.0, asked.most_requests / requests, MOST_AT_ONCE / float(stretch.sum()))
    hpa, of_targets = hpa_there_is(context, asked.hpa_target, system.present, needed=HPA in names)
    arena = _arena(context, asked, system, stretch * scale, scale, hpa)
    begin = course.start + timedelta(seconds=part.start) if course.start else None
    at_times, of_times = timed(issues, begin, len(stretch))
    troubled = (replace(arena, issues=at_times),) if issues else ()
    visits = float(visits_of(arena.network).sum())
    apart = SECONDS_A_CAPTAIN * worlds * len(stretch) * ("captain" in names)
    apart += SECONDS_TO_LEARN * len({AHEAD, AHEAD_IN_PLACE} & set(names))
    return Planned(
        asked=asked,
        system=system,
        course=Course(stretch, course.words),
        arenas=(arena, *troubled),
        policies=names,
        scale=scale,
        requests=requests * scale,
        seconds=requests * scale * visits / VISITS_A_SECOND + apart,
        notes=(*notes, *of_targets, *of_times, *_scaled(scale), *_no_issues(asked, issues)),
    )


def compare(context: Context, planned: Planned, now: datetime) -> Comparison:
    """Play everything; write comparison.json when all is there."""
    asked, system, stretch = planned.asked, planned.system, planned.course.per_s
    scores = _scores(context, _schooled(context, planned))
    issues = tuple(f"{one.fault.value} on {one.component}" for one in planned.arenas[-1].issues)
    content = {"scores": [to_json(one) for one in scores], "load": stretch.tolist(), "seed": asked.seed}
    come_from = lineage("comparison", content, [system.study.lineage] if system.study else [])
    found = Comparison(
        id=come_from.id,
        created=now,
        namespace=context.settings.cluster.namespace,
        seed=asked.seed,
        twin=system.words,
        trusted=system.twin.fit.trusted,
        load=planned.course.words,
        duration_s=float(len(stretch)),
        requests_per_s=(float(stretch.mean()), float(stretch.max())),
        scale=planned.scale,
        issues=issues,
        pod_start_s=planned.arenas[0].start_s,
        currency=context.settings.prices.currency,
        scores=scores,
        notes=(*planned.notes, *system.notes),
        lineage=come_from,
    )
    write_document(context.workspace.comparison, found)
    return found


def _schooled(context: Context, planned: Planned) -> Planned:
    """With what scales ahead among the families where it is asked for; it is told of no issue before it comes."""
    ways = {AHEAD: (STEP_S, AS_DEPLOYED), AHEAD_IN_PLACE: (IN_PLACE_S, _in_place(context, planned))}
    others: dict[str, Family] = {}
    for name in set(ways) & set(planned.policies):
        context.progress(f"learning to scale {name.replace('-', ' ')}", 0.0)
        others[name] = rows_of(_lessons(planned, *ways[name]), planned.asked.seed)
    return replace(planned, arenas=tuple(replace(each, others=others) for each in planned.arenas))


def _lessons(planned: Planned, step_s: float, resized: tuple[float, float]) -> Lessons:
    arena = planned.arenas[-1]
    return Lessons(
        twin=planned.system.twin,
        system=system_of(arena.begun, step_s, arena.start_s, arena.promise.slo_s, resized),
        load_per_s=step_means(arena.load_per_s, round(step_s)),
        issues=arena.issues,
        issues_per_h=len(arena.issues) * 3600.0 / len(arena.load_per_s),
        surprise=1.0,
    )


def _in_place(context: Context, planned: Planned) -> tuple[float, float]:
    """As far as [safety] lets every pod's limit grow."""
    largest = max(each.cores for each in planned.arenas[0].network.services)
    room = context.settings.safety.max_cpu_limit_millicores / 1000 / largest
    return IN_PLACE[0], float(np.clip(room, 1.0, IN_PLACE[1]))


def _scores(context: Context, planned: Planned) -> tuple[PolicyScore, ...]:
    prices, system = context.settings.price_list, planned.system
    found: list[PolicyScore] = []
    total = len(planned.arenas) * len(planned.policies)
    for arena in planned.arenas:
        for name in planned.policies:
            world = "with issues" if arena.issues else "without issues"
            context.progress(f"{name}, {world}", len(found) / total)
            given = system.recommended if name == RECOMMENDED and system.recommended else system.present
            played = arena.played(name)
            score = PolicyScore(
                policy=name,
                settings="knows all, pods of this size" if name == BOUND else played.policy,
                issues=bool(arena.issues),
                cores=played.mean_cores / planned.scale,
                cost_month=cost_month(played, given, prices) / planned.scale,
                late_or_failed=played.violation_share,
                failed=played.failed_share,
                kept=arena.promise.missed(played) <= 1.0,
            )
            found.append(score)
    return tuple(found)


def cost_month(played: Played, given: Allocation, prices: Prices) -> float:
    """What the requests of pods that were paid cost, were every hour alike; CPU's follow limits as in `given`."""
    own = [one.resources for one in given.services]
    requested = np.array([one.cpu_request_millicores / one.cpu_limit_millicores for one in own])
    gib = np.array([one.memory_request_mib / 1024 for one in own])
    a_pod = played.cores * requested * prices.cpu_core_hour + gib * prices.memory_gib_hour
    return float((played.paid * a_pod).sum(axis=1).mean()) * HOURS_A_MONTH


def promise_of(slo: Slo) -> Promise:
    """Answers later than the objective's latency, at most as many as its percentile leaves; failures as it says."""
    return Promise(slo_s=slo.latency_ms / 1000, late=1.0 - slo.latency_percentile / 100, failed=1.0 - slo.success_ratio)


def _arena(context: Context, asked: Asked, system: Modelled, load: np.ndarray, scale: float, hpa: Hpa) -> Arena:
    settings, safety = context.settings, context.settings.safety
    now = np.array([one.replicas for one in system.present.services])
    most = {one.service: max(safety.max_replicas, one.replicas) for one in system.present.services}
    delays = system.twin.nominal.start_delay_s
    return Arena(
        network=_network(system.twin, system.present, scale, most),
        recommended=_network(system.twin, system.recommended, scale, most) if system.recommended else None,
        load_per_s=load,
        promise=promise_of(settings.entry_slo),
        least=np.ceil(np.minimum(safety.min_replicas, np.maximum(now, 1)) * scale).astype(np.int64),
        start_s=float(delays.max()) if asked.pod_start_s is None else asked.pod_start_s,
        seed=asked.seed,
        hpa=hpa,
    )


def _network(twin: Twin, given: Allocation, scale: float, most: dict[str, int]) -> Network:
    """Pods at this scale, rounded up. Memory that nobody saw is none, CPU too small to be seen next to none."""
    full = capacity_of([given], twin.graph.services)
    small = Capacity(np.ceil(full.replicas * scale - 1e-9), full.cores, full.memory_mib)
    seen = replace(
        twin.nominal,
        memory_mib=np.nan_to_num(twin.nominal.memory_mib),
        demand_s=np.maximum(twin.nominal.demand_s, LEAST_DEMAND_S),
    )
    return network_of(twin, small, parameters=seen, most_replicas=most, quota_period_s=QUOTA_S)


def _issues(system: Modelled, most: int) -> tuple[SimulatedIssue, ...]:
    """The study's weightiest, one of each component and fault."""
    return weightiest([item.issue for item in system.study.items], most) if system.study and most else ()


def _policies(asked: Sequence[str], system: Modelled) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that can be played, and a note on the one that can't."""
    if system.recommended is not None or RECOMMENDED not in asked:
        return tuple(asked), ()
    note = "there is no recommendation yet: chaos prsa recommend"
    return tuple(name for name in asked if name != RECOMMENDED), (note,)


def _scaled(scale: float) -> tuple[str, ...]:
    if scale >= 1:
        return ()
    note = (
        f"{100 * scale:.2g} % of the load was played, with fixed replicas scaled alike and rounded up, so that it ends "
        "in bounded time; the fewer pods, the coarser. More of it: a shorter --duration, or a larger --most-requests"
    )
    return (note,)


def _no_issues(asked: Asked, issues: Sequence[SimulatedIssue]) -> tuple[str, ...]:
    if issues or not asked.issues:
        return ()
    return (f"without issues only: there is no study {asked.study} yet (chaos prsa generate)",)
