"""A recommendation as text for a terminal: the table, and what binds each service."""

from collections.abc import Iterator, Sequence

from chaosprsa.cli.text import allocation, chance, table
from chaosprsa.types import Autoscaling, Bounds, Prices, Recommendation, Rung, Survival, TimedFloor


def recommendation_table(answer: Recommendation, prices: Prices) -> str:
    """Service, now, recommended, bounds, what its requests cost a month, its change; then the whole cost, what its
    reader applies, what is survived, or what that would cost.
    """
    rows = []
    may_be = {one.service: bounds(one) for one in answer.bounds}
    for now, to in zip(answer.now.services, answer.recommended.services, strict=True):
        cost = to.cost_month(prices) - now.cost_month(prices)
        changed = to != now
        rows.append(
            (
                now.service,
                allocation(now),
                allocation(to) if changed else "as it is",
                may_be.get(now.service, ""),
                f"{to.cost_month(prices):.2f}",
                f"{cost:+.2f}" if changed else "",
            )
        )
    change = answer.cost_recommended_month - answer.cost_now_month
    share = change / answer.cost_now_month if answer.cost_now_month else 0.0
    declared = answer.cost_recommended_month - answer.recommended.cost_month(prices)
    beside = f"; {declared:.2f} of it for what is declared (bandwidth, volumes)" if abs(declared) >= 0.005 else ""
    survived = [survival for survival in answer.survivals if survival.recommended]
    already = [survival for survival in answer.survivals if survival.now]
    lines = [
        table(("service", "now", "recommended", "may be", f"{answer.currency} a month", "change"), rows),
        "",
        "pods x CPU limit and memory limit of each; the price is of what they request",
        f"cost      {answer.cost_recommended_month:.2f} {answer.currency} a month, {change:+.2f} ({share:+.0%})"
        + beside,
        *(
            f"by hand   {one.target} {one.field.value} {one.from_} -> {one.to}"
            for one in answer.directives
            if one.field.by_hand
        ),
        f"survives  {len(survived)} of {len(answer.survivals)} issues (now: {len(already)})",
        *(
            f"          {survival.fault.value} on {survival.component}: {_lived(survival.now)} now, "
            f"{_lived(survival.recommended)} with it ({survival.evidence}){remedy(survival, answer.currency)}"
            for survival in answer.survivals
        ),
        *_ahead(answer),
        *_scaled(answer),
        *rungs(answer.rungs),
        f"confident {answer.confidence:.0%}, until {answer.lapses_at:%Y-%m-%d %H:%M} UTC",
        *(f"note      {note}" for note in answer.notes),
    ]
    return "\n".join(lines)


def rungs(climbed: Sequence[Rung]) -> Iterator[str]:
    """A line each: what was looked at there, and how far it was from the rung below."""
    for rung in climbed:
        candidates = "1 candidate" if rung.candidates == 1 else f"{rung.candidates} candidates"
        looked = f"{candidates}, {rung.plays} plays, {rung.seconds / 3600:.1f} h of the system's time"
        apart = "" if rung.difference is None else f"; uses x{rung.difference:.2f} of what the rung below said"
        least = "" if rung.least_detectable is None else f"; less than {rung.least_detectable:.1%} of the SLO is chance"
        equal = "" if not rung.equal else f", by which {rung.equal} more are equal"
        step = "" if rung.step == 1.0 else f"; after a miss {rung.step:.0%} of the way at most"
        yield f"{rung.fidelity:<9} {looked}{apart}{least}{equal}{step}"


def _ahead(answer: Recommendation) -> list[str]:
    """Held always, or ahead of what is predicted: what both cost, and each floor with its time."""
    plan = answer.provisioning
    if plan is None:
        return []
    if not plan.ahead:
        return [f"hold      always: {plan.reason}"]
    usual = ", ".join(f"{one.service} {one.replicas}" for one in plan.usual.services)
    costs = f"{plan.cost_ahead:.2f} {answer.currency} until then, {plan.cost_always:.2f} held always"
    return [
        f"hold      ahead of time: {costs}; risk {plan.risk_ahead:.3g}, {plan.risk_always:.3g} held always",
        f"          usually {usual}; recommendation/ahead/directives.sh does what follows",
        *(f"          {_floor(one)}" for one in plan.floors),
    ]


