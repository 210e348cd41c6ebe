"""Incidents of other systems' formats: what each becomes, and that nothing is made up."""

import gzip
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaosprsa.errors import InvalidHistory
from chaosprsa.faults import fault_of_kind
from chaosprsa.history.incidents import parse_incidents, read_incidents
from chaosprsa.history.workloads import workload_of, workload_of_pod
from chaosprsa.types import Fault, Severity

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")


def written(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


# PagerDuty


def v3(event: str, at: str, status: str, **more: object) -> dict:
    data = {
        "id": "PGR0VU2",
        "type": "incident",
        "status": status,
        "created_at": "2026-01-01T10:00:00Z",
        "title": "checkout is slow",
        "service": {"id": "P1", "type": "service_reference", "summary": "checkout"},
        "urgency": "high",
        **more,
    }
    return {"event": {"event_type": f"incident.{event}", "occurred_at": at, "data": data}}


def test_messages_of_one_incident_are_one_from_its_creation_to_its_resolution(tmp_path):
    messages = [
        v3("triggered", "2026-01-01T10:00:00Z", "triggered"),
        v3("acknowledged", "2026-01-01T10:05:00Z", "acknowledged"),
        v3("resolved", "2026-01-01T11:30:00Z", "resolved"),
    ]
    text = "".join(json.dumps(each) + "\n" for each in messages[::-1])  # the order in the file says nothing
    (incident,) = read_incidents(written(tmp_path / "pagerduty.jsonl", text))
    assert (incident.start, incident.end) == (
        datetime(2026, 1, 1, 10, tzinfo=UTC),
        datetime(2026, 1, 1, 11, 30, tzinfo=UTC),
    )
    assert (incident.component, incident.severity, incident.title) == ("checkout", Severity.MAJOR, "checkout is slow")


def test_an_incident_that_was_opened_again_has_no_end_yet(tmp_path):
    messages = [v3("resolved", "2026-01-01T11:00:00Z", "resolved"), v3("reopened", "2026-01-01T12:00:00Z", "triggered")]
    (incident,) = read_incidents(written(tmp_path / "pagerduty.json", messages))
    assert incident.end is None


def test_a_priority_counts_before_the_urgency(tmp_path):
    message = v3("triggered", "2026-01-01T10:00:00Z", "triggered", priority={"summary": "P1"}, urgency="low")
    assert read_incidents(written(tmp_path / "a.json", message))[0].severity == Severity.CRITICAL


def test_events_count_where_they_say_when(tmp_path):
    payload = {"summary": "disk is full", "source": "db-1", "severity": "critical", "timestamp": "2026-01-01T10:00:00Z"}
    later = {**payload, "timestamp": "2026-01-01T10:20:00Z"}
    events = [
        {"routing_key": "r", "dedup_key": "d", "event_action": "trigger", "payload": payload},
        {"routing_key": "r", "dedup_key": "d", "event_action": "resolve", "payload": later},
        {"routing_key": "r", "dedup_key": "e", "event_action": "resolve"},
    ]  # fmt: skip
    (incident,), notes = parse_incidents(written(tmp_path / "events.json", events))
    assert (incident.component, incident.end - incident.start) == ("db-1", timedelta(minutes=20))
    assert any("1 PagerDuty events carry no time" in note for note in notes)


@real
def test_pagerdutys_own_examples_are_two_incidents():
    (first, second), notes = parse_incidents(DATA / "alert_payloads" / "pagerduty")
    assert (first.component, first.title) == ("Production XDB Cluster", "My new incident")
    assert first.end - first.start == timedelta(minutes=3, seconds=33)  # created 15:14:36, resolved 15:18:09
    assert (second.component, second.severity, second.end) == ("API Service", Severity.CRITICAL, None)
    assert any("something else than an incident's course" in note for note in notes)


# Statuspage


def test_a_statuspage_is_read_with_its_components_and_what_was_planned(tmp_path):
    page = {
        "page": {"id": "p"},
        "incidents": [
            {
                "id": "i1", "name": "API errors", "status": "resolved", "impact": "critical",
                "created_at": "2026-01-01T10:00:00.000Z", "started_at": "2026-01-01T09:50:00.000Z",
                "resolved_at": "2026-01-01T11:00:00.000-01:00", "incident_updates": [],
                "components": [{"id": "c1", "name": "API"}, {"id": "c2", "name": "Webhooks"}],
            }
        ],
        "scheduled_maintenances": [
            {"id": "m1", "name": "Upgrade", "status": "scheduled", "impact": "maintenance", "incident_updates": [],
             "created_at": "2026-01-01T00:00:00Z", "scheduled_for": "2026-01-05T00:00:00Z", "components": []}
        ],
    }  # fmt: skip
    outage, planned = read_incidents(written(tmp_path / "summary.json", page))
    assert (outage.start.minute, outage.end) == (50, datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert (outage.components, outage.severity, outage.kind) == (("API", "Webhooks"), Severity.CRITICAL, "outage")
    assert (planned.kind, planned.start.day, planned.severity) == ("maintenance", 5, Severity.WARNING)


def test_a_page_without_incidents_has_none(tmp_path):
    assert read_incidents(written(tmp_path / "incidents.json", {"page": {"id": "p"}, "incidents": []})) == ()


@real
def test_githubs_status_lines_agree_with_their_normal_form_in_every_field():
    raw = read_incidents(DATA / "github_status" / "incidents_to_2025-06-30.jsonl")
    assert raw == read_incidents(DATA / "github_status" / "incidents.jsonl")
    assert len(raw) == 508


# Post-mortems and tables

PAGE = """\
---
title: The cart lost its cache
start_time: 2026-01-01T10:00:00Z
end_time: 2026-01-01T12:00:00+01:00
severity: SEV1
services: [cart, web]
---
# What happened
"""


def test_a_post_mortem_is_its_front_matter(tmp_path):
    (incident,) = read_incidents(written(tmp_path / "cart.md", PAGE))
    assert (incident.components, incident.severity) == (("cart", "web"), Severity.CRITICAL)
    assert incident.end - incident.start == timedelta(hours=1)


def test_pages_without_a_start_are_left_out_and_counted(tmp_path):
    written(tmp_path / "a.md", PAGE)
    written(tmp_path / "b.md", PAGE.replace("start_time", "published"))
    written(tmp_path / "README.md", "# How we write post-mortems\n")
    found, notes = parse_incidents(tmp_path)
    assert len(found) == 1
    assert any("1 post-mortems state no start" in note for note in notes)
    assert any("1 files hold no incidents" in note and "README.md" in note for note in notes)


@pytest.mark.parametrize(
    "matter", ["a: [", "? [[" * 5000, "start: !!python/object/apply:os.system [ls]", "- 1", "start: 2026-13-45"]
)
def test_front_matter_that_is_no_plain_yaml_is_refused_with_its_file(tmp_path, matter):
    with pytest.raises(InvalidHistory, match=r"bad\.md"):
        read_incidents(written(tmp_path / "bad.md", f"---\n{matter}\n---\n"))


def test_yaml_that_holds_itself_is_no_harm(tmp_path):
    looped = "---\nstart: 2026-01-01T00:00:00Z\nservices: &a [*a, cart]\ntitle: *a\n---\n"
    (incident,) = read_incidents(written(tmp_path / "looped.md", looped))
    assert (incident.component, incident.title) == ("cart", "")


@real
def test_real_post_mortems_agree_with_their_normal_form(tmp_path):
    for page in (DATA / "postmortems").glob("*-*.md"):
        (tmp_path / page.name).write_bytes(page.read_bytes())
    found, normal = read_incidents(tmp_path), read_incidents(DATA / "postmortems" / "incidents.jsonl")
    assert [(each.start, each.end, each.component, each.kind) for each in found] == [
        (each.start, each.end, each.component, each.kind) for each in normal
    ]


@real
def test_openrcas_table_agrees_with_its_normal_form():
    folder = DATA / "openrca_incidents"
    assert read_incidents(folder / "incidents_dev.csv") == read_incidents(folder / "incidents.jsonl")


def test_the_normal_form_may_be_a_table(tmp_path):
    table = "start,end,component,kind,severity\n2026-01-01T00:00:00Z,,cart;web,oom,minor\n"
    (incident,) = read_incidents(written(tmp_path / "incidents.csv", table))
    assert (incident.components, incident.kind, incident.severity, incident.end) == (
        ("cart", "web"),
        "oom",
        Severity.MINOR,
        None,
    )


# Kubernetes


def event(reason: str, pod: str, first: str, last: str | None = None, kind: str = "Warning", **more: object) -> dict:
    return {
        "apiVersion": "v1", "kind": "Event", "type": kind, "reason": reason, "message": more.pop("message", ""),
        "involvedObject": {"kind": "Pod", "name": pod, "namespace": "shop"},
        "firstTimestamp": first, "lastTimestamp": last or first, "count": 1, **more,
    }  # fmt: skip


def test_repeats_at_one_workload_are_one_incident_and_later_ones_another(tmp_path):
    items = [
        event("BackOff", "cart-6cfdd55578-gfj6q", "2026-01-01T10:00:00Z", "2026-01-01T10:20:00Z"),
        event("BackOff", "cart-6cfdd55578-x2k9z", "2026-01-01T10:25:00Z", "2026-01-01T10:40:00Z"),
        event("BackOff", "cart-6cfdd55578-x2k9z", "2026-01-01T15:00:00Z"),
        event("Pulled", "cart-6cfdd55578-x2k9z", "2026-01-01T10:25:00Z", kind="Normal"),
    ]
    found, notes = parse_incidents(
        written(tmp_path / "events.json", {"kind": "List", "apiVersion": "v1", "items": items})
    )
    assert [(each.component, each.kind) for each in found] == [("cart", "back-off")] * 2
    assert found[0].end_estimated - found[0].start == timedelta(minutes=40)
    assert (found[0].end, found[1].likely_end) == (None, None)
    assert any("1 Kubernetes events are of type Normal" in note for note in notes)


def test_events_of_the_newer_api_are_read_too_one_after_the_other(tmp_path):
    newer = {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "type": "Warning", "reason": "FailedScheduling",
        "eventTime": "2026-01-01T10:00:00.123456Z", "note": "0/3 nodes are available", "deprecatedFirstTimestamp": None,
        "regarding": {"kind": "Pod", "name": "redis-0"},
        "series": {"count": 9, "lastObservedTime": "2026-01-01T10:30:00Z"},
    }  # fmt: skip
    node = event("NodeNotReady", "", "2026-01-01T10:00:00Z", kind="Normal") | {
        "involvedObject": {"kind": "Node", "name": "worker-2"}
    }
    text = json.dumps(newer, indent=4) + "\n" + json.dumps(node, indent=4)  # as kubectl get -w -o json prints
    pod, other = sorted(read_incidents(written(tmp_path / "watched.json", text)), key=lambda each: each.component)
    assert (pod.component, pod.title, pod.severity) == ("redis", "0/3 nodes are available", Severity.MAJOR)
    assert pod.end_estimated == datetime(2026, 1, 1, 10, 30, tzinfo=UTC)
    assert (other.component, other.kind, other.severity) == ("worker-2", "node-not-ready", Severity.CRITICAL)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("oom-killing", Fault.MEMORY_SQUEEZE),
        ("back-off", Fault.POD_KILL),
        ("evicted", Fault.POD_KILL),
        ("node-not-ready", Fault.REPLICA_LOSS),
        ("failed-scheduling", Fault.REPLICA_LOSS),
    ],
)
def test_the_reasons_of_events_are_known_faults(kind, fault):
    assert fault_of_kind(kind) is fault


