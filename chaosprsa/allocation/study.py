"""An Optuna study: asked and told in batches, kept in memory, in a file or in a storage that workers share.

A study belongs to one space and one question (its mark). In a shared storage it is named after them, so that other
questions lie beside it; where somebody named the study, another one in its place is refused. A file of ours with
another study is set aside, since every recommendation asks anew. What was told is kept here too, so that a storage that
drops out loses nothing: the study goes on in memory, and is put there at the end where the storage is back.
"""

import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chaosprsa.allocation.dimensions import DIMENSIONS
from chaosprsa.allocation.greedy import Found, found_at
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.space import Ints, Space
from chaosprsa.allocation.swift import rank
from chaosprsa.errors import BadInput, SourceUnreachable
from chaosprsa.types import SearchTrial
from chaosprsa.types.recommendation import BROKEN

STUDY = "chaosprsa"
MARK = "space"
_UNREADABLE = (ValueError, KeyError, TypeError)  # what Optuna raises at a journal that is none
MOST_TABLES = 40  # of Optuna's, types and indices too: workers can meet at each
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

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._space, self._storage, self._seed = optuna, space, storage, seed
        parts = [dimension.name for dimension in DIMENSIONS[: space.present.shape[1]]]
        self._names = [f"{service}.{part}" for service in space.services for part in parts]
        self._distributions = self._ranges(high)
        self._directions: list[Any] = ["minimize", "minimize"] if frontier else ["minimize"]
        self._tried: list[tuple[Found, str]] = []
        self._known: set[int] = set()
        self.notes: list[str] = []
        self.mark = sha256(
            repr((space.services, self._distributions, space.present.tolist(), self._directions, question)).encode()
        ).hexdigest()[:16]
        self.name = name or (f"{STUDY}-{self.mark}" if isinstance(storage, str) else STUDY)
        self._backend: Any = None
        self._gone: Path | str | None = None
        self._study = self._opened()
        self._refresh()

    def _opened(self, *, anew: bool = False) -> Any:
        from sqlalchemy.exc import ArgumentError

        where = self._storage
        try:
            self._backend = self._connected(where)
            study = self._created(self._backend)
            mark = study.user_attrs.get(MARK)
            if mark is None:
                study.set_user_attr(MARK, self.mark)
        except ImportError as error:
            raise BadInput(
                f"{self._where}: its driver is not installed ({error}); install it (PostgreSQL's: "
                "pip install 'chaosprsa[postgresql]'), or name a file"
            ) from None
        except Exception as error:
            if isinstance(where, Path) and not anew and isinstance(error, _UNREADABLE):
                return self._anew(where, error)
            if isinstance(error, ArgumentError):
                raise BadInput(
                    f"{self._where}: no storage that Optuna knows ({_first_line(error)}); expected a URL as "
                    "postgresql://USER@HOST/DATABASE or sqlite:///FILE, or nothing for a file in recommendation/"
                ) from error
            if not self._outside(error):
                raise
            raise SourceUnreachable(
                f"{self._where}: the study can't be opened ({_first_line(error)}); see that it is there and may be "
                "written, or leave [allocation] storage empty for a file"
            ) from error
        if mark not in (None, self.mark) and isinstance(where, Path):
            where.replace(where.with_name(f"{where.name}.{mark}"))
            return self._opened()
        if mark not in (None, self.mark):
            raise BadInput(
                f"{self._where}: its study {self.name!r} is of another space or question (services, limits, issues or "
                "a present that changed since); nothing in it was touched: name another [allocation] study"
            )
        return study

    def _anew(self, where: Path, error: Exception) -> Any:
        """A file that can't be read is kept under another name; what was tried in it is tried again."""
        aside = where.with_name(f"{where.name}.broken")
        where.replace(aside)
        self.notes.append(f"{where}: it can't be read ({_first_line(error)}); it is {aside.name} now, another is begun")
        return self._opened(anew=True)

    @property
    def _where(self) -> str:
        """The storage without a password."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", str(self._storage))

    def _connected(self, where: Path | str | None, tries: int = MOST_TABLES) -> Any:
        """Optuna's storage. Workers who start together on an empty database make its tables once between them."""
        from optuna.storages import journal
        from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

        if where is None:
            return None
        if isinstance(where, Path):
            where.parent.mkdir(parents=True, exist_ok=True)
            _drop_half_a_line(where)
            return self._optuna.storages.JournalStorage(journal.JournalFileBackend(str(where)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._optuna.storages.RDBStorage(where)
        except (IntegrityError, OperationalError, ProgrammingError) as error:
            if not tries or not _there_already(error):
                raise
        return self._connected(where, tries - 1)

    def _created(self, backend: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate TPE and metric names call themselves experimental
            study = self._optuna.create_study(
                study_name=self.name, storage=backend, sampler=self._sampler(0), directions=self._directions,
                load_if_exists=True,
            )  # fmt: skip
            study.sampler = self._sampler(len(study.trials))
            study.set_metric_names(["cost_month", "risk"][: len(self._directions)])
        return study

    def _sampler(self, there: int) -> Any:
        """A study that goes on draws other numbers than it did when it began."""
        seed = int(np.random.SeedSequence([self._seed, there]).generate_state(1)[0])
        return self._optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=10, multivariate=True, constant_liar=True, n_ei_candidates=24
        )

    def _outside(self, error: Exception) -> bool:
        """Whether it is the storage's fault: what a file system, a database and Optuna's storages raise."""
        from sqlalchemy.exc import SQLAlchemyError

        return isinstance(error, (OSError, SQLAlchemyError, self._optuna.exceptions.StorageInternalError))

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
        if self._storage is None:
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
            if self._storage is None or not self._outside(error):
                raise
            self.notes.append(
                f"{self._where}: the study's storage dropped out ({_first_line(error)}); the search went on in "
                "memory with all that was tried"
            )
            self._release()
            self._storage, self._gone = None, self._storage
            self._study = self._created(None)
            for found, source in self._tried:
                self._study.add_trial(self._as_trial(found, source))
            return action()

    def close(self) -> None:
        """Let the storage go. One that had dropped out and is there again gets what was tried meanwhile."""
        if self._gone is not None:
            self._storage = self._gone
            self.notes.append(f"{self._where}: {self._brought_back()}")
        self._release()

    def _brought_back(self) -> str:
        """Add to the storage what it lacks; how that went, in words."""
        added = 0
        try:
            study = self._opened()
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
            if not self._outside(error):
                raise
            return f"it dropped out again ({_first_line(error)}); what was tried meanwhile is not all in it"
        return f"it was there again at the end, and has the {added} trials that it had missed"

    def _release(self) -> None:
        """A database's connections don't wait for the garbage collector."""
        if isinstance(self._backend, self._optuna.storages.RDBStorage):
            self._backend.remove_session()
            self._backend.engine.dispose()


def _drop_half_a_line(file: Path) -> None:
    """A writer that was killed leaves one; the next line would be glued to it, and both be lost."""
    content = file.read_bytes() if file.exists() else b""
    if not content.endswith(b"\n") and content:
        with file.open("r+b") as opened:
            opened.truncate(content.rfind(b"\n") + 1)


def _key(source: object, point: Sequence[int] | None) -> tuple[str, tuple[int, ...]]:
    return str(source), tuple(point or ())


def _there_already(error: Exception) -> bool:
    """Whether another worker has just made the same table."""
    return "already exists" in str(error)


def _first_line(error: Exception) -> str:
    """What a database said, where Optuna wraps it."""
    said = error.__cause__ or error
    return (str(said).splitlines() or [type(said).__name__])[0][:200]