def _floor(one: TimedFloor) -> str:
    when = f"from {one.begins:%a %H:%M} to {one.lapses:%a %H:%M} UTC"
    return f"{one.service} {one.usual} -> {one.floor} {when}, for {', '.join(one.issues)}"


def _scaled(answer: Recommendation) -> list[str]:
    each = [f"{one.service} {_bounds_of(one)}" for one in answer.autoscaling]
    return [f"HPA       {', '.join(each)}"] if each else []


def _bounds_of(one: Autoscaling) -> str:
    """2-8 at 55 %."""
    return f"{one.floor}-{one.ceiling}" + ("" if one.target is None else f" at {one.target} %")


def remedy(survival: Survival, currency: str) -> str:
    """; surviving it: +12.30 USD a month (web 3 -> 5 replicas); empty where it is survived, or nobody can tell."""
    found = survival.remedy
    if found is None:
        return ""
    if found.cost_month is None:
        return f"; {found.words}"
    return f"; surviving it would cost {found.cost_month:+.2f} {currency} a month ({found.words})"


def explanation(answer: Recommendation, service: str | None) -> str:
    """A service after the other: each change with its reason, what binds it, and the issues that begin there.

    Those that change; one that stays where it is asked for.
    """
    lines = []
    for now in answer.now.services:
        told = [directive for directive in answer.directives if directive.target == now.service]
        if service not in (None, now.service) or not (told or service):
            continue
        to = answer.recommended[now.service]
        lines.append(f"{now.service}: {allocation(now)}" + (f" -> {allocation(to)}" if told else ", as it is"))
        lines += [f"  {one.field.value} {one.from_} -> {one.to}: {one.reason}" for one in told]
        lines += _bound_by(answer, now.service)
        lines += _expected(answer, now.service)
        lines += _moved(answer, now.service)
    lines.append(f"confident {answer.confidence:.0%}, until {answer.lapses_at:%Y-%m-%d %H:%M} UTC")
    return "\n".join(lines)


def _bound_by(answer: Recommendation, service: str) -> list[str]:
    """The issue and the resource that bind first, then the other resources; who is at the least says so."""
    found = [one for one in answer.bindings if one.service == service]
    may_be = [bounds(one) for one in answer.bounds if one.service == service]
    if not found:
        free = any(one.least != one.most for one in answer.bounds if one.service == service)
        why = "it has the least that may be tried" if free else "nothing is known of its use, so it stays as it is"
        return [f"  binding: none; {why}", *(f"  may be   {one}" for one in may_be)]
    first, *others = found
    return [
        f"  binding: {first.field.value}; {first.reason}",
        *(f"  {one.field.value}: {one.reason}" for one in others),
        *(f"  may be   {one}" for one in may_be),
    ]


def _moved(answer: Recommendation, service: str) -> list[str]:
    """Its floors ahead of time, and what an HPA of it should have."""
    floors = answer.provisioning.floors if answer.provisioning else ()
    return [
        *(f"  ahead     {_floor(one)}" for one in floors if one.service == service),
        *(f"  HPA       {_bounds_of(one)}; {one.reason}" for one in answer.autoscaling if one.service == service),
    ]


def _expected(answer: Recommendation, service: str) -> list[str]:
    """The issues that begin at a service: how likely, since what, survived or not."""
    lines = []
    for one in answer.survivals:
        if one.component == service:
            lived = f"{_lived(one.recommended)} ({one.evidence}){remedy(one, answer.currency)}"
            lines.append(f"  {one.fault.value} ({one.issue_id}), {chance(one.probability)} likely: {lived}")
            lines += [f"    evidence: {reason}" for reason in one.expected_by]
    return lines


def _lived(survived: bool | None) -> str:
    return {True: "survived", False: "not survived", None: "unknown"}[survived]


def bounds(given: Bounds) -> str:
    """2-20 x 50-4000m, 96-8192Mi: between what the search may move a service."""
    least, most = given.least, given.most
    replicas = _between(least.replicas, most.replicas)
    cpu = _between(least.resources.cpu_limit_millicores, most.resources.cpu_limit_millicores)
    memory = _between(least.resources.memory_limit_mib, most.resources.memory_limit_mib)
    return f"{replicas} x {cpu}m, {memory}Mi"


def _between(least: int, most: int) -> str:
    return f"{least}-{most}" if least < most else f"{least}"
