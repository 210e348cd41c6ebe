"""Whatever is wrong: one message that says what, where and what to do; the right exit code; nothing half written."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from chaosprsa.cli.group import CHANGING

HEADER = "timestamp,component,metric,value\n"
START = datetime(2026, 11, 1, tzinfo=UTC)
COMMANDS = (
    ("learn",),
    ("issues", "--seed", "1"),
    ("generate",),
    ("shadow", "create"),
    ("shadow", "verify"),
    ("shadow", "destroy"),
    ("trial",),
    ("recommend",),
    ("explain",),
    ("rollout", "--approve", "x"),
    ("restore",),
    ("stop",),
    ("resume",),
    ("report",),
)


def refused(result, code, *words):
    """One message on standard error that says these things, the exit code, no traceback."""
    assert result.exit_code == code, (result.output, result.exception)
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    message = " ".join(result.stderr.split())
    for word in words:
        assert word in message, message


def rows(count, component="gateway", metric="request_rate_per_s", step=timedelta(minutes=1)):
    return "".join(f"{(START + n * step).isoformat()},{component},{metric},{10 + n % 7}\n" for n in range(count))


def write_history(folder, metrics, incidents=""):
    history = folder.path / "history"
    history.mkdir(exist_ok=True)
    (history / "metrics.csv").write_text(HEADER + metrics)
    (history / "incidents.jsonl").write_text(incidents)
    folder.settings(history="history")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_settings(folder, command):
    refused(folder.run(*command), 2, "chaosprsa.toml", "there is no such file", "chaos prsa init")
    assert folder.files() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[cluster", ("not TOML",)),
        ("", ("missing: [cluster], [topology], [slo.ENTRY]",)),
        ('[cluster]\nnamespace = "shop"\ncolour = 3\n', ("[cluster]", "colour is not a known field")),
    ],
)
def test_malformed_settings(folder, text, words):
    folder.settings(text)
    refused(folder.run("learn"), 2, "chaosprsa.toml", *words)


def test_settings_that_lack_tables_show_the_smallest_file_there_is(folder):
    folder.settings("")
    message = folder.run("learn").stderr
    smallest = message[message.index("\n") + 1 : message.index("Or let it be")]
    folder.settings(smallest)
    refused(folder.run("learn"), 2, "nothing to learn from")


def test_settings_of_another_system_are_refused_and_half_of_another_is_said(folder):
    write_history(folder, rows(600, component="frontend"))
    refused(folder.run("learn"), 2, "another system's", "it has frontend", "gateway")
    assert not (folder.path / "models").exists()
    write_history(folder, rows(600) + rows(600, component="frontend"))
    told = folder.run("learn").stdout
    assert "1 of the history's 2 components are not among [topology] services: frontend" in told
    assert "4 of the 5 [topology] services are unknown to the history" in told


def test_issues_are_not_drawn_from_what_was_learned_of_another_system(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    folder.settings('[cluster]\nnamespace="x"\n[topology]\nentry="web"\nservices=["web"]\n[slo.web]\nlatency_ms=9\n')
    refused(folder.run("issues"), 2, "the settings' entry web is not among them", "chaos prsa learn")


def test_no_source_at_all(folder):
    folder.settings()
    refused(folder.run("learn"), 2, "[sources]", "--history DIR")


def test_no_history_folder(folder):
    folder.settings(history="nowhere")
    refused(folder.run("learn"), 2, "nowhere")


def test_two_rows_are_not_enough(folder):
    write_history(folder, rows(2))
    refused(folder.run("learn"), 2, "history")
    assert not (folder.path / "models").exists()


def test_a_history_that_is_all_in_the_future(folder):
    future = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    write_history(folder, f"{future},gateway,request_rate_per_s,1\n")
    refused(folder.run("learn"), 2, "future")


def test_a_binary_file_as_metrics(folder):
    write_history(folder, "")
    (folder.path / "history" / "metrics.csv").write_bytes(bytes(range(256)) * 20)
    refused(folder.run("learn"), 2, "metrics.csv")


def test_gaps_duplicates_and_nan_are_mended_and_said(folder):
    lines = rows(600).splitlines(keepends=True)
    broken = [*lines[:200], *lines[100:120], *lines[260:], f"{START.isoformat()},gateway,cpu_usage_cores,nan\n"]
    write_history(folder, "".join(reversed(broken)))
    result = folder.run("learn")
    assert result.exit_code == 0, result.output
    notes = result.stdout.lower()
    assert "duplicate" in notes or "twice" in notes
    assert "gap" in notes or "missing" in notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PAR1" + bytes(200), ("no column timestamp",)),
        (HEADER.encode(), ("it has no rows",)),
        ((HEADER + rows(3, component="x" * 1_000_000)).encode(), ("more than 253 characters",)),
        ((HEADER + rows(3).replace(",1", ",1e300,1")).encode(), ("metrics.csv",)),
        ((HEADER + "2026-11-01T00:00:00Z,gateway,cpu,a lot\n").encode(), ("row 1", "a lot", "expected a number")),
    ],
    ids=["parquet", "no rows", "name of a megabyte", "a column too many", "text for a number"],
)
def test_metrics_that_are_none(folder, content, words):
    write_history(folder, "")
    (folder.path / "history" / "metrics.csv").write_bytes(content)
    result = folder.run("learn")
    refused(result, 2, "metrics.csv", *words)
    assert len(result.stderr) < 2000
    assert not (folder.path / "models").exists()


def test_a_clock_that_jumped_an_overflow_and_a_reset_are_said_or_learned(folder):
    epoch = "1970-01-01T00:00:00Z,gateway,request_rate_per_s,1\n"
    overflow = f"{START.isoformat()},gateway,memory_bytes,1e300\n"
    write_history(folder, rows(600) + rows(600, metric="restarts_total") + epoch + overflow)
    result = folder.run("learn")
    assert result.exit_code == 0, result.output
    notes = " ".join(result.stdout.split())
    assert "1 rows of 1970-01-01 00:00 UTC lie" in notes
    assert "a clock had jumped" in notes
    assert "1 of 1202 rows whose value is beyond 1e+30 were dropped" in notes


def test_one_component_and_no_incidents_still_give_issues(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    result = folder.run("issues", "--seed", "3", "--count", "5")
    assert result.exit_code == 0, result.output


def test_telemetry_says_its_size_before_and_refuses_more_than_it_may_have(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    assert folder.run("issues", "--horizon", "24h", "--count", "3").exit_code == 0
    before = folder.files()
    refused(folder.run("telemetry", "--scrape", "1", "--most", "4"), 2, "MiB of OpenMetrics", "--scrape ", "--most ")
    assert folder.files() == before
    result = folder.run("telemetry", "--scrape", "30")
    assert result.exit_code == 0, result.output
    about = float(re.search(r"writing about (\d+) MiB", result.stderr)[1])
    written = (folder.path / "issues" / "telemetry.openmetrics.txt").stat().st_size / 2**20
    assert abs(about - written) <= max(1.0, 0.15 * written)


def test_the_step_that_telemetry_proposes_is_small_enough(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    assert folder.run("issues", "--horizon", "24h", "--count", "3").exit_code == 0
    size = float(re.search(r"about (\d+) MiB", folder.run("telemetry", "--scrape", "1", "--most", "1").stderr)[1])
    most = str(0.3 * size)  # 18 scrapes a minute, which no multiple of 5 s gives
    proposed = re.search(r"--scrape (\d+)", folder.run("telemetry", "--scrape", "1", "--most", most).stderr)[1]
    assert folder.run("telemetry", "--scrape", proposed, "--most", most).exit_code == 0


@pytest.mark.parametrize("name", ["issues", "generated", "loads"])
def test_a_file_where_a_folder_is_to_be(folder, name):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    if name != "issues":
        assert folder.run("issues", "--count", "3").exit_code == 0
    (folder.path / name).write_text("mine")
    command = {"issues": "issues", "generated": "generate", "loads": "load"}[name]
    refused(folder.run(command), 2, name, "move it away")
    assert (folder.path / name).read_text() == "mine"


def test_a_folder_where_the_report_is_to_be(folder):
    folder.settings()
    (folder.path / "report.html").mkdir()
    refused(folder.run("report"), 2, f"{folder.path / 'report.html'}: Is a directory; ", "move it away")


def test_what_was_not_written_yet_names_the_command_that_writes_it(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    refused(folder.run("generate"), 2, "issues.jsonl", "run chaos prsa issues first")
    refused(folder.run("trial"), 2, "study.json", "run chaos prsa generate first")


@pytest.mark.parametrize(("days", "said"), [(1, False), (20, True)])
def test_issues_from_an_old_history_say_how_old_it_is(folder, monkeypatch, days, said):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    end = START + timedelta(hours=10)
    monkeypatch.setattr("chaosprsa.chain.context.utc_now", lambda: end + timedelta(days=days))
    words = "the history ends 2026-11-01 10:00 UTC, 20 days ago"
    assert (words in " ".join(folder.run("issues", "--count", "3").stdout.split())) == said


def test_issues_interrupted_while_telemetry_is_made_leave_the_earlier_draw_whole(folder, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    before = folder.files()
    monkeypatch.setattr("chaosprsa.chain.learning.synthesise", interrupted)
    refused(folder.run("issues", "--count", "3"), 130, "Nothing is half written")
    assert folder.files() == before


def test_learn_refuses_what_is_in_the_way_before_it_works(folder, monkeypatch):
    write_history(folder, rows(600))
    (folder.path / "models").write_text("mine")
    monkeypatch.setattr("chaosprsa.chain.learning.past_of", pytest.fail)
    refused(folder.run("learn"), 2, "models", "move it away")


def test_one_incident_alone_is_too_little_and_it_says_what_to_add(folder):
    (folder.path / "history").mkdir()
    (folder.path / "history" / "incidents.jsonl").write_text('{"start": "2026-11-01T10:00Z", "component": "gateway"}\n')
    folder.settings(history="history")
    refused(folder.run("learn"), 2, "of one moment, 2026-11-01 10:00 UTC", "incidents of other days")


def test_telemetry_of_incidents_alone_is_refused(folder):
    incident = '{{"start": "2026-11-{:02d}T10:00:00Z", "component": "gateway", "kind": "outage"}}\n'
    (folder.path / "history").mkdir()
    (folder.path / "history" / "incidents.jsonl").write_text("".join(map(incident.format, range(1, 9))))
    folder.settings(history="history")
    assert folder.run("learn").exit_code == 0
    assert folder.run("issues", "--count", "3").exit_code == 0
    refused(folder.run("telemetry"), 2, "no metrics and no logs")


def test_a_load_of_an_entry_without_rates_says_who_has_them(folder):
    write_history(folder, rows(600, component="cart"))
    refused(folder.run("load"), 2, "of the entry gateway, only of cart")
    write_history(folder, rows(600, metric="cpu_usage_cores"))
    refused(folder.run("load"), 2, "of anything")


def test_a_half_written_bundle(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    load = folder.path / "models" / "load.json"
    load.write_bytes(load.read_bytes()[:-40])
    refused(folder.run("issues", "--seed", "1"), 2, "load.json", "learn")
    assert not (folder.path / "issues").exists()


def test_no_bundle(folder):
    folder.settings()
    refused(folder.run("issues", "--seed", "1"), 2, "models", "learn")


def test_adversarial_issues_without_trials_say_what_to_play_first(folder):
    write_history(folder, rows(600))
    assert folder.run("learn").exit_code == 0
    refused(folder.run("issues", "--adversarial", "3"), 2, "trials", "chaos prsa generate")
    assert not (folder.path / "issues").exists()


def test_no_issues_to_generate_from(folder):
    folder.settings()
    refused(folder.run("generate"), 2, "issues.jsonl")


def test_no_study_to_play(folder):
    folder.settings(prometheus="http://127.0.0.1:9")
    refused(folder.run("trial"), 2, "study.json")


def test_no_outcomes_to_learn_from(folder):
    folder.settings()
    refused(folder.run("recommend"), 2, "study.json")


def test_no_plan_to_roll_out(folder):
    folder.settings()
    refused(folder.run("rollout"), 2, "plan.json")


@pytest.mark.parametrize(
    "command",
    [("shadow", "create"), ("shadow", "verify"), ("shadow", "destroy"), ("restore",), ("resume",)],
    ids=" ".join,
)
def test_no_cluster(folder, command):
    folder.settings()
    refused(folder.run(*command), 2, "KUBECONFIG")


def test_init_without_a_cluster(folder):
    refused(folder.run("init", "--namespace", "shop"), 2, "KUBECONFIG")
    assert folder.files() == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ctrl_c_ends_with_130_one_line_and_nothing_written(folder, command, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    folder.settings()
    monkeypatch.setattr("chaosprsa.chain.context.load", interrupted)
    remedy = "chaos prsa restore" if command[0] in CHANGING else "Nothing is half written"
    refused(folder.run(*command), 130, "Interrupted", remedy)
    assert folder.files() == ["chaosprsa.toml"]


def test_stop_without_a_cluster_still_sets_the_local_switch(folder):
    folder.settings()
    refused(folder.run("stop"), 2, "KUBECONFIG")
    assert folder.files() == [".chaosprsa/stop", "chaosprsa.toml"]


def test_no_prometheus(folder):
    folder.settings(prometheus="http://127.0.0.1:9", timeout_s=1.0)
    refused(folder.run("learn"), 2, "http://127.0.0.1:9")


@pytest.mark.parametrize("text", ["", "0h", "-3h", "24", "1 fortnight"])
def test_a_horizon_that_is_none(folder, text):
    result = folder.run("issues", "--horizon", text)
    assert result.exit_code == 2
    assert "24h" in result.output


def test_an_unknown_document_names_the_known_ones(folder):
    refused(folder.run("schema", "recipe"), 2, "recommendation")


def test_init_from_files_alone_proposes_what_learn_takes(folder):
    write_history(folder, rows(600) + rows(600, component="cart") + rows(600, component="gateway->cart"))
    (folder.path / "chaosprsa.toml").unlink()
    result = folder.run("init", "--history", "history")
    assert result.exit_code == 0, result.output
    for words in ("2 services, 1 call edges, entry gateway", "a guess", "no cluster was asked"):
        assert words in result.stdout
    assert folder.run("learn").exit_code == 0


def test_init_without_a_namespace_needs_files_and_an_entry_that_is_there(folder):
    refused(folder.run("init"), 2, "--namespace", "--history")
    write_history(folder, rows(600))
    (folder.path / "chaosprsa.toml").unlink()
    refused(folder.run("init", "--history", "history", "--entry", "nobody"), 2, "--entry nobody", "it has gateway")
    assert not (folder.path / "chaosprsa.toml").exists()


def test_init_never_replaces_a_file(folder):
    folder.settings()
    before = (folder.path / "chaosprsa.toml").read_bytes()
    refused(folder.run("init", "--namespace", "shop"), 2, "--force")
    assert (folder.path / "chaosprsa.toml").read_bytes() == before


def test_a_demo_history_that_is_not_there(folder):
    refused(folder.run("demo", "--history", "nowhere"), 2, "nowhere", "normal form")
    assert folder.files() == []


def test_the_demo_never_replaces_somebodys_settings(folder):
    folder.settings()
    refused(folder.run("demo", "--dir", "."), 2, "chaosprsa.toml", "--dir")
    assert folder.files() == ["chaosprsa.toml"]


def test_a_made_history_never_replaces_a_real_one(folder):
    write_history(folder, rows(3))
    before = folder.files()
    refused(folder.run("lab", "history"), 2, "history", "--output", "--force")
    assert folder.files() == before


def test_outcomes_of_an_earlier_study_are_not_taken_for_this_ones(tmp_path):
    from chaosprsa.chain.answer import read_outcomes  # heavy, and only here
    from chaosprsa.documents import lineage
    from chaosprsa.errors import BadInput
    from chaosprsa.types import Study

    study = Study(name="next", namespace="a", shadow="b", scale=1.0, seed=1, items=(), lineage=lineage("study", 1))
    with pytest.raises(BadInput, match=r"none is there.*chaos prsa trial"):
        read_outcomes(tmp_path, study)
