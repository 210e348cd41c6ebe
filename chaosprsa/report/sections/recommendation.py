"""The recommendation's directives with their reasons, and issue by issue what is survived and who says so."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.contents import Contents
from chaosprsa.types import Prices, Recommendation, Survival


def view(contents: Contents) -> Mapping[str, Any]:
    """What recommendation.html.j2 shows."""
    answer = contents.recommendation
    lapses = {directive.lapses_at for directive in answer.directives} if answer else set()
    return {
        "answer": answer,
        "lapses": lapses.pop() if len(lapses) == 1 else None,
        "fields": words.FIELDS,
        "services": list(_services(answer, contents.settings.price_list)) if answer else [],
        "remedy": remedy,
        "known": {True: ("passed", "✓ yes"), False: ("failed", "✕ no"), None: ("inconclusive", "? not known")},
    }


def _services(answer: Recommendation, prices: Prices) -> Iterator[tuple[str, str, str, str]]:
    """(service, what it costs a month with the recommendation, between what it may be moved, what binds it)."""
    for given in answer.recommended.services:
        bounds = next((words.between(one) for one in answer.bounds if one.service == given.service), words.MISSING)
        binds = next((one for one in answer.bindings if one.service == given.service), None)
        said = f"{words.FIELDS[binds.field]}: {binds.reason}" if binds else "nothing: the least that may be tried"
        yield given.service, words.money(given.cost_month(prices), answer.currency), bounds, said


def remedy(one: Survival, currency: str) -> str:
    """What surviving an issue would cost, where it is not survived."""
    if one.remedy is None:
        return ""
    if one.remedy.cost_month is None:
        return one.remedy.words
    return f"{words.money_change(one.remedy.cost_month, currency)} a month: {one.remedy.words}"
