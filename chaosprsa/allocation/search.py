"""Greedy, then Optuna from there (TPE with constraints, ask and tell in batches), then greedy once more.

The study is kept as a file that Optuna Dashboard opens: `optuna-dashboard FILE`. It is written whole, at the end.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chaosprsa.allocation.greedy import Found, found_at, trimmed
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.space import CPU, REPLICAS, Ints, Space
from chaosprsa.allocation.swift import rank, swift
from chaosprsa.progress import Progress, silent
from chaosprsa.types import SearchTrial

PARTS = ("replicas", "cpu_limit_millicores", "memory_limit_mib")
STUDY = "chaosprsa"
BATCH = 8
NEAR = 1.25  # dearer ends of Optuna's are not worth a descent


@dataclass(frozen=True, slots=True)
class SearchResult:
    """best: the cheapest feasible point, or the closest where none is feasible. trials: in the order tried."""

    best: Found
    trials: tuple[SearchTrial, ...]


def search(
    objective: Objective,
    seed: int,
    count: int = 64,
    storage: Path | None = None,
    progress: Progress = silent,
) -> SearchResult:
    """count: Optuna's own trials, in a box around what greedy search found and what is given at present."""
    space = objective.space
    present = space.clipped(space.present)
    progress("greedy search", 0.0)
    best = trimmed(space, objective, swift(objective, starts(space)))
    corner = box_around(space, best.point)
    study = Study(space, seed, corner)
    study.add(present[None], objective(present[None]), "present")
    study.add(best.point[None], objective(best.point[None]), "greedy")
    for done in range(0, count, BATCH):
        progress(f"Optuna trial {done + 1} of {count}", done / max(count, 1))
        study.round(objective, min(BATCH, count - done))
    best = _polished(objective, study, best)
    if storage is not None:
        study.write(storage)
    return SearchResult(best, study.trials)


def plain_search(objective: Objective, seed: int, count: int) -> SearchResult:
    """TPE over the whole space from nothing: what the search is measured against."""
    study = Study(objective.space, seed, objective.space.high)
    for done in range(0, count, BATCH):
        study.round(objective, min(BATCH, count - done))
    return SearchResult(study.best, study.trials)


def box_around(space: Space, point: Ints) -> Ints:
    """The upper corner of what Optuna tries: twice the point, three replicas more, or what is given at present."""
    wider = point * 2
    wider[:, REPLICAS] = point[:, REPLICAS] + 3
    on_grid = space.low + (np.maximum(wider, space.present) - space.low) // space.step * space.step
    return np.clip(on_grid, space.low, space.high)


def starts(space: Space) -> list[Ints]:
    """The present, and the same cores in as few pods as allowed: replicas are the hardest to trade."""
    fewer = space.present.copy()
    fewer[:, REPLICAS] = space.low[:, REPLICAS]
    cores = space.present[:, CPU] * space.present[:, REPLICAS] / np.maximum(fewer[:, REPLICAS], 1)
    steps = np.ceil((cores - space.low[:, CPU]) / space.step[:, CPU]).astype(np.int64)
    fewer[:, CPU] = space.low[:, CPU] + steps * space.step[:, CPU]
    return [space.clipped(space.present), space.clipped(fewer)]


def _polished(objective: Objective, study: "Study", best: Found) -> Found:
    """The best of all, and greedy descent from what Optuna found where that is near."""
    ends = [best]
    leader = study.best
    if leader.cost_month < NEAR * best.cost_month:
        near = swift(objective, [leader.point])
        ends.append(trimmed(objective.space, objective, near) if near.feasible else near)
    cheapest = min(ends, key=rank)
    if cheapest is not best:
        study.add(cheapest.point[None], objective(cheapest.point[None]), "polish")
    return cheapest


class Study:
    """An Optuna study in memory, with what was tried."""

    def __init__(self, space: Space, seed: int, high: Ints) -> None:
        import optuna  # takes a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._space = space
        self._names = [f"{service}.{part}" for service in space.services for part in PARTS]
        self._distributions = self._ranges(high)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate TPE and metric names call themselves experimental
            sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=10, multivariate=True, constant_liar=True, n_ei_candidates=24
            )
            self._study = optuna.create_study(study_name=STUDY, sampler=sampler, direction="minimize")
            self._study.set_metric_names(["cost_month"])
        self._tried: list[tuple[Found, str]] = []

    def _ranges(self, corner: Ints) -> dict[str, Any]:
        low, high, step = (values.ravel() for values in (self._space.low, corner, self._space.step))
        return {
            name: self._optuna.distributions.IntDistribution(int(low[at]), int(high[at]), step=int(step[at]))
            for at, name in enumerate(self._names)
            if low[at] < high[at]
        }

    @property
    def trials(self) -> tuple[SearchTrial, ...]:
        return tuple(
            SearchTrial(
                number=number,
                cost_month=round(found.cost_month, 6),
                violation=round(max(found.violation, 0.0), 6),
                source=source,
            )
            for number, (found, source) in enumerate(self._tried)
        )

    @property
    def best(self) -> Found:
        """The cheapest feasible that Optuna itself proposed, else the closest; of all where it proposed none."""
        own = [found for found, source in self._tried if source == "tpe"] or [found for found, _ in self._tried]
        return min(own, key=rank)

    def add(self, points: Ints, scores: Scores, source: str) -> None:
        """Trials that somebody else tried."""
        for at, point in enumerate(points):
            values = dict(zip(self._names, (int(value) for value in point.ravel()), strict=True))
            trial = self._optuna.create_trial(
                value=float(scores.cost_month[at]),
                params={name: values[name] for name in self._distributions},
                distributions=self._distributions,
                user_attrs={"source": source, "violation": float(scores.violation[at])},
                constraints={"slo": float(scores.violation[at])},
            )
            self._study.add_trial(trial)
            self._remember(point, scores, at, source)

    def round(self, objective: Objective, count: int) -> None:
        """Ask for a batch, evaluate it at once, tell."""
        asked = [self._study.ask(self._distributions) for _ in range(count)]
        points = np.stack([self._point(trial.params) for trial in asked])
        scores = objective(points)
        for at, trial in enumerate(asked):
            trial.set_constraint("slo", float(scores.violation[at]))
            trial.set_user_attr("source", "tpe")
            trial.set_user_attr("violation", float(scores.violation[at]))
            self._study.tell(trial, float(scores.cost_month[at]))
            self._remember(points[at], scores, at, "tpe")

    def _point(self, parameters: dict[str, Any]) -> Ints:
        fixed = self._space.present.ravel()
        values = [parameters.get(name, int(fixed[at])) for at, name in enumerate(self._names)]
        return np.array(values, dtype=np.int64).reshape(self._space.present.shape)

    def _remember(self, point: Ints, scores: Scores, at: int, source: str) -> None:
        self._tried.append((found_at(point, scores, at), source))

    def write(self, storage: Path) -> None:
        """The study as a journal file; an older one at that place is replaced."""
        from optuna.storages import journal

        storage.parent.mkdir(parents=True, exist_ok=True)
        half = storage.with_name(f".{storage.name}.part")
        half.unlink(missing_ok=True)
        try:
            backend = self._optuna.storages.JournalStorage(journal.JournalFileBackend(str(half)))
            self._optuna.copy_study(from_study_name=STUDY, from_storage=self._study._storage, to_storage=backend)  # noqa: SLF001  # copying a study in memory has no public way
            half.replace(storage)
        finally:
            half.unlink(missing_ok=True)
