"""The walk back: every file's id and the ids it was made from; seeds and versions."""

import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from chaosprsa.report.contents import Contents
from chaosprsa.types import Lineage

TOOLS = ("chaosprsa", "chaostoolkit", "chaostoolkit-kubernetes", "locust", "optuna", "scikit-learn", "kubernetes")


def view(contents: Contents) -> Mapping[str, Any]:
    """What lineage.html.j2 shows."""
    here = {lineage.id for lineage in contents.lineages}
    return {
        "links": list(_links(contents)),
        "here": here,
        "unknown": sorted({parent for lineage in contents.lineages for parent in lineage.parents} - here),
        "seeds": list(_seeds(contents)),
        "versions": [("Python", platform.python_version()), *((tool, metadata.version(tool)) for tool in TOOLS)],
    }


def _links(contents: Contents) -> Iterator[tuple[str, str, list[Lineage]]]:
    """(what, the command that wrote it, its lineages), from the last link to the first."""
    trials = [trial.outcome.lineage for trial in contents.trials]
    yield from (
        ("rollout", "chaos prsa rollout", _one(contents.rollout)),
        ("rollout plan", "chaos prsa recommend", _one(contents.plan)),
        ("recommendation", "chaos prsa recommend", _one(contents.recommendation)),
        ("outcomes", "chaos prsa trial", trials),
        ("study", "chaos prsa generate", [study.lineage for study in contents.studies]),
        ("issues", "chaos prsa issues", _used_first(contents)),
        ("model bundle", "chaos prsa learn", _one(contents.learned)),
    )


def _used_first(contents: Contents) -> list[Lineage]:
    """The issues' lineages, those that a study was made from before the others."""
    used = {parent for study in contents.studies for parent in study.lineage.parents}
    return sorted((issue.lineage for issue in contents.issues), key=lambda lineage: lineage.id not in used)


def _one(noun: Any) -> list[Lineage]:
    return [] if noun is None else [noun.lineage]


def _seeds(contents: Contents) -> Iterator[tuple[str, int]]:
    if contents.learned is not None:
        yield "model bundle", contents.learned.seed
    for study in contents.studies:
        yield f"study {study.name}", study.seed
    if contents.recommendation is not None:
        yield "recommendation", contents.recommendation.seed
