"""Issues -> a study: a folder of machine-written JSON, an experiment and a load profile for each issue."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from chaosprsa.documents import lineage, to_json, write_document, write_text
from chaosprsa.errors import BadInput
from chaosprsa.experiments import build_experiment
from chaosprsa.loads import build_profile, fault_window
from chaosprsa.models.bundle import Bundle
from chaosprsa.settings import Settings
from chaosprsa.types import LoadProfile, SimulatedIssue, Study, StudyItem

_SAFE = re.compile(r"[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?")


def generate_study(
    name: str,
    issues: Sequence[SimulatedIssue],
    settings: Settings,
    bundle: Bundle,
    folder: Path,
    seed: int,
    kinds: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Study:
    """Write study.json, ISSUE.experiment.json and ISSUE.profile.json; what an earlier study of the name left goes.

    kinds: a service's workload kind where it is known. notes: what a reader of the study should know. Same issues,
    settings, bundle and seed: same bytes. Raises BadInput: no issues, a component outside [topology], a name that can't
    be a folder's or an object's.
    """
    _check(name, issues, settings)
    rate_at = _entry_rate(bundle)
    items = [_item(issue, index, settings, rate_at(issue), seed) for index, issue in enumerate(issues)]
    content = {
        "name": name,
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "items": [to_json(item) for item, _ in items],
    }
    study = Study(
        name=name,
        namespace=settings.cluster.namespace,
        shadow=settings.shadow_namespace,
        scale=settings.shadow.scale,
        seed=seed,
        items=tuple(item for item, _ in items),
        lineage=lineage("study", content, [issue.lineage for issue in issues]),
        notes=tuple(notes),
    )
    _clear(folder)
    for item, profile in items:
        experiment = build_experiment(item.issue, name, item.profile, settings, seed, kinds)
        write_text(folder / item.experiment, json.dumps(experiment, indent=1, ensure_ascii=False) + "\n")
        write_document(folder / item.profile, profile)
    write_document(folder / "study.json", study)
    return study


def _check(name: str, issues: Sequence[SimulatedIssue], settings: Settings) -> None:
    if not _SAFE.fullmatch(name):
        raise BadInput(f"study {name!r}: its name becomes a folder; use small letters, digits and dashes")
    if not issues:
        raise BadInput(f"study {name!r}: there are no issues to play; draw some: chaos prsa issues --seed 1")
    known = settings.topology.services
    for issue in issues:
        strange = {issue.component, *(also.component for also in issue.companions)} - set(known)
        if strange:
            raise BadInput(
                f"issue {issue.id}: it starts at {', '.join(map(repr, sorted(strange)))}, which is not in [topology] "
                f"services ({', '.join(known)}); add it there, or leave the issue out"
            )
        if not _SAFE.fullmatch(issue.id):
            raise BadInput(f"issue {issue.id!r}: its id becomes an object's name; use small letters, digits and dashes")
    if len({issue.id for issue in issues}) != len(issues):
        raise BadInput(f"study {name!r}: an issue is in it twice")


def _entry_rate(bundle: Bundle) -> Callable[[SimulatedIssue], float]:
    return lambda issue: float(bundle.entry_rate(np.array([issue.start.timestamp()])).mean[0])


def _item(
    issue: SimulatedIssue, index: int, settings: Settings, rate_per_s: float, seed: int
) -> tuple[StudyItem, LoadProfile]:
    start_s, end_s = fault_window(issue, settings.trial)
    item = StudyItem(
        issue=issue,
        experiment=f"{issue.id}.experiment.json",
        profile=f"{issue.id}.profile.json",
        fault_start_s=start_s,
        fault_end_s=end_s,
    )
    return item, build_profile(issue, rate_per_s, settings.shadow.scale, settings.trial, seed * 1_000_003 + index)


def _clear(folder: Path) -> None:
    """Remove an earlier study's files, so that none of them is taken for one of this study."""
    for pattern in ("*.experiment.json", "*.profile.json", "study.json"):
        for file in folder.glob(pattern):
            file.unlink()