@pytest.mark.parametrize(
    ("pod", "workload"),
    [
        ("recommendationservice-6cfdd55578-gfj6q", "recommendationservice"),
        ("ts-travel2-service-64469b5b48-25zj6", "ts-travel2-service"),
        ("redis-0", "redis"),
        ("fluentd-x7k2p", "fluentd"),
        ("backup-28412345-8xk2d", "backup"),
        ("payment-service", "payment-service"),
        ("web", "web"),
    ],
)
def test_a_pods_name_shows_its_workload(pod, workload):
    assert workload_of_pod(pod) == workload
    assert workload_of("ReplicaSet", "cart-6cfdd55578") == "cart"
    assert workload_of("Job", "backup-28412345") == "backup"


# Folders, encodings, clocks


def test_a_folder_is_read_file_by_file_and_what_is_told_twice_counts_once(tmp_path):
    line = json.dumps({"start": "2026-01-01T00:00:00Z", "component": "cart", "kind": "oom", "severity": "minor"})
    written(tmp_path / "a.jsonl", line)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(line.encode()))
    written(tmp_path / "photo.png", "x")
    found, notes = parse_incidents(tmp_path)
    assert len(found) == 1
    assert any("told twice" in note for note in notes)
    assert any("photo.png" in note for note in notes)


