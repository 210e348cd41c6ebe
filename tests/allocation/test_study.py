"""Studies: resumed, shared, refused where they are another question's, and not lost with their storage."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from chaosprsa.allocation.filelock import FileLock
from chaosprsa.allocation.scores import Scores
from chaosprsa.allocation.space import Space
from chaosprsa.allocation.study import Study
from chaosprsa.errors import BadInput, SourceUnreachable
from chaosprsa.types import Prices

LOW, HIGH = np.array([[1, 100, 64]]), np.array([[8, 900, 64]])


@pytest.fixture
def space():
    present, step = np.array([[4, 500, 64]]), np.array([[1, 50, 32]])
    return Space(
        ("front",), present, LOW, HIGH, step, np.full((1, 2), 0.5), Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
    )


def objective(points):
    """Two cores are needed."""
    cost = (points[:, 0, 0] * points[:, 0, 1]).astype(float)
    missed = np.maximum(2000 - cost, 0.0) / 2000
    return Scores(cost, cost, missed, missed, missed)


def test_a_study_goes_on_where_it_ended(space, tmp_path):
    first = Study(space, 1, HIGH, tmp_path / "study.log")
    first.round(objective, 8)
    again = Study(space, 1, HIGH, tmp_path / "study.log")
    assert again.done == 8
    assert again.trials == first.trials
    again.round(objective, 4)
    assert again.done == 12
    assert Study(space, 1, HIGH, tmp_path / "study.log").best.cost_month == again.best.cost_month


def test_two_workers_share_a_storage(space, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    one, two = Study(space, 1, HIGH, url), Study(space, 2, HIGH, url)
    one.round(objective, 4)
    two.round(objective, 4)
    assert two.done == 8
    one.round(objective, 1)
    assert one.done == 9


def test_a_named_study_of_another_space_is_refused(space, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    Study(space, 1, HIGH, url, name="mine").round(objective, 2)
    with pytest.raises(BadInput, match=r"'mine' is of another space.*\[allocation\] study"):
        Study(space, 1, HIGH - np.array([[1, 0, 0]]), url, name="mine")
    with pytest.raises(BadInput, match="another space"):
        Study(space, 1, HIGH, url, question="other issues", name="mine")
    assert Study(space, 1, HIGH, url, name="mine").done == 2


def test_studies_of_other_questions_lie_beside_each_other_in_a_shared_storage(space, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    Study(space, 1, HIGH, url).round(objective, 2)
    assert Study(space, 1, HIGH, url, question="other issues").done == 0
    assert Study(space, 1, HIGH, url).done == 2


def test_a_storages_password_is_never_said(space):
    with pytest.raises(BadInput) as refused:
        Study(space, 1, HIGH, "postgresql+pg8000://team:hunter2@localhost/study")
    assert "hunter2" not in str(refused.value)
    assert "team" in str(refused.value)


def test_a_file_of_ours_with_another_study_is_set_aside(space, tmp_path):
    Study(space, 1, HIGH, tmp_path / "study.log").round(objective, 2)
    other = Study(space, 1, HIGH, tmp_path / "study.log", question="other issues")
    assert other.done == 0
    assert len(list(tmp_path.glob("study.log.*"))) == 1


@pytest.mark.parametrize("when", ["ask", "tell"])
def test_a_storage_that_drops_out_loses_nothing_and_is_said(space, tmp_path, monkeypatch, when):
    study = Study(space, 1, HIGH, tmp_path / "study.log")
    study.round(objective, 4)

    def gone(*_args, **_kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(study._study, when, gone)
    study.round(objective, 4)
    study.round(objective, 4)
    assert study.done == 12
    assert len(study._study.trials) == 12
    assert any("no space left" in note for note in study.notes)


@pytest.mark.parametrize("back", [True, False])
def test_a_storage_that_is_back_at_the_end_gets_what_it_missed(space, tmp_path, back):
    (tmp_path / "share").mkdir()
    url = f"sqlite:///{tmp_path}/share/study.db"
    study = Study(space, 1, HIGH, url)
    study.round(objective, 4)
    shutil.rmtree(tmp_path / "share")
    study.round(objective, 4)
    if back:
        (tmp_path / "share").mkdir()
    study.close()
    assert study.done == 8
    assert len(study.notes) == 2
    if back:
        assert "has the 8 trials that it had missed" in study.notes[1]
        assert Study(space, 1, HIGH, url).done == 8
    else:
        assert "still gone at the end" in study.notes[1]


@pytest.mark.parametrize("content", [b'{"half\n{"a": 1}\n', b"\x00\xff\n" * 3, b"[]\n"])
def test_a_file_that_can_not_be_read_is_kept_aside_and_said(space, tmp_path, content):
    """It ended with a traceback once."""
    (tmp_path / "study.log").write_bytes(content)
    study = Study(space, 1, HIGH, tmp_path / "study.log")
    study.round(objective, 2)
    assert Study(space, 1, HIGH, tmp_path / "study.log").done == 2
    assert "it is study.log.broken now" in study.notes[0]
    assert (tmp_path / "study.log.broken").read_bytes() == content


HOLDER = """
import sys, time
from pathlib import Path
from chaosprsa.allocation.filelock import FileLock
lock = FileLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_a_writer_that_is_killed_while_it_holds_the_file_keeps_nobody_waiting(space, tmp_path, monkeypatch):
    """Optuna's own lock stayed: half a minute, and without end where the path was relative."""
    monkeypatch.chdir(tmp_path)
    Study(space, 1, HIGH, Path("study.log")).round(objective, 4)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, "study.log"], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(TimeoutError, match=r"study.log: another process has held it for 0.05 s"):
        FileLock(Path("study.log"), most_s=0.05).acquire()
    holder.kill()
    holder.communicate()
    began = time.monotonic()
    again = Study(space, 1, HIGH, Path("study.log"))
    again.round(objective, 4)
    assert again.done == 8
    assert time.monotonic() - began < 10
    assert [file.name for file in tmp_path.iterdir()] == ["study.log"]


