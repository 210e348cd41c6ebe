"""Where a study is kept: in memory, in a file of ours, or in a storage of Optuna's that workers share.

A file of ours with another study, or one that can't be read, is set aside, since every recommendation asks anew; in a
shared storage a named study of another question is refused.
"""

import re
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from chaosprsa.allocation.filelock import FileLock
from chaosprsa.errors import BadInput, SourceUnreachable

MARK = "space"
MOST_TABLES = 40  # of Optuna's, types and indices too: workers can meet at each
_UNREADABLE = (ValueError, KeyError, TypeError)  # what Optuna raises at a journal that is none


class Storage:
    """where: None for memory, a file, or a URL. name: the study's. mark: of its space and question.

    directions: of its objectives, as Optuna has them. notes: what the reader must know of the storage.
    """

    def __init__(
        self, where: Path | str | None, name: str, mark: str, directions: list[Literal["minimize"]], seed: int
    ) -> None:
        import optuna  # takes a second

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._where, self._seed = optuna, where, seed
        self._name, self._mark, self._directions = name, mark, directions
        self._backend: Any = None
        self.notes: list[str] = []

    def opened(self, *, anew: bool = False) -> Any:
        """The study, as it lies there or begun. Raises BadInput for another's, SourceUnreachable."""
        from sqlalchemy.exc import ArgumentError

        where = self._where
        try:
            self._backend = self._connected(where)
            study = self._created(self._backend)
            mark = study.user_attrs.get(MARK)
            if mark is None:
                study.set_user_attr(MARK, self._mark)
        except ImportError as error:
            raise BadInput(
                f"{self}: its driver is not installed ({error}); install it (PostgreSQL's: "
                "pip install 'chaosprsa[postgresql]'), or name a file"
            ) from None
        except Exception as error:
            if isinstance(where, Path) and not anew and isinstance(error, _UNREADABLE):
                return self._anew(where, error)
            if isinstance(error, ArgumentError):
                raise BadInput(
                    f"{self}: no storage that Optuna knows ({first_line(error)}); expected a URL as "
                    "postgresql://USER@HOST/DATABASE or sqlite:///FILE, or nothing for a file in recommendation/"
                ) from error
            if not self.outside(error):
                raise
            raise SourceUnreachable(
                f"{self}: the study can't be opened ({first_line(error)}); see that it is there and may be "
                "written, or leave [allocation] storage empty for a file"
            ) from error
        if mark not in (None, self._mark) and isinstance(where, Path):
            where.replace(where.with_name(f"{where.name}.{mark}"))
            return self.opened()
        if mark not in (None, self._mark):
            raise BadInput(
                f"{self}: its study {self._name!r} is of another space or question (services, limits, issues or "
                "a present that changed since); nothing in it was touched: name another [allocation] study"
            )
        return study

    def _anew(self, where: Path, error: Exception) -> Any:
        """A file that can't be read is kept under another name; what was tried in it is tried again."""
        aside = where.with_name(f"{where.name}.broken")
        where.replace(aside)
        self.notes.append(f"{where}: it can't be read ({first_line(error)}); it is {aside.name} now, another is begun")
        return self.opened(anew=True)

    def __str__(self) -> str:
        """Where it is, without a password."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", str(self._where))

    @property
    def in_memory(self) -> bool:
        return self._where is None

    def in_its_place(self) -> "Storage":
        """Memory, for a study whose storage dropped out."""
        return Storage(None, self._name, self._mark, self._directions, self._seed)

    def _connected(self, where: Path | str | None, tries: int = MOST_TABLES) -> Any:
        """Optuna's storage. Workers who start together on an empty database make its tables once between them."""
        from optuna.storages import journal
        from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

        if where is None:
            return None
        if isinstance(where, Path):
            where.parent.mkdir(parents=True, exist_ok=True)
            lock: Any = FileLock(where)  # it can't be Optuna's subclass: that takes a second to import
            with lock:
                _drop_half_a_line(where)
            return self._optuna.storages.JournalStorage(journal.JournalFileBackend(str(where), lock))
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
                study_name=self._name, storage=backend, sampler=self._sampler(0), directions=self._directions,
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

    def outside(self, error: Exception) -> bool:
        """Whether it is the storage's fault: what a file system, a database and Optuna's storages raise."""
        from sqlalchemy.exc import SQLAlchemyError

        return isinstance(error, (OSError, SQLAlchemyError, self._optuna.exceptions.StorageInternalError))

    def release(self) -> None:
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


def _there_already(error: Exception) -> bool:
    """Whether another worker has just made the same table."""
    return "already exists" in str(error)


def first_line(error: Exception) -> str:
    """What a database said, where Optuna wraps it."""
    said = error.__cause__ or error
    return (str(said).splitlines() or [type(said).__name__])[0][:200]
