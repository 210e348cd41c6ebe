"""What a comparison takes from the cluster and the calendar: the HPAs there are, and when issues are predicted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chaosprsa.autoscalers.arena import placed
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.chain.context import Context
from chaosprsa.errors import ChaosPrsaError
from chaosprsa.manifests import Workload
from chaosprsa.types import Allocation, SimulatedIssue

DEFAULT_TARGET = 0.8  # Kubernetes' own where an HPA names none


def hpa_there_is(
    context: Context, asked: float | None, present: Allocation, *, needed: bool = True
) -> tuple[Hpa, tuple[str, ...]]:
    """The HPAs of the cluster, and what the reader must know of their targets.

    asked: a target of requests, 0 to 1, for all instead. An HPA's target is of requests, the twin's of limits.
    """
    shares = [one.resources.cpu_request_millicores / one.resources.cpu_limit_millicores for one in present.services]
    if asked is not None or not needed:
        target = DEFAULT_TARGET if asked is None else asked
        return Hpa(target=tuple(target * share for share in shares), name=f"HPA at {target:.0%}"), ()
    found, why_not = _read(context)
    of = {one.service: one.target for one in found if one.hpa and one.target}
    targets = [of.get(one.service, 0) / 100 or DEFAULT_TARGET for one in present.services]
    hpa = Hpa(target=tuple(each * share for each, share in zip(targets, shares, strict=True)), name=_named(targets))
    without = [one.service for one in present.services if one.service not in of]
    if why_not:
        return hpa, (
            f"HPA targets are Kubernetes' default of 80 %, as no cluster was read ({why_not}); or --hpa-target",
        )
    return hpa, (f"no HPA with a CPU target in the cluster: 80 % for {', '.join(without)}",) if without else ()


def _read(context: Context) -> tuple[tuple[Workload, ...], str]:
    try:
        return context.cluster().workloads(context.settings.cluster.namespace), ""
    except ChaosPrsaError as error:
        return (), str(error)


def _named(targets: Sequence[float]) -> str:
    least, most = min(targets), max(targets)
    return f"HPA at {least:.0%}" if least == most else f"HPA at {least:.0%} to {most:.0%}"


def timed(
    issues: Sequence[SimulatedIssue], begin: datetime | None, seconds: int
) -> tuple[tuple[SimulatedIssue, ...], tuple[str, ...]]:
    """Issues when they are predicted, on a load that begins at `begin`; those of another time are spread over it.

    begin: None: of no known day, so that all are spread. The second: what the reader must know of it.
    """
    offsets = [(issue.start - begin).total_seconds() if begin else -1.0 for issue in issues]
    inside = [0 <= offset < seconds for offset in offsets]
    elsewhere = placed([issue for issue, here in zip(issues, inside, strict=True) if not here], seconds)
    spread = iter(elsewhere)
    found = tuple(
        replace(issue, start_s=offset, duration_s=min(issue.duration_s, seconds - offset)) if here else next(spread)
        for issue, offset, here in zip(issues, offsets, inside, strict=True)
    )
    if begin is None or not elsewhere:
        return found, ()
    named = ", ".join(f"{one.fault.value} on {one.component}" for one in elsewhere)
    return found, (f"predicted for another time than what is played, so spread over it: {named}",)
