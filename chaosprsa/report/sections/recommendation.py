"""The recommendation's directives with their reasons, and issue by issue what is survived and who says so."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.contents import Contents


def view(contents: Contents) -> Mapping[str, Any]:
    """What recommendation.html.j2 shows."""
    answer = contents.recommendation
    lapses = {directive.lapses_at for directive in answer.directives} if answer else set()
    return {
        "answer": answer,
        "lapses": lapses.pop() if len(lapses) == 1 else None,
        "fields": words.FIELDS,
        "known": {True: ("passed", "✓ yes"), False: ("failed", "✕ no"), None: ("inconclusive", "? not known")},
    }
