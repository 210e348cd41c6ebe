import gzip
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.files import read_history, read_topology, write_history
from chaosprsa.history.frame import History
from chaosprsa.types import Edge, Incident, Severity, Topology

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
HEADER = "timestamp,component,metric,value\n"
ROWS = "".join(f"2026-01-01T00:{minute:02}:00Z,cart,cpu_usage_cores,{minute}\n" for minute in range(20))


def csv(folder: Path, text: str | bytes) -> Path:
    (folder / "metrics.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_what_was_written_is_read_back_the_same(tmp_path, rows, now):
    start = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
    incidents = (
        Incident(
            start=start, component="cart", kind="oom", severity=Severity.CRITICAL, end=start + timedelta(minutes=3)
        ),
        Incident(
            start=start + timedelta(minutes=9),
            component="cart",
            others=("gateway",),
            kind="slow",
            end_estimated=start + timedelta(minutes=15),
            impact_start=start + timedelta(minutes=10),
            title="slow",
        ),
        Incident(start=start + timedelta(minutes=20), component="", kind="outage"),
    )
    edge = Edge(caller="gateway", callee="cart", calls_per_request=0.5)
    topology = Topology(services=("cart", "gateway"), edges=(edge,), entry="gateway")
    write_history(History(metrics=rows, incidents=incidents, topology=topology), tmp_path)
    back = read_history(tmp_path, now)
    assert back.incidents == incidents
    assert back.topology == topology
    pd.testing.assert_frame_equal(back.metrics, rows, check_dtype=False, check_categorical=False)


def test_csv_and_parquet_tell_the_same(tmp_path, rows, now):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    rows.to_csv(tmp_path / "a" / "metrics.csv", index=False)
    rows.to_parquet(tmp_path / "b" / "metrics.parquet")
    first, second = (read_history(tmp_path / name, now) for name in "ab")
    pd.testing.assert_frame_equal(first.metrics, second.metrics)
    assert first.notes == second.notes == ()


def test_a_compressed_csv_is_read(tmp_path, now):
    (tmp_path / "metrics.csv.gz").write_bytes(gzip.compress((HEADER + ROWS).encode()))
    assert len(read_history(tmp_path, now).metrics) == 20


def test_times_without_a_zone_are_taken_as_utc_and_that_is_said(tmp_path, now):
    history = read_history(csv(tmp_path, HEADER + ROWS.replace("Z,", ",")), now)
    assert history.window.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert "metrics.csv: timestamps have no time zone; they were taken as UTC" in history.notes


def test_parquet_times_without_a_zone_are_taken_as_utc_and_that_is_said(tmp_path, rows, now):
    rows.assign(timestamp=rows["timestamp"].dt.tz_localize(None)).to_parquet(tmp_path / "metrics.parquet")
    history = read_history(tmp_path, now)
    assert history.window.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert "metrics.parquet: timestamps have no time zone; they were taken as UTC" in history.notes


def test_other_time_zones_become_utc(tmp_path, now):
    history = read_history(csv(tmp_path, HEADER + ROWS.replace("Z,", "+02:00,")), now)
    assert history.window.start == datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert history.notes == ()


@pytest.mark.parametrize(("factor", "unit"), [(1, "seconds"), (1000, "milliseconds")])
def test_times_as_numbers_are_since_1970(tmp_path, now, factor, unit):
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    lines = "".join(f"{(start + 60 * i) * factor},cart,cpu_usage_cores,1\n" for i in range(20))
    history = read_history(csv(tmp_path, HEADER + lines), now)
    assert history.window.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert any(f"taken as {unit} since 1970" in note for note in history.notes)


def test_unknown_columns_are_left_out_with_a_note(tmp_path, now):
    text = HEADER.strip() + ",pod\n" + ROWS.replace("\n", ",x\n")
    history = read_history(csv(tmp_path, text), now)
    assert list(history.metrics.columns) == ["timestamp", "component", "metric", "value"]
    assert "metrics.csv: unknown columns were left out: pod" in history.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty; expected a header timestamp,component,metric,value"),
        (HEADER, "it has no rows"),
        ("time,service,value\n1,cart,2\n", "no column timestamp, component, metric"),
        (HEADER + "yesterday,cart,cpu,1\n", "row 1: timestamp is 'yesterday', expected a time like"),
        (HEADER + ROWS + "2026-01-01T01:00:00Z,cart,cpu,much\n", "row 21: value is 'much', expected a number"),
        (HEADER + "1e30,cart,cpu,1\n", "out of bounds"),
        (HEADER + 'x,"y\n', "not CSV"),
        (bytes(range(256)) * 8, "not CSV|no column"),
    ],
)
def test_a_csv_that_is_none_is_refused_with_file_and_reason(tmp_path, now, text, message):
    with pytest.raises(InvalidHistory, match=message) as caught:
        read_history(csv(tmp_path, text), now)
    assert "metrics.csv" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", os.urandom(1000)])
