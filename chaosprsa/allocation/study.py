"""An Optuna study: asked and told in batches, kept in memory, in a file or in a storage that workers share.

A study belongs to one space and one question (its mark). In a shared storage it is named after them, so that other
questions lie beside it. What was told is kept here too, so that a storage that drops out loses nothing: the study goes
on in memory, and is put there at the end where the storage is back.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from chaosprsa.allocation.dimensions import DIMENSIONS
from chaosprsa.allocation.greedy import Found, found_at
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.space import Ints, Space
from chaosprsa.allocation.storage import Storage, first_line
from chaosprsa.allocation.swift import rank
from chaosprsa.errors import BadInput, SourceUnreachable
from chaosprsa.types import SearchTrial
from chaosprsa.types.recommendation import BROKEN

STUDY = "chaosprsa"
_Told = TypeVar("_Told")


class Study:
    """high: the upper corner of what is asked for. storage: None for memory, a file, or a URL of Optuna's.

    question: what else than the space a trial's scores depend on. frontier: risk is a second objective. name: in the
    storage; empty: after the question.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        high: Ints,
        storage: Path | str | None = None,
        *,
        frontier: bool = False,
        question: str = "",
        name: str = "",
    ) -> None:
        import optuna  # takes a second

        self._optuna, self._space = optuna, space
        parts = [dimension.name for dimension in DIMENSIONS[: space.present.shape[1]]]
        self._names = [f"{service}.{part}" for service in space.services for part in parts]
        self._distributions = self._ranges(high)
        self._directions: list[Literal["minimize"]] = ["minimize", "minimize"] if frontier else ["minimize"]
        self._tried: list[tuple[Found, str]] = []
        self._known: set[int] = set()
        self.mark = sha256(
            repr((space.services, self._distributions, space.present.tolist(), self._directions, question)).encode()
        ).hexdigest()[:16]
        self.name = name or (f"{STUDY}-{self.mark}" if isinstance(storage, str) else STUDY)
        self._storage = Storage(storage, self.name, self.mark, self._directions, seed)
        self.notes = self._storage.notes
        self._gone: Storage | None = None
        self._study = self._storage.opened()
        self._refresh()

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
                violation=round(found.violation, 6),
                source=source,
            )
            for number, (found, source) in enumerate(self._tried)
        )

    @property
    def done(self) -> int:
        """Trials that Optuna proposed, other workers' and earlier ones too."""
        return sum(source == "tpe" for _, source in self._tried)

    @property
    def best(self) -> Found:
        """The cheapest feasible that Optuna itself proposed, else the closest; of all where it proposed none."""
        own = [found for found, source in self._tried if source == "tpe"] or [found for found, _ in self._tried]
        return min(own, key=rank)

    def cheapest(self, count: int, price_month: float) -> tuple[Ints, ...]:
        """Of the feasible that cost no more, so many."""
        held = sorted((found for found, _ in self._tried if found.feasible), key=rank)
        points = {found.point.tobytes(): found.point for found in held if found.price_month <= price_month}
        return tuple(points.values())[:count]

    def add(self, points: Ints, scores: Scores, source: str) -> None:
        """Trials that somebody else tried; those that the study has are left out."""
        for at, point in enumerate(points):
            found = found_at(point, scores, at)
            if any(one == source and np.array_equal(known.point, point) for known, one in self._tried):
                continue
            self._tried.append((found, source))
            self._kept_by(partial(self._add, found, source))

    def _add(self, found: Found, source: str) -> None:
        self._study.add_trial(self._as_trial(found, source))

    def round(self, objective: Objective, count: int) -> None:
        """Ask for a batch, evaluate it at once, tell."""
        asked = self._kept_by(lambda: [self._study.ask(self._distributions) for _ in range(count)])
        points = np.stack([self._point(trial.params) for trial in asked])
        scores = objective(points)
        found = [found_at(point, scores, at) for at, point in enumerate(points)]
        self._tried += [(one, "tpe") for one in found]
        self._kept_by(lambda: self._tell(asked, found))
        self._refresh()

    def _tell(self, asked: list[Any], found: list[Found]) -> None:
        for trial, one in zip(asked, found, strict=True):
            if trial.number in self._known or trial.study is not self._study:
                continue
            trial.set_constraint("slo", self._constraint(one))
            for name, value in self._told(one, "tpe").items():
                trial.set_user_attr(name, value)
            self._study.tell(trial, self._values(one))
            self._known.add(trial.number)

    def _values(self, found: Found) -> list[float]:
        return [found.price_month, found.violation][: len(self._directions)]

    def _constraint(self, found: Found) -> float:
        """The risk above what is allowed; hard limits alone where risk is an objective itself."""
        return found.violation if len(self._directions) == 1 else max(found.violation - BROKEN, 0.0)

    def _told(self, found: Found, source: str) -> dict[str, Any]:
        return {
            "source": source,
            "violation": found.violation,
            "cost_month": found.cost_month,
            "point": found.point.ravel().tolist(),
        }

    def _as_trial(self, found: Found, source: str) -> Any:
        values = dict(zip(self._names, (int(value) for value in found.point.ravel()), strict=True))
        return self._optuna.create_trial(
            values=self._values(found),
            params={name: values[name] for name in self._distributions},
            distributions=self._distributions,
            user_attrs=self._told(found, source),
            constraints={"slo": self._constraint(found)},
        )

    def _point(self, parameters: dict[str, Any]) -> Ints:
        fixed = self._space.present.ravel()
        values = [parameters.get(name, int(fixed[at])) for at, name in enumerate(self._names)]
        return self._space.settled(np.array(values, dtype=np.int64).reshape(self._space.present.shape))

    def _refresh(self) -> None:
        """What an earlier run or another worker has told meanwhile."""
        if self._storage.in_memory:
            return
        own = {(source, found.point.tobytes()) for found, source in self._tried}
        for trial in self._kept_by(lambda: self._study.get_trials(deepcopy=False)):
            attributes = trial.user_attrs
            if trial.number in self._known or not trial.state.is_finished() or "point" not in attributes:
                continue
            self._known.add(trial.number)
            point = np.array(attributes["point"], dtype=np.int64).reshape(self._space.present.shape)
            source = str(attributes["source"])
            if (source, point.tobytes()) not in own:
                violation, cost = float(attributes["violation"]), float(attributes["cost_month"])
                self._tried.append((Found(point, cost, float(trial.values[0]), violation), source))

    def _kept_by(self, action: Callable[[], _Told]) -> _Told:
        """Ask the storage; where it drops out go on in memory, with all that was told before."""
        try:
            return action()
        except Exception as error:
            if self._storage.in_memory or not self._storage.outside(error):
                raise
            self.notes.append(
                f"{self._storage}: the study's storage dropped out ({first_line(error)}); the search went on in "
                "memory with all that was tried"
            )
            self._storage.release()
            self._storage, self._gone = self._storage.in_its_place(), self._storage
            self._study = self._storage.opened()
            for found, source in self._tried:
                self._study.add_trial(self._as_trial(found, source))
            return action()

    def close(self) -> None:
        """Let the storage go. One that had dropped out and is there again gets what was tried meanwhile."""
        if self._gone is not None:
            self._storage = self._gone
            self.notes.append(f"{self._storage}: {self._brought_back()}")
        self._storage.release()

    def _brought_back(self) -> str:
        """Add to the storage what it lacks; how that went, in words."""
        added = 0
        try:
            study = self._storage.opened()
            left = Counter(_key(one.user_attrs.get("source"), one.user_attrs.get("point")) for one in study.trials)
            for found, source in self._tried:
                key = _key(source, found.point.ravel().tolist())
                left[key] -= 1
                if left[key] < 0:
                    study.add_trial(self._as_trial(found, source))
                    added += 1
        except (BadInput, SourceUnreachable) as error:
            return f"it was still gone at the end ({error}); what was tried meanwhile is not in it"
        except Exception as error:
            if not self._storage.outside(error):
                raise
            return f"it dropped out again ({first_line(error)}); what was tried meanwhile is not all in it"
        return f"it was there again at the end, and has the {added} trials that it had missed"


def _key(source: object, point: Sequence[int] | None) -> tuple[str, tuple[int, ...]]:
    return str(source), tuple(point or ())
