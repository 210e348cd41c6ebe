"""Whatever a file of incidents or logs holds: read with notes, or refused with the file's name; never anything else."""

import gzip
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.files import read_history, write_history
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.history.incidents import parse_incidents
from chaosprsa.history.log_times import Stamper
from chaosprsa.history.logs import with_logs

NOW = datetime(2026, 1, 10, tzinfo=UTC)
few = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINE = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z", "component": "cart", "kind": "oom"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
    | st.sampled_from(["2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
START, END = LINE["start"], LINE["end"]
PATTERNS = {
    "normal form": LINE | {"others": ["web"], "end_estimated": None, "impact_start": None, "severity": "minor"},
    "alert": {"status": "firing", "labels": {"app": "b"}, "annotations": {}, "startsAt": START, "endsAt": END},
    "webhook": {"alerts": [{"labels": {"app": "b"}, "startsAt": START}]},
    "pagerduty v3": {
        "event": {
            "event_type": "incident.x", "occurred_at": END,
            "data": {"id": "a", "type": "incident", "created_at": START, "status": "resolved"},
        }
    },
    "pagerduty v2": {
        "messages": [
            {"event": "x", "incident": {"id": "a", "created_at": START}, "log_entries": [{"created_at": END}]}
        ]
    },
    "pagerduty event": {"routing_key": "r", "event_action": "trigger", "payload": {"timestamp": START, "source": "a"}},
    "statuspage": {
        "page": {}, "scheduled_maintenances": [],
        "incidents": [{"impact": "none", "incident_updates": [], "created_at": START}],
    },
    "github": {"id": "1", "started_at": START, "resolved_at": END, "impact": "minor", "components": ["API"]},
    "event": {
        "kind": "Event", "type": "Warning", "reason": "BackOff", "involvedObject": {"kind": "Pod", "name": "a"},
        "firstTimestamp": START, "lastTimestamp": END, "series": {}, "metadata": {},
    },
    "event list": {
        "kind": "List", "items": [{"kind": "Event", "involvedObject": {}, "eventTime": START, "type": "Warning"}]
    },
}  # fmt: skip


def read_or_refused(path, read=parse_incidents):
    """What it gives, or None where it was refused in a message that a user can mend something by."""
    found, reason = None, ""
    try:
        found = read(path)
    except InvalidHistory as error:
        reason = str(error)
    assert found is not None or path.name in reason
    assert len(reason) < 1000
    return found


@given(st.sampled_from(sorted(PATTERNS)), st.data())
@few
def test_a_field_of_any_kind_in_any_format_is_read_or_refused_with_the_file(tmp_path, name, data):
    value = json.loads(json.dumps(PATTERNS[name]))
    spoilt = value
    while True:
        key = data.draw(st.sampled_from(sorted(spoilt) if isinstance(spoilt, dict) else range(len(spoilt))))
        inner = spoilt[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        spoilt = inner
    if isinstance(spoilt, dict) and data.draw(st.booleans()):
        del spoilt[key]
    else:
        spoilt[key] = data.draw(VALUES)
    path = tmp_path / "incidents.jsonl"
    path.write_text(json.dumps(value))
    found = read_or_refused(path)
    for incident in found[0] if found else ():
        assert incident.likely_end is None or incident.likely_end >= incident.start
        assert 1970 <= incident.start.year < 2200


@given(st.binary(max_size=300))
@few
def test_any_bytes_are_read_or_refused(tmp_path, content):
    for name, packed in (("a.jsonl", content), ("b.json.gz", gzip.compress(content)), ("c.md", b"---\n" + content)):
        (tmp_path / name).write_bytes(packed)
        read_or_refused(tmp_path / name)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
@few
def test_names_of_any_script_come_back_as_they_were_written(tmp_path, component, kind, title):
    path = tmp_path / "a" / "incidents.jsonl"
    path.parent.mkdir(exist_ok=True)
    line = {"start": LINE["start"], "component": component, "kind": kind, "title": title, "severity": "minor"}
    path.write_text(json.dumps(line))
    first = read_history(path.parent, NOW)
    write_history(first, tmp_path / "b")
    assert read_history(tmp_path / "b", NOW).incidents == first.incidents


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deep"),
        ('{"start": ' * 100_000, "nested too deep"),
        ('{"start": NaN}', "NaN is no JSON number"),
        ('{"start": "2026-01-01T00:00:00Z", "x": -Infinity}', "Infinity is no JSON number"),
        ('{"x": 1e999}', "no JSON number"),
        ('{"x": ' + "9" * 5000 + "}", "not JSON"),
        ('{"start": "' + "9" * 1_000_000 + '"}', "start is '999"),
        ("\x00\x01\x02", "not JSON"),
        ("%PDF-1.7\n", "not JSON"),
        ('"text"', "expected a JSON object, found str"),
    ],
)
def test_json_that_no_incident_can_be_is_refused_in_a_short_message(tmp_path, text, reason):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InvalidHistory, match=reason) as refusal:
        parse_incidents(path)
    assert len(str(refusal.value)) < 600


def test_of_a_key_that_is_there_twice_the_last_counts(tmp_path):
    (tmp_path / "a.json").write_text('{"start": "2026-01-01T00:00:00Z", "component": "a", "component": "b"}')
    assert parse_incidents(tmp_path / "a.json")[0][0].component == "b"


def test_a_file_that_unpacks_to_more_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("chaosprsa.history.texts.read_text.__defaults__", (1 << 20,))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b" " * (1 << 22)))
    with pytest.raises(InvalidHistory, match="larger than 1 MiB"):
        parse_incidents(tmp_path / "a.json.gz")


@given(
    st.lists(
        st.binary(max_size=60) | st.sampled_from([b"2026-01-01T00:00:00Z up", b'{"time": 1767225600, "msg": "x"}'])
    )
)
@few
def test_any_log_is_read_or_refused_with_its_file(tmp_path, lines):
    for name in ("cart.log", "cart.csv", "cart.json"):
        (tmp_path / name).write_bytes(b"time,pod,log\n" * name.endswith("csv") + b"\n".join(lines))
        found = read_or_refused(tmp_path / name, lambda path: with_logs(History(empty_metrics()), [path], NOW))
        assert found is None or (found.metrics["value"] >= 0).all()  # None: half a gzip file, or half a Loki answer


@given(st.text(max_size=80))
@few
def test_any_line_has_a_time_or_none(line):
    found = Stamper(NOW).read(line)
    assert found is None or isinstance(found[0], int)


@given(
    st.dictionaries(
        st.sampled_from(["time", "ts", "level", "msg", "log", "service", "pod", "kubernetes", "labels"]), VALUES
    )
)
@few
def test_a_json_line_with_fields_of_any_kind_is_read(tmp_path, fields):
    (tmp_path / "all.jsonl").write_text('{"time": "2026-01-01T00:00:00Z"}\n' + json.dumps(fields) + "\n")
    with_logs(History(empty_metrics()), [tmp_path / "all.jsonl"], NOW)
