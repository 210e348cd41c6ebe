"""Files that cross commands: whole or not at all, and refused in words when they are not ours."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.documents import (
    DOCUMENTS,
    json_schema,
    lineage,
    read_document,
    read_lines,
    to_json,
    write_document,
    write_lines,
    write_text,
)
from chaosprsa.errors import InvalidDocument
from chaosprsa.types import AllocationField, Directive, EndpointShare, Lineage, LoadMode, LoadPoint, LoadProfile

PROFILE = LoadProfile(
    id="p",
    mode=LoadMode.RATE,
    points=(LoadPoint(time_s=0, level=1), LoadPoint(time_s=5, level=2)),
    mix=(EndpointShare(path="/", weight=1),),
    seed=1,
    lineage=Lineage(id="profile-1"),
)


def test_a_document_reads_back_as_it_was_written(tmp_path):
    path = write_document(tmp_path / "deep" / "profile.json", PROFILE)
    assert read_document(path, LoadProfile) == PROFILE


def test_lines_read_back_as_they_were_written(tmp_path):
    path = write_lines(tmp_path / "profiles.jsonl", [PROFILE, PROFILE])
    assert read_lines(path, LoadProfile) == (PROFILE, PROFILE)


def test_the_same_noun_gives_the_same_bytes(tmp_path):
    first = write_document(tmp_path / "a.json", PROFILE).read_bytes()
    assert write_document(tmp_path / "b.json", PROFILE).read_bytes() == first


def test_a_directive_says_from_and_to_without_underscores():
    directive = Directive(
        target="cart",
        field=AllocationField.REPLICAS,
        from_=1,
        to=2,
        reason="r",
        confidence=0.5,
        lapses_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert {"target", "field", "from", "to", "reason", "confidence", "lapses_at"} == set(to_json(directive))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema="chaosprsa/profile/99"), "chaosprsa/profile/99.*expected 'chaosprsa/profile/1'"),
        (lambda d: d.pop("schema"), "its schema is None"),
        (lambda d: d.pop("points"), "points"),
        (lambda d: d.update(surprise=1), "surprise"),
        (lambda d: d["points"][0].update(level=-3), "level is -3.*expected 0 or more"),
        (lambda d: d.update(mode="sideways"), "mode"),
    ],
)
def test_a_wrong_document_is_refused_with_its_field(tmp_path, change, message):
    path = write_document(tmp_path / "profile.json", PROFILE)
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(InvalidDocument, match=message):
        read_document(path, LoadProfile)


@given(cut=st.integers(0, 200))
def test_a_half_written_document_is_never_read(tmp_path_factory, cut):
    path = write_document(tmp_path_factory.mktemp("half") / "profile.json", PROFILE)
    text = path.read_text()
    path.write_text(text[: min(cut, len(text) - 3)])
    with pytest.raises(InvalidDocument, match=r"profile\.json"):
        read_document(path, LoadProfile)


def test_a_missing_document_says_which(tmp_path):
    with pytest.raises(InvalidDocument, match="there is no such file"):
        read_document(tmp_path / "x.json", LoadProfile)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_has_a_valid_schema(name):
    schema = json_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"chaosprsa/{name}/1"


def test_a_written_document_satisfies_its_published_schema(tmp_path):
    path = write_document(tmp_path / "profile.json", PROFILE)
    jsonschema.validate(json.loads(path.read_text()), json_schema("profile"))


def test_the_same_content_and_parents_have_the_same_lineage():
    parent = Lineage(id="a")
    assert lineage("issue", {"x": 1}, [parent]) == lineage("issue", {"x": 1}, [parent])
    assert lineage("issue", {"x": 1}, [parent]) != lineage("issue", {"x": 2}, [parent])
    assert lineage("issue", {"x": 1}, [parent]).parents == ("a",)


def test_a_writer_killed_in_the_middle_leaves_the_old_file(tmp_path):
    path = write_text(tmp_path / "big.txt", "old")
    program = (
        "import sys; from pathlib import Path; from chaosprsa.documents import write_text\n"
        "print('go', flush=True)\n"
        f"[write_text(Path({str(path)!r}), 'new' * 3_000_000) for _ in range(50)]"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    with writer:
        writer.stdout.readline()
        time.sleep(0.05)
        os.kill(writer.pid, signal.SIGKILL)
    assert path.stat().st_size in (3, 9_000_000)