def test_a_parquet_file_that_is_none_is_refused(tmp_path, now, content):
    (tmp_path / "metrics.parquet").write_bytes(content)
    with pytest.raises(InvalidHistory, match=r"metrics.parquet: not a whole Parquet file"):
        read_history(tmp_path, now)


def test_half_a_parquet_file_is_refused(tmp_path, rows, now):
    rows.to_parquet(tmp_path / "metrics.parquet")
    whole = (tmp_path / "metrics.parquet").read_bytes()
    (tmp_path / "metrics.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidHistory, match="not a whole Parquet file"):
        read_history(tmp_path, now)


def test_two_rows_are_a_history(tmp_path, now):
    lines = "2026-01-01T00:00:00Z,cart,cpu,1\n2026-01-01T00:01:00Z,cart,cpu,2\n"
    history = read_history(csv(tmp_path, HEADER + lines), now)
    assert history.components == ("cart",)
    assert history.incidents == ()


def test_a_folder_that_is_not_there_or_holds_nothing_is_refused(tmp_path, now):
    with pytest.raises(InvalidHistory, match="no such folder"):
        read_history(tmp_path / "nowhere", now)
    with pytest.raises(InvalidHistory, match="neither"):
        read_history(tmp_path, now)


def test_incidents_alone_are_a_history(tmp_path, now):
    (tmp_path / "incidents.jsonl").write_text(
        '{"start": "2026-01-01T00:00:00Z", "component": "cart", "kind": "outage"}\n'
    )
    history = read_history(tmp_path, now)
    assert len(history.incidents) == 1
    assert "there are no metrics" in history.notes


def test_incidents_of_strangers_and_of_the_future_are_said(tmp_path, now):
    lines = [
        {"start": "2026-01-01T00:00:00Z", "component": "stranger", "kind": "outage"},
        {"start": "2027-01-01T00:00:00Z", "component": "cart", "kind": "outage"},
    ]
    (tmp_path / "incidents.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    history = read_history(csv(tmp_path, HEADER + ROWS), now)
    assert [each.component for each in history.incidents] == ["stranger"]
    assert any("1 of 2 incidents start in the future; they were dropped" in note for note in history.notes)
    assert any("incidents name stranger: neither metrics nor a call graph know them" in note for note in history.notes)


def test_the_entry_is_who_nobody_calls_and_calls_most(tmp_path):
    edges = [["loadgen", "web"], ["cron", "db"], ["web", "cart"], ["cron", "cart"], ["front_service", "web"]]
    (tmp_path / "topology.json").write_text(json.dumps({"edges": edges}))
    topology = read_topology(tmp_path / "topology.json")
    assert topology.entry == "cron"
    assert "front_service" not in topology.services


def test_a_call_graph_is_read_off_the_call_edges_where_none_is_given(tmp_path, now):
    lines = ROWS + ROWS.replace("cart", "gateway") + ROWS.replace("cart", "gateway->cart")
    topology = read_history(csv(tmp_path, HEADER + lines), now).topology
    assert topology == Topology(
        services=("cart", "gateway"), edges=(Edge(caller="gateway", callee="cart"),), entry="gateway"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected"),
        ('{"edges": []}', "no edges"),
        ('{"edges": [["a"]]}', "expected"),
        ('{"edges": [["a", "b", -1]]}', "calls_per_request must be positive"),
        ('{"schema": "chaosprsa/topology/9"}', "schema"),
    ],
)
def test_a_call_graph_that_is_none_is_refused_with_its_file(tmp_path, text, message):
    (tmp_path / "topology.json").write_text(text)
    with pytest.raises(InvalidHistory, match=message) as caught:
        read_topology(tmp_path / "topology.json")
    assert "topology.json" in str(caught.value)


@pytest.mark.skipif(not (DATA / "nezha").is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")
def test_online_boutique_is_read_with_the_users_view_as_the_entrys():
    history = read_history(DATA / "nezha" / "2022-08-22", datetime(2026, 1, 1, tzinfo=UTC))
    assert history.topology is not None
    assert history.topology.entry == "frontend"
    assert history.topology.services == history.components  # the load generator and front_service are none
    assert len(history.components) == 10
    assert len(history.edges) == 14
    assert history.table("success_ratio").columns.tolist() == ["frontend"]
    assert history.table("request_rate_per_s").shape == (1209, 10)
    assert len(history.incidents) == 24
    assert all(each.likely_end == each.start + timedelta(minutes=4) for each in history.incidents)
    assert any("estimated end is used" in note for note in history.notes)
