"""What there is to report: every document of a working folder, read once; what is not there is None.

A file that is there and can't be read raises InvalidDocument: a report never guesses.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import TypeVar

from chaosprsa.documents import read_document, read_lines
from chaosprsa.report.learned import Learned
from chaosprsa.settings import Settings
from chaosprsa.types import (
    Lineage,
    Outcome,
    Recommendation,
    RolloutOutcome,
    RolloutPlan,
    SimulatedIssue,
    Study,
)
from chaosprsa.workspace import Workspace

Noun = TypeVar("Noun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An outcome and the folder it lies in, relative to the working folder.

    candidate: it was played again, with an allocation that a search proposed; its folder is the issue's with a suffix.
    """

    study: str
    folder: str
    outcome: Outcome

    @property
    def name(self) -> str:
        return f"{self.outcome.issue.fault} on {self.outcome.issue.component}"

    @property
    def candidate(self) -> bool:
        return PurePath(self.folder).name != self.outcome.issue.id

    @property
    def anchor(self) -> str:
        """The page's id for it."""
        return f"trial-{self.study}-{PurePath(self.folder).name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """trials: in the order they ran. unplayed: (study, issue id) without an outcome."""

    settings: Settings
    now: datetime
    learned: Learned | None
    issues: tuple[SimulatedIssue, ...]
    studies: tuple[Study, ...]
    trials: tuple[Trial, ...]
    unplayed: tuple[tuple[str, str], ...]
    recommendation: Recommendation | None
    plan: RolloutPlan | None
    rollout: RolloutOutcome | None

    @property
    def rehearsals(self) -> tuple[Trial, ...]:
        """The trials of what production has now; the others are checks of candidates."""
        return tuple(trial for trial in self.trials if not trial.candidate)

    @property
    def lineages(self) -> tuple[Lineage, ...]:
        """Every file's lineage, from the last link back to the first."""
        ends = [self.rollout, self.plan, self.recommendation]
        nouns = [*ends, *(trial.outcome for trial in self.trials), *self.studies, *self.issues, self.learned]
        return tuple(noun.lineage for noun in nouns if noun is not None)


def read_contents(workspace: Workspace, settings: Settings, now: datetime) -> Contents:
    """Raises InvalidDocument for a file that is there and can't be read."""
    studies = tuple(read_document(path, Study) for path in sorted(workspace.root.glob("generated/*/study.json")))
    trials = _trials(workspace, studies)
    return Contents(
        settings=settings,
        now=now,
        learned=_learned(workspace.models) if _has_files(workspace.models) else None,
        issues=_issues(workspace.issues / "issues.jsonl"),
        studies=studies,
        trials=trials,
        unplayed=_unplayed(studies, trials),
        recommendation=_optional(workspace.recommendation / "recommendation.json", Recommendation),
        plan=_optional(workspace.recommendation / "plan.json", RolloutPlan),
        rollout=_optional(workspace.rollout / "outcome.json", RolloutOutcome),
    )


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _learned(folder: Path) -> Learned:
    """Imported here: pandas and scikit-learn take seconds, and a folder without a bundle needs neither."""
    from chaosprsa.models.bundle import load_bundle
    from chaosprsa.report.learned import learned_of

    return learned_of(load_bundle(folder))


def _issues(path: Path) -> tuple[SimulatedIssue, ...]:
    return read_lines(path, SimulatedIssue) if path.exists() else ()


def _optional(path: Path, noun: type[Noun]) -> Noun | None:
    return read_document(path, noun) if path.exists() else None


def _trials(workspace: Workspace, studies: tuple[Study, ...]) -> tuple[Trial, ...]:
    """Those of the studies that are there; what an earlier study of the same name left is past."""
    paths = sorted(workspace.root.glob("outcomes/*/*/outcome.json"))
    found = [
        Trial(
            study=path.parts[-3],
            folder=str(path.parent.relative_to(workspace.root)),
            outcome=read_document(path, Outcome),
        )
        for path in paths
    ]
    present = {study.name: study.lineage.id for study in studies}
    ours = [one for one in found if present.get(one.study) in (None, *one.outcome.lineage.parents)]
    return tuple(sorted(ours, key=lambda trial: trial.outcome.started))


def _unplayed(studies: tuple[Study, ...], trials: tuple[Trial, ...]) -> tuple[tuple[str, str], ...]:
    played = {(trial.study, trial.outcome.issue.id) for trial in trials if not trial.candidate}
    wanted = [(study.name, item.issue.id) for study in studies for item in study.items]
    return tuple(pair for pair in wanted if pair not in played)