def test_a_folder_without_any_incidents_is_refused(tmp_path):
    written(tmp_path / "a.json", {"colour": "red"})
    with pytest.raises(InvalidHistory, match="none of its 1 files holds incidents"):
        read_incidents(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_title_of_any_script_is_kept_in_any_encoding(tmp_path, encoding):
    line = {"start": "2026-01-01T00:00:00Z", "component": "カート", "title": "سلة التسوق 🛒"}
    (tmp_path / "a.jsonl").write_bytes(json.dumps(line, ensure_ascii=False).encode(encoding))
    (incident,) = read_incidents(tmp_path / "a.jsonl")
    assert (incident.component, incident.title) == ("カート", "سلة التسوق 🛒")


def test_a_title_of_a_megabyte_is_cut_and_control_characters_become_spaces(tmp_path):
    line = {"start": "2026-01-01T00:00:00Z", "component": "a\x1b[31mb", "title": "x" * 1_000_000, "severity": "minor"}
    (incident,), notes = parse_incidents(written(tmp_path / "a.jsonl", line))
    assert (len(incident.title), incident.component) == (500, "a [31mb")
    assert sum("were cut" in note or "became spaces" in note for note in notes) == 2


@pytest.mark.slow
def test_a_hundred_thousand_incidents_are_read_within_seconds_of_work(tmp_path):
    start = datetime(2020, 1, 1, tzinfo=UTC)
    lines = (
        {"start": (start + timedelta(minutes=n)).isoformat(),
         "end": (start + timedelta(minutes=n + n % 90 - 5)).isoformat(),
         "component": f"service-{n % 300}", "kind": "oom", "severity": "minor", "title": f"incident {n}"}
        for n in range(100_000)
    )  # fmt: skip
    began = time.process_time()
    path = written(tmp_path / "many.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    found, notes = parse_incidents(path)
    assert len(found) == 100_000
    assert any("5560 incidents end before they start" in note for note in notes)  # n % 90 below 5
    assert time.process_time() - began < 10  # of a processor: others may be at work beside
