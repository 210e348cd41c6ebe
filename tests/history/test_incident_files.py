import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.incidents import parse_incidents, read_incidents
from chaosprsa.types import Severity

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")
LINE = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "component": "cart", "kind": "oom"}


def lines(folder: Path, *values: object) -> Path:
    path = folder / "incidents.jsonl"
    path.write_text("\n".join(value if isinstance(value, str) else json.dumps(value) for value in values))
    return path


def alert(status: str, starts: str = "2026-01-01T00:00:00Z", ends: str = "0001-01-01T00:00:00Z", **labels: str):
    named = {"alertname": "HighLatency", "severity": "critical", **labels}
    return {"status": status, "labels": named, "annotations": {"summary": "slow"}, "startsAt": starts, "endsAt": ends}


def test_a_line_becomes_an_incident_and_what_was_guessed_is_said(tmp_path):
    ((incident,), notes) = parse_incidents(lines(tmp_path, LINE))
    assert incident.component == "cart"
    assert incident.kind == "oom"
    assert incident.severity == Severity.MAJOR
    assert notes == ("incidents.jsonl: 1 incidents state no severity; they were taken as major",)


def test_the_first_of_several_components_is_where_it_started(tmp_path):
    (incident,) = read_incidents(lines(tmp_path, LINE | {"component": ["cart", "web"]}))
    assert incident.component == "cart"
    assert incident.components == ("cart", "web")


def test_an_incident_that_ends_before_it_starts_has_no_known_end_and_the_first_line_is_said(tmp_path):
    incidents, notes = parse_incidents(lines(tmp_path, LINE, "", LINE | {"end": "2025-01-01T00:00:00Z"}))
    assert [each.end is None for each in incidents] == [False, True]
    assert any("1 incidents end before they start" in note and "line 3" in note for note in notes)


def test_a_document_of_ours_that_ends_before_it_starts_is_refused_with_its_line(tmp_path):
    changed = LINE | {"schema": "chaosprsa/incident/1", "end": "2025-01-01T00:00:00Z"}
    path = lines(tmp_path, LINE, "", changed)
    with pytest.raises(InvalidHistory, match=r"incidents.jsonl, line 3: .*ends before it starts; correct the time"):
        read_incidents(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{half", "line 2: not JSON"),
        ("[1]", "line 2: expected a JSON object, found list"),
        (json.dumps({"component": "cart"}), "line 2: no start"),
        (json.dumps(LINE | {"start": "soon"}), "line 2: start is 'soon', expected a time like"),
        (json.dumps(LINE | {"start": 1767225600}), "line 2: start is 1767225600"),
        (json.dumps({"labels": {}, "startsAt": None}), "line 2: not an Alertmanager alert"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, line, message):
    with pytest.raises(InvalidHistory, match=message):
        read_incidents(lines(tmp_path, LINE, line))


def test_a_binary_file_and_a_missing_one_are_refused(tmp_path):
    (tmp_path / "incidents.jsonl").write_bytes(bytes(range(256)))
    with pytest.raises(InvalidHistory, match="not text"):
        read_incidents(tmp_path / "incidents.jsonl")
    with pytest.raises(InvalidHistory, match="no such file"):
        read_incidents(tmp_path / "nowhere.jsonl")


def test_an_empty_file_holds_no_incidents(tmp_path):
    assert read_incidents(lines(tmp_path)) == ()


def test_times_without_a_zone_are_taken_as_utc_and_that_is_said(tmp_path):
    ((incident,), notes) = parse_incidents(
        lines(tmp_path, LINE | {"start": "2026-01-01T00:00:00", "severity": "minor"})
    )
    assert incident.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert notes == ("incidents.jsonl: 1 times have no time zone; they were taken as UTC",)


@pytest.mark.parametrize(
    ("word", "severity"),
    [("page", Severity.CRITICAL), ("High", Severity.MAJOR), ("partial", Severity.MINOR), ("none", Severity.WARNING)],
)
def test_other_words_for_severity_are_put_on_our_scale(tmp_path, word, severity):
    assert read_incidents(lines(tmp_path, LINE | {"severity": word}))[0].severity == severity


def test_an_unknown_severity_is_taken_as_major_and_said(tmp_path):
    ((incident,), notes) = parse_incidents(lines(tmp_path, LINE | {"severity": "purple"}))
    assert incident.severity == Severity.MAJOR
    assert "not on our scale (purple)" in notes[0]


def test_a_webhook_that_fires_again_and_then_resolves_is_one_incident(tmp_path):
    firing = {"version": "4", "alerts": [alert("firing", service="cart")]}
    resolved = {"version": "4", "alerts": [alert("resolved", ends="2026-01-01T00:20:00Z", service="cart")]}
    (incident,) = read_incidents(lines(tmp_path, firing, firing, resolved, firing))
    assert incident.kind == "HighLatency"
    assert incident.component == "cart"
    assert incident.severity == Severity.CRITICAL
    assert incident.title == "slow"
    assert incident.end == datetime(2026, 1, 1, 0, 20, tzinfo=UTC)


def test_alerts_of_one_rule_on_two_services_are_two_incidents(tmp_path):
    payload = {"alerts": [alert("firing", app="cart"), alert("firing", app="web", pod="web-1")]}
    assert [each.component for each in read_incidents(lines(tmp_path, payload))] == ["cart", "web"]


def test_the_list_that_alertmanager_serves_is_read_too(tmp_path):
    later = "2026-01-01T00:05:00Z"  # an active alert's endsAt is when Alertmanager would give up waiting for more
    served = [alert("firing", ends=later, deployment="cart"), alert("firing", ends=later, instance="node-7")]
    for each in served:
        each["status"] = {"state": "active"}
    (tmp_path / "alerts.json").write_text(json.dumps(served))
    found = read_incidents(tmp_path / "alerts.json")
    assert [(each.component, each.end) for each in found] == [("cart", None), ("node-7", None)]


@real
def test_a_webhook_from_the_wild_is_read():
    path = DATA / "alert_payloads" / "alertmanager" / "prometheus-msteams_prom_post_request.json"
    (incident,) = read_incidents(path)
    assert incident.kind == "high_memory_load"
    assert incident.start == datetime(2018, 3, 7, 11, 33, 21, 873077, tzinfo=UTC)
    assert incident.end is None
    assert incident.severity == Severity.WARNING


@real
@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("github_status/incidents.jsonl", 508),
        ("nab/incidents.jsonl", 70),
        ("openrca_incidents/incidents.jsonl", 206),
        ("postmortems/incidents.jsonl", 40),
        ("prevent/e1/incidents.jsonl", 1),
        ("petshop/high_traffic/incidents.jsonl", 26),
    ],
)
def test_incidents_of_real_systems_are_all_read(file, count):
    assert len(read_incidents(DATA / file)) == count
