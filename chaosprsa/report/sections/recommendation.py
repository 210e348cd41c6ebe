"""The recommendation's directives with their reasons, and issue by issue what is survived and who says so."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.contents import Contents


def view(contents: Contents) -> Mapping[str, Any]:
    """What recommendation.html.j2 shows."""
    return {
        "answer": contents.recommendation,
        "fields": words.FIELDS,
        "known": {True: ("passed", "✓ yes"), False: ("failed", "✕ no"), None: ("inconclusive", "? not known")},
    }
