"""Log lines turned into metrics: times, components, templates, bounds."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.files import read_history, write_history
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.history.log_records import component_of_file
from chaosprsa.history.log_templates import Clusters, level_of
from chaosprsa.history.log_times import Stamper
from chaosprsa.history.logs import with_logs

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")


def read(path: Path, history: History | None = None) -> History:
    return with_logs(history or History(empty_metrics()), [path], NOW)


def logged(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-01-02T03:04:05.678Z INFO up", "2026-01-02T03:04:05"),
        ("[2026-01-02 05:04:05,678 +0200] INFO up", "2026-01-02T03:04:05"),
        ("2026/01/02 03:04:05 [error] 7#7: *1 connect() failed", "2026-01-02T03:04:05"),
        ("Jan  2 03:04:05 host sshd[7]: up", "2026-01-02T03:04:05"),
        ("<34>Dec 31 23:59:59 host su: up", "2025-12-31T23:59:59"),
        ('10.0.0.1 - - [02/Jan/2026:03:04:05 +0100] "GET / HTTP/1.1" 200 5', "2026-01-02T02:04:05"),
        ("[Fri Jan 02 03:04:05.123456 2026] [core:error] down", "2026-01-02T03:04:05"),
        ("E0102 03:04:05.678901   1 server.go:12] down", "2026-01-02T03:04:05"),
        ("1767323045 up", "2026-01-02T03:04:05"),
        ("1767323045678 up", "2026-01-02T03:04:05"),
        ("081109 203615 148 INFO dfs.DataNode: up", "2008-11-09T20:36:15"),
        ("- 1117838570 2005.06.03 R02-M1 RAS KERNEL INFO up", "2005-06-03T22:42:50"),
        ("nova-api.log.1.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO nova", "2017-05-16T00:00:00"),
    ],
)
def test_the_usual_stamps_are_read(line, time):
    found = Stamper(NOW).read(line)
    assert found is not None
    assert datetime.fromtimestamp(found[0], UTC).isoformat() == time + "+00:00"


@pytest.mark.parametrize(
    "line", ["up and running", "at 25:61:99", "9999999999999999999999 up", "2026-13-45T99:99:99Z x", ""]
)
def test_what_is_no_time_is_none(line):
    assert Stamper(NOW).read(line) is None


@pytest.mark.parametrize(
    ("path", "component"),
    [
        ("logs/cart.log", "cart"),
        ("logs/cart.log.2.gz", "cart"),
        ("logs/cart-2026-01-31.log", "cart"),
        ("logs/cart-6cfdd55578-gfj6q.log", "cart"),
        (f"containers/cart-6cfdd55578-gfj6q_shop_server-{'a' * 64}.log", "cart"),
        ("pods/shop_redis-0_01234567-89ab-cdef-0123-456789abcdef/server/0.log", "redis"),
    ],
)
def test_a_files_name_shows_whose_log_it_is(path, component):
    assert component_of_file(Path(path)) == component


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026 ERROR x", "error"),
        ("WARN x", "warning"),
        ('{"level":"fatal"}', "error"),
        ("level=debug msg=x", "debug"),
        ("java.lang.NullPointerException: null", "error"),
        ("no error was found", "info"),
        ("Traceback (most recent call last):", "error"),
    ],
)
def test_a_lines_level_is_what_it_says(line, level):
    assert level_of(line) == level


def test_lines_are_counted_in_the_step_that_ends_after_them_and_silence_is_zero(tmp_path):
    lines = [f"2026-01-01T10:00:{second:02d}Z INFO order {second} placed" for second in range(30)]
    lines += ["2026-01-01T10:02:30Z ERROR payment refused", "  at Payment.java:7"]
    history = read(logged(tmp_path / "cart.log", lines))
    rates = {name: history.table(name)["cart"].to_numpy() * 60 for name in history.metric_names}
    assert list(history.grid) == list(pd.date_range("2026-01-01T10:01", periods=3, freq="min", tz="UTC"))
    np.testing.assert_allclose(rates["log_lines_per_s"], [30, 0, 2])
    np.testing.assert_allclose(rates["log_errors_per_s"], [0, 0, 1])
    np.testing.assert_allclose(rates["log_new_templates_per_s"], [1, 0, 2])
    placed, *_ = history.log_templates["cart"]
    assert (placed.text, placed.count, placed.level) == ("INFO order <*> placed", 30, "info")
    np.testing.assert_allclose(rates[placed.metric], [30, 0, 0])


def test_no_sample_knows_what_was_written_after_it(tmp_path):
    history = read(logged(tmp_path / "cart.log", ["2026-01-01T10:00:59Z a", "2026-01-01T10:01:00Z a"]))
    assert (history.table("log_lines_per_s")["cart"] * 60).tolist() == [1, 1]


def test_counts_are_laid_on_the_metrics_own_grid_and_inside_their_time(tmp_path, rows):
    shifted = rows.assign(timestamp=rows["timestamp"] + pd.Timedelta(seconds=17))
    lines = [f"2026-01-01T{hour:02d}:{minute:02d}:40Z up" for hour in range(3) for minute in range(60)]
    history = read(logged(tmp_path / "cart.log", lines), History(shifted))
    assert set(history.metrics["timestamp"].dt.second) == {17}
    assert history.window == History(shifted).window
    assert history.table("log_lines_per_s")["cart"].iloc[1:].tolist() == [1 / 60] * 59


def test_logs_of_a_few_minutes_of_a_long_history_give_templates_and_no_series(tmp_path, rows):
    history = read(logged(tmp_path / "cart.log", ["2026-01-01T00:05:00Z up"]), History(rows))
    assert len(history.metrics) == len(rows)
    assert history.log_templates["cart"][0].text.strip() == "up"
    assert any("cover 1.7% of the metrics' time" in note for note in history.notes)


def test_json_lines_name_their_component_time_and_level(tmp_path):
    inner = json.dumps({"severity": "error", "message": "charge 17 failed"})
    lines = [
        json.dumps({"time": "2026-01-01T10:00:00Z", "service": "pay", "level": "warn", "msg": "retry 3"}),
        json.dumps({"log": inner + "\n", "time": "2026-01-01T10:00:01Z", "pod": "pay-6cfdd55578-gfj6q"}),
        json.dumps({"ts": 1767261602.5, "kubernetes": {"pod_name": "redis-0"}, "msg": "saved"}),
        json.dumps({"labels": {"app": "web"}, "line": "ready", "timestamp": "2026-01-01T10:00:03Z"}),
    ]
    history = read(logged(tmp_path / "all.jsonl", lines))
    texts = {name: sorted(each.text for each in own) for name, own in history.log_templates.items()}
    assert texts == {"pay": ["ERROR charge <*> failed", "WARN retry <*>"], "redis": ["saved"], "web": ["ready"]}


def test_a_loki_answer_is_read_by_its_labels(tmp_path):
    at = int(datetime(2026, 1, 1, 10, tzinfo=UTC).timestamp()) * 10**9
    streams = [
        {"stream": {"app": "cart"}, "values": [[str(at + n * 10**9), f"order {n}"] for n in range(5)]},
        {"stream": {"pod": "web-6cfdd55578-gfj6q"}, "values": [[str(at), "up"]]},
    ]
    path = tmp_path / "loki.json"
    path.write_text(json.dumps({"status": "success", "data": {"resultType": "streams", "result": streams}}))
    history = read(path)
    assert {name: own[0].count for name, own in history.log_templates.items()} == {"cart": 5, "web": 1}


def test_something_else_than_a_loki_answer_is_refused(tmp_path):
    (tmp_path / "loki.json").write_text('{"data": {"result": [{"stream": 3, "values": [1]}]}}')
    with pytest.raises(InvalidHistory, match="not a Loki answer"):
        read(tmp_path / "loki.json")


def test_answers_with_5xx_are_errors(tmp_path):
    lines = [f'10.0.0.1 - - [01/Jan/2026:10:00:00 +0000] "GET / HTTP/1.1" {status} 7' for status in (200, 404, 503)]
    history = read(logged(tmp_path / "web.log", lines))
    assert history.table("log_errors_per_s")["web"].sum() * 60 == pytest.approx(1)


def test_rotated_files_are_read_oldest_first(tmp_path):
    logged(tmp_path / "cart.log", ["2026-01-01T10:02:00Z new"])
    (tmp_path / "cart.log.1.gz").write_bytes(gzip.compress(b"2026-01-01T10:01:00Z old\n"))
    logged(tmp_path / "cart.log.2", ["2026-01-01T10:00:00Z oldest", "2026-01-01T10:00:00Z new"])
    history = read(tmp_path)
    assert (history.table("log_new_templates_per_s")["cart"] * 60).tolist() == [2, 1, 0]


def test_binary_bytes_and_lines_of_a_megabyte_are_counted_and_cost_nothing_else(tmp_path):
    lines = (
        b"2026-01-01T10:00:00Z up\n"
        + bytes(range(256)) * 8
        + b"\n2026-01-01T10:00:01Z "
        + b"x" * 1_000_000
        + b" y\nlast"
    )
    (tmp_path / "cart.log").write_bytes(lines)
    history = read(tmp_path / "cart.log")
    assert any("bytes that are no text" in note for note in history.notes)
    assert any("1 log lines are longer than 64 KiB" in note for note in history.notes)
    assert all(len(each.text) <= 600 for each in history.log_templates["cart"])


def test_times_from_the_future_and_lines_without_any_are_left_out_and_counted(tmp_path):
    lines = ["starting", "2027-01-01T00:00:00Z up", "2026-01-01T00:00:00Z up"]
    history = read(logged(tmp_path / "cart.log", lines))
    assert any("1 log lines are from the future" in note for note in history.notes)
    assert any("1 log lines have no time" in note for note in history.notes)
    assert len(history.grid) == 1


def test_lines_of_years_are_counted_at_a_longer_step(tmp_path):
    weeks = pd.date_range("2016-01-01", periods=500, freq="7D", tz="UTC")
    history = read(logged(tmp_path / "cart.log", [f"{week:%Y-%m-%dT%H:%M:%SZ} a" for week in weeks]))
    assert len(history.metrics) <= 1_000_000  # it once took a gigabyte to learn from twelve thousand lines
    assert float(history.table("log_lines_per_s")["cart"].sum() * history.step_s) == pytest.approx(500)
    assert any("counted every" in note for note in history.notes)


def test_lines_of_a_clock_that_was_never_set_are_dropped(tmp_path):
    history = read(logged(tmp_path / "cart.log", ["1971-01-01T00:00:00Z a", "2026-01-01T00:00:00Z a"]))
    assert len(history.grid) == 1
    assert any("a clock had jumped" in note for note in history.notes)


def test_logs_of_two_times_years_apart_both_count_with_a_hole_between_them(tmp_path):
    lines = [f"{year}-01-01T{at // 60:02}:{at % 60:02}:00Z a" for year in (2016, 2025) for at in range(600)]
    history = read(logged(tmp_path / "cart.log", lines))
    assert float(history.table("log_lines_per_s")["cart"].sum() * history.step_s) == pytest.approx(1200)
    assert len(history.metrics) < 200
    assert any("silences of months" in note for note in history.notes)


def test_a_truncated_gzip_and_a_missing_file_are_refused(tmp_path):
    (tmp_path / "cart.log.gz").write_bytes(gzip.compress(b"2026-01-01T10:00:00Z up\n" * 1000)[:-20])
    with pytest.raises(InvalidHistory, match=r"cart\.log\.gz: it can't be read to its end"):
        read(tmp_path / "cart.log.gz")
    with pytest.raises(InvalidHistory, match="no such file or folder of logs"):
        read(tmp_path / "nowhere")


def test_a_history_folder_with_logs_reads_back_the_same(tmp_path, rows, now):
    write_history(History(rows), tmp_path / "first")
    (tmp_path / "first" / "logs").mkdir()
    logged(tmp_path / "first" / "logs" / "cart.log", [f"2026-01-01T00:{n:02d}:30Z INFO order {n}" for n in range(60)])
    first = read_history(tmp_path / "first", now)
    assert "log_lines_per_s" in first.metric_names
    write_history(first, tmp_path / "second")
    second = read_history(tmp_path / "second", now)
    assert second.log_templates == first.log_templates
    pd.testing.assert_frame_equal(second.metrics, first.metrics)


def test_a_templates_id_is_its_texts_in_every_history(tmp_path):
    one = read(logged(tmp_path / "cart.log", ["2026-01-01T10:00:00Z order 1 placed", "2026-01-01T10:00:00Z bye"]))
    two = read(logged(tmp_path / "web.log", ["2026-01-01T10:00:00Z hello", "2026-01-01T10:00:00Z order 27 placed"]))
    assert {each.id for each in one.log_templates["cart"]} & {each.id for each in two.log_templates["web"]}


def test_clusters_stay_bounded_when_every_line_is_another():
    rng = np.random.default_rng(1)
    clusters = Clusters()
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    for _ in range(3000):
        clusters.of(" ".join("".join(rng.choice(letters, 8)) for _ in range(rng.integers(3, 9))))
    assert len(clusters._drain.clusters) <= 1000


@real
@pytest.mark.parametrize(
    ("system", "lines", "statements"),
    [
        ("HDFS", 2000, ("PacketResponder <*> for block blk_<*> terminating",)),
        ("Hadoop", 2000, ("ERROR IN CONTACTING RM.",)),
    ],
)
def test_templates_of_real_logs_are_their_statements(system, lines, statements):
    history = with_logs(History(empty_metrics()), [DATA / "loghub" / "logs" / f"{system}_2k.log"], NOW)
    (own,) = history.log_templates.values()
    counted = history.table("log_lines_per_s").to_numpy().sum() * history.step_s
    assert counted == pytest.approx(lines)
    for statement in statements:
        assert any(each.text.endswith(statement) and each.count > 100 for each in own)


@real
def test_nezhas_logs_are_read_by_pod():
    history = with_logs(History(empty_metrics()), [DATA / "nezha" / "2022-08-22" / "logs"], NOW)
    counts = (history.table("log_lines_per_s") * 60).sum()
    assert counts.sum() == pytest.approx(2958)
    assert {"cartservice", "currencyservice", "productcatalogservice"} <= set(counts.index)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_lines(tmp_path):
    program = (
        "import resource, sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from chaosprsa.history.frame import History, empty_metrics\nfrom chaosprsa.history.logs import with_logs\n"
        "with_logs(History(empty_metrics()), [Path(sys.argv[1])], datetime(2026, 1, 10, tzinfo=UTC))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for count in (20_000, 400_000):
        start, step = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=10) / count
        path = tmp_path / f"{count}.log"
        with path.open("w") as file:
            for n in range(count):
                file.write(f"{(start + n * step).isoformat()} INFO order {n:08x} of user {n % 977} took {n % 89} ms\n")
        ran = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
        peaks.append(int(ran.stdout))
    assert peaks[1] < peaks[0] + 20_000  # KiB; the longer file has 25 MB more