def test_half_a_line_of_a_writer_that_was_killed_costs_only_itself(space, tmp_path):
    """The next line was glued to it once, and the file could not be read from then on."""
    Study(space, 1, HIGH, tmp_path / "study.log").round(objective, 4)
    with (tmp_path / "study.log").open("ab") as log:
        log.write(b'{"op_code": 5, "worker')
    Study(space, 1, HIGH, tmp_path / "study.log").round(objective, 4)
    again = Study(space, 1, HIGH, tmp_path / "study.log")
    assert (again.done, again.notes) == (8, [])


def test_what_is_no_storage_is_refused_with_what_is_one(space):
    for nonsense in ("mongo://nowhere", "a file"):
        with pytest.raises(BadInput, match=r"no storage that Optuna knows.*postgresql://"):
            Study(space, 1, HIGH, nonsense)


def test_a_storage_that_is_not_there_is_said(space, tmp_path):
    with pytest.raises(SourceUnreachable, match="can't be opened"):
        Study(space, 1, HIGH, f"sqlite:///{tmp_path}/nowhere/study.db")
    with pytest.raises(BadInput, match="driver is not installed"):
        Study(space, 1, HIGH, "postgresql+pg8000://localhost/study")


def test_cost_and_risk_can_both_be_objectives(space):
    study = Study(space, 1, HIGH, frontier=True)
    study.round(objective, 16)
    front = study._study.best_trials
    assert len({trial.values[1] for trial in front}) > 1


def test_a_defect_of_ours_is_not_taken_for_the_storages(space, tmp_path, monkeypatch):
    study = Study(space, 1, HIGH, tmp_path / "study.log")
    monkeypatch.setattr(study, "_study", SimpleNamespace(ask=lambda _: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        study.round(objective, 1)
