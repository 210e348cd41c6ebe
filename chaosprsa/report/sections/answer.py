"""The top of the page: what to change, what it costs, what it survives, how far the rollout got."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.contents import Contents
from chaosprsa.types import Recommendation, ServiceAllocation, Survival, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One service in the table."""

    service: str
    now: str
    recommended: str
    changed: bool
    cost: str
    survives: tuple[tuple[str, str], ...]


def view(contents: Contents) -> Mapping[str, Any]:
    """What answer.html.j2 shows."""
    answer = contents.recommendation
    return {
        "headline": headline(contents),
        "rows": [] if answer is None else list(_rows(answer, contents)),
        "facts": list(_facts(contents)),
        "cautions": list(cautions(contents)),
        "answer": answer,
        "declared": None if answer is None else _declared(answer, contents),
        "total": None if answer is None else _total(answer),
    }


def headline(contents: Contents) -> str:
    """One sentence for the reader who reads no other."""
    answer = contents.recommendation
    if answer is None:
        return "There is no recommendation yet."
    changed = [row for row in answer.recommended.services if row != _before(answer, row.service)]
    if not changed:
        return f"Change nothing: {_why_nothing(answer)} {_survives(answer)}"
    names = words.listed([row.service for row in changed])
    return f"Change {names}: {_cost_words(answer)}. {_survives(answer)}"


def _why_nothing(answer: Recommendation) -> str:
    if all(one.recommended is True for one in answer.survivals):
        return "what is there holds, and nothing cheaper that holds was found."
    return "no other allocation was shown to be better."


def _before(answer: Recommendation, service: str) -> ServiceAllocation | None:
    return next((row for row in answer.now.services if row.service == service), None)


def _cost_words(answer: Recommendation) -> str:
    change = answer.cost_recommended_month - answer.cost_now_month
    if abs(change) < 0.005:
        return "it costs the same"
    part = f", {words.share(abs(change) / answer.cost_now_month)}" if answer.cost_now_month > 0 else ""
    return f"{words.money(abs(change), answer.currency)} a month {'more' if change > 0 else 'less'}{part}"


def _survives(answer: Recommendation) -> str:
    count = len(answer.survivals)
    if not count:
        return "No issue was weighed."
    after = sum(one.recommended is True for one in answer.survivals)
    now = sum(one.now is True for one in answer.survivals)
    return f"It survives {after} of {words.plural(count, 'issue')}; the present allocation {now}."


def _rows(answer: Recommendation, contents: Contents) -> Iterator[Row]:
    prices = contents.settings.price_list
    for after in answer.recommended.services:
        before = _before(answer, after.service)
        cost = after.cost_month(prices) - (before.cost_month(prices) if before else 0.0)
        yield Row(
            service=after.service,
            now=words.given(before) if before else "not there",
            recommended=words.given(after),
            changed=after != before,
            cost=words.money_change(cost, answer.currency),
            survives=tuple(_mark(one) for one in answer.survivals if one.component == after.service),
        )


def _mark(one: Survival) -> tuple[str, str]:
    """(class, words) of one issue's survival: what changed is said."""
    names = {True: "survived", False: "not survived", None: "not known"}
    change = "" if one.now == one.recommended else f" (now: {names[one.now]})"
    class_ = {True: "passed", False: "failed", None: "inconclusive"}[one.recommended]
    glyph = {True: "✓", False: "✕", None: "?"}[one.recommended]
    return class_, f"{glyph} {one.fault}: {names[one.recommended]}{change}"


def _declared(answer: Recommendation, contents: Contents) -> tuple[str, str, str] | None:
    """What bandwidth and volumes cost a month: now, recommended, the change; None where they cost nothing."""
    prices = contents.settings.price_list
    now = answer.cost_now_month - answer.now.cost_month(prices)
    after = answer.cost_recommended_month - answer.recommended.cost_month(prices)
    if max(abs(now), abs(after)) < 0.005:
        return None
    spent = words.money(now, answer.currency), words.money(after, answer.currency)
    return *spent, words.money_change(after - now, answer.currency)


def _total(answer: Recommendation) -> str:
    change = answer.cost_recommended_month - answer.cost_now_month
    return words.money_change(change, answer.currency)


def _facts(contents: Contents) -> Iterator[tuple[str, str, str]]:
    """(title, verdict's class or nothing, words): the boxes beside the headline."""
    yield _trial_fact(contents)
    yield _rollout_fact(contents)
    answer = contents.recommendation
    if answer is not None:
        yield "Confidence", "", words.share(answer.confidence)
        yield "Says nothing after", "", words.moment(answer.lapses_at)


def _trial_fact(contents: Contents) -> tuple[str, str, str]:
    if not contents.rehearsals:
        return "Rehearsals, as it is now", "inconclusive", "none was played"
    verdicts = [trial.outcome.verdict for trial in contents.rehearsals]
    counted = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    return "Rehearsals, as it is now", "", ", ".join(counted)


def _rollout_fact(contents: Contents) -> tuple[str, str, str]:
    if contents.rollout is None:
        idle = contents.plan is not None and not contents.plan.changes
        return "Rollout", "" if idle else "inconclusive", "nothing to roll out" if idle else "not run"
    way = ", production restored" if contents.rollout.restored else ""
    return (
        "Rollout",
        contents.rollout.verdict,
        f"{words.GLYPHS[contents.rollout.verdict]} {contents.rollout.verdict}{way}",
    )


def cautions(contents: Contents) -> Iterator[str]:
    """What a reader must know before acting on the table."""
    answer = contents.recommendation
    if answer is None:
        return
    if answer.lapses_at <= contents.now:
        yield f"This recommendation lapsed at {words.moment(answer.lapses_at)}. Make a new one: chaos prsa recommend"
    if not answer.twin.trusted:
        yield f"The twin is not trusted on this system: {answer.twin.reason}"
    if contents.rollout is not None and contents.rollout.plan.lineage.id not in _family(contents):
        yield "The rollout below was of another plan than this recommendation's."
    unheld = [one for one in answer.survivals if one.recommended is False]
    if unheld:
        yield f"{words.plural(len(unheld), 'issue')} would still break the SLO with the recommended allocation."


def _family(contents: Contents) -> set[str]:
    """Plans that came from this recommendation; with no plan file, what the rollout itself names."""
    plans = [plan for plan in (contents.plan, contents.rollout and contents.rollout.plan) if plan]
    answer = contents.recommendation
    return {plan.lineage.id for plan in plans if answer and answer.lineage.id in plan.lineage.parents}
