"""`chaos prsa compare` on a small history: its table, its document, what it refuses."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from chaosprsa.autoscalers.arena import POLICIES
from chaosprsa.cli import comparing
from chaosprsa.documents import lineage, read_document, write_document
from chaosprsa.types import (
    Comparison,
    Fault,
    Impact,
    Interval,
    Lineage,
    Severity,
    SimulatedIssue,
    Study,
    StudyItem,
)

SETTINGS = """
[cluster]
namespace = "shop"
[topology]
services = ["web", "cart"]
entry = "web"
edges = [["web", "cart", 0.5]]
[slo.web]
latency_ms = 500
[prices]
cpu_core_hour = 0.1
memory_gib_hour = 0
"""
DEMAND_S, PODS = {"web": 0.02, "cart": 0.04}, {"web": 4, "cart": 3}


def history(folder, *, resources=True):
    """A day of a load that swings, CPU that follows it, pods and limits that stay."""
    at = np.arange(0, 86_400, 300.0)
    load = 20 + 10 * np.sin(at / 3000)
    rows = ["timestamp,component,metric,value"]
    times = np.datetime64("2026-03-02T00:00:00") + at.astype("timedelta64[s]")
    for name, share in (("web", 1.0), ("cart", 0.5)):
        series = {"request_rate_per_s": load * share}
        if resources:
            series |= {
                "cpu_usage_cores": load * share * DEMAND_S[name],
                "replicas": np.full(len(at), PODS[name]),
                "cpu_limit_cores": np.full(len(at), PODS[name] * 1.0),
                "memory_limit_bytes": np.full(len(at), PODS[name] * 2.0**28),
            }
        for metric, values in series.items():
            rows += [f"{time}Z,{name},{metric},{value}" for time, value in zip(times, values, strict=True)]
    (folder.path / "past").mkdir(exist_ok=True)
    (folder.path / "past" / "metrics.csv").write_text("\n".join(rows) + "\n")
    folder.settings(SETTINGS, history="past")


def study(folder):
    nothing = Interval(low=1, mid=1.5, high=2)
    issue = SimulatedIssue(
        id="web-lost", kind="k", fault=Fault.REPLICA_LOSS, strength=0.99, components=("web",),
        origin=datetime(2026, 3, 3, tzinfo=UTC), start_s=5000.0, duration_s=9000.0, severity=Severity.MAJOR,
        probability=0.5, impact=Impact(latency_ratio=nothing, error_share=nothing), novelty=0.0, evidence=(),
        lineage=Lineage(id="issue-1"),
    )  # fmt: skip
    item = StudyItem(issue=issue, experiment="e", profile="p", fault_start_s=0, fault_end_s=1)
    found = Study(
        name="next", namespace="shop", shadow="shop-shadow", scale=0.5, seed=1, items=(item,),
        lineage=lineage("study", "s"),
    )  # fmt: skip
    write_document(folder.path / "generated" / "next" / "study.json", found)


def lines(folder, text):
    (folder.path / "load.txt").write_text(text)
    return ("compare", "--load", "load.txt")


def compared(folder) -> Comparison:
    return read_document(folder.path / "comparison.json", Comparison)


def test_the_table_and_the_document_say_what_each_policy_costs_and_misses(folder):
    history(folder)
    study(folder)
    named = ("present", "hpa", "percentile", "bound")
    done = folder.run("compare", "--duration", "5m", *(word for name in named for word in ("--policy", name)))
    assert done.exit_code == 0, (done.output, done.exception)
    assert "4 policies in 2 worlds" in done.stderr
    assert "without issues" in done.stdout
    assert "with replica-loss on web" in done.stdout
    found = compared(folder)
    assert [(one.policy, one.issues) for one in found.scores] == [(n, i) for i in (False, True) for n in named]
    calm = {one.policy: one for one in found.scores if not one.issues}
    assert calm["present"].cores == pytest.approx(sum(PODS.values()))
    assert calm["present"].cost_month == pytest.approx(sum(PODS.values()) * 0.1 * 730)  # a core each, no memory's price
    assert calm["present"].kept
    assert calm["bound"].cores <= min(one.cores for one in calm.values() if one.kept)
    lost = next(one for one in found.scores if one.issues and one.policy == "present")
    assert lost.late_or_failed > calm["present"].late_or_failed
    assert (found.trusted, found.scale) == (False, 1.0)
    assert not done.stderr.count("Traceback")


def test_the_same_seed_gives_the_same_document_but_for_its_time(folder):
    history(folder)
    command = (*lines(folder, "# per 15 s\n" + "10\n20\n\n" * 12), "--policy", "hpa", "--policy", "mpc", "--json")
    one, other = (json.loads(folder.run(*command).stdout) for _ in range(2))
    assert one["load"] == "load.txt, a line for each 15 s"
    assert one["duration_s"] == 24 * 15
    one.pop("created"), other.pop("created")
    assert one == other


def test_what_would_take_too_long_is_scaled_down_and_said(folder):
    history(folder)
    done = folder.run(*lines(folder, "400\n" * 40), "--policy", "present", "--most-requests", "24000")
    assert done.exit_code == 0, done.output
    found = compared(folder)
    assert found.scale == pytest.approx(24_000 / (400 * 600))
    assert found.requests_per_s == (400, 400)
    assert "10 % of the load was played" in " ".join(done.stdout.split())
    assert found.scores[0].cores == pytest.approx(2 / 0.1)  # a pod each: rounded up, and scaled back


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("1\n2\nthree\n", "line 3"),
        ("1\n-2\n", "line 2"),
        ("nan\n", "line 1"),
        ("", "a load of 0 s"),
        ("5\n" * 4, "60 s"),
        ("0\n" * 400, "no request"),
    ],
)
def test_a_load_that_is_none_is_refused_with_its_line(folder, text, word):
    history(folder)
    done = folder.run(*lines(folder, text))
    assert done.exit_code == 2
    assert word in done.stderr
    assert isinstance(done.exception, SystemExit)
    assert not (folder.path / "comparison.json").exists()


def test_a_binary_load_is_refused(folder):
    history(folder)
    (folder.path / "load.txt").write_bytes(b"\xff\xfe\x00\x01")
    done = folder.run("compare", "--load", "load.txt")
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (2, True)
    assert "it isn't text" in done.stderr


@pytest.mark.parametrize("options", [("--duration", "1m"), ("--load-step", "0.5s"), ("--policy", "magic")])
def test_options_that_make_no_sense_are_refused(folder, options):
    history(folder)
    assert folder.run("compare", *options).exit_code == 2


def test_without_a_word_on_cpu_it_says_what_is_needed(folder):
    history(folder, resources=False)
    done = folder.run("compare")
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (2, True)
    assert "nothing says what pods there are now" in " ".join(done.stderr.split())


def test_without_history_or_trials_it_says_what_is_needed(folder):
    folder.settings(SETTINGS)
    done = folder.run("compare")
    assert (done.exit_code, isinstance(done.exception, SystemExit)) == (2, True)


def test_the_command_names_every_policy_that_there_is():
    assert set(comparing.POLICIES) == {*POLICIES, "ahead", "ahead-in-place"}


def test_an_outcome_that_is_half_written_is_told_and_not_passed_over(folder):
    history(folder)
    study(folder)
    old = folder.path / "outcomes" / "next" / "web-lost" / "outcome.json"
    old.parent.mkdir(parents=True)
    old.write_text("{")
    done = folder.run("compare", "--policy", "present", "--duration", "5m")
    assert done.exit_code == 2
    assert "outcome.json" in done.stderr


def test_a_service_that_uses_no_cpu_is_played(folder):
    history(folder)
    metrics = folder.path / "past" / "metrics.csv"
    rows = metrics.read_text().splitlines()
    idle = [row.rsplit(",", 1)[0] + ",0" if ",cart,cpu_usage_cores" in row else row for row in rows]
    metrics.write_text("\n".join(idle) + "\n")
    done = folder.run("compare", "--policy", "present", "--policy", "mpc", "--duration", "5m")
    assert done.exit_code == 0, done.output
