"""Journals written by the real `chaos run`, and what we make of them."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chaosprsa.errors import InvalidDocument
from chaosprsa.journals import Evidence, build_outcome, parse_journal, verdict_of
from chaosprsa.journals.outcomes import chance_of, judge_share, percentile, statistics, timeline
from chaosprsa.loadtest.log import Requests
from chaosprsa.types import (
    Allocation,
    Fault,
    Impact,
    Interval,
    Lineage,
    Phase,
    PhaseObservation,
    ServiceObservation,
    Severity,
    SimulatedIssue,
    Slo,
    Study,
    StudyItem,
    Verdict,
)

CHAOS = Path(sys.executable).with_name("chaos")
SLO = Slo(service="gateway", latency_ms=300, latency_percentile=99, success_ratio=0.99)
SPANS = {Phase.BEFORE: (0.0, 4.0), Phase.FAULT: (4.0, 10.0), Phase.AFTER: (10.0, 14.0)}


def shell(name, script, kind="action", **more):
    """An activity that runs a shell line; Chaos Toolkit fails none by exit code, so probes carry a tolerance."""
    provider = {"type": "process", "path": "sh", "arguments": ["-c", script]}
    return {"type": kind, "name": name, "provider": provider, **more}


def python(name, module, func, kind="action", tolerance=None, **arguments):
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    found = {"type": kind, "name": name, "provider": provider}
    return found if tolerance is None else {**found, "tolerance": tolerance}


def fine(name="all is well"):
    return python(name, "os.path", "exists", "probe", True, path="/")


def raises(name="breaks", kind="action", tolerance=None):
    return python(name, "os", "listdir", kind, tolerance, path="/there/is/no/such/folder")


def play(folder, method=None, rollbacks=None, probes=None, arguments=(), strategy="default"):
    experiment = {
        "title": "a small one",
        "description": "for the journal it writes",
        "runtime": {"rollbacks": {"strategy": "always"}, "hypothesis": {"strategy": strategy}},
        "steady-state-hypothesis": {"title": "well", "probes": [fine()] if probes is None else probes},
        "method": method or [fine("look")],
        "rollbacks": rollbacks or [],
    }
    (folder / "e.json").write_text(json.dumps(experiment))
    command = [CHAOS, "--no-version-check", "--log-file", folder / "log", "run", "--journal-path", folder / "j.json"]
    subprocess.run([*command, *arguments, folder / "e.json"], check=False, capture_output=True, timeout=30)
    return parse_journal((folder / "j.json").read_text(), "j.json")


def test_a_clean_run_passes_and_needs_no_reason(tmp_path):
    assert verdict_of(play(tmp_path)) == (Verdict.PASSED, ())


def test_an_action_that_raised_makes_the_trial_invalid_although_chaos_exits_with_0(tmp_path):
    verdict, reasons = verdict_of(play(tmp_path, method=[raises()]))
    assert verdict is Verdict.INVALID
    assert "action 'breaks' failed" in reasons[0]
    assert "No such file or directory" in reasons[0]


def test_an_unmet_gate_is_invalid_and_names_its_probe(tmp_path):
    probe = python("is there", "os.path", "exists", "probe", True, path="/nowhere")
    verdict, reasons = verdict_of(play(tmp_path, probes=[probe]))
    assert verdict is Verdict.INVALID
    assert reasons == ("gate unmet, so the method never ran: probe 'is there' was out of tolerance (it gave false)",)


def test_a_deviation_after_the_method_is_a_failure(tmp_path):
    marker = tmp_path / "gone"
    marker.write_text("")
    probe = python("marker", "os.path", "exists", "probe", True, path=str(marker))
    verdict, reasons = verdict_of(play(tmp_path, probes=[probe], method=[shell("remove", f"rm {marker}")]))
    assert verdict is Verdict.FAILED
    assert "the steady state deviated: probe 'marker'" in reasons[0]


def test_a_deviation_seen_only_while_the_method_ran_is_a_failure(tmp_path):
    marker = tmp_path / "flips"
    marker.write_text("")
    probe = python("marker", "os.path", "exists", "probe", True, path=str(marker))
    flip = shell("flip", f"rm {marker}; sleep 0.6; touch {marker}")
    journal = play(
        tmp_path, probes=[probe], method=[flip], strategy="continuously", arguments=["--hypothesis-frequency", "0.1"]
    )
    assert journal["status"] == "completed"
    assert journal["deviated"] is False
    verdict, reasons = verdict_of(journal)
    assert verdict is Verdict.FAILED
    assert "times while the method ran, probe 'marker'" in reasons[0]


def test_a_probe_that_could_not_look_is_invalid_not_a_deviation(tmp_path):
    marker = tmp_path / "folder"
    marker.mkdir()
    probe = python("look", "os", "listdir", "probe", [[]], path=str(marker))
    verdict, reasons = verdict_of(play(tmp_path, probes=[probe], method=[shell("remove", f"rmdir {marker}")]))
    assert verdict is Verdict.INVALID
    assert "after the method, probe 'look' failed" in reasons[0]


def test_a_failed_rollback_is_invalid_and_says_how_to_put_things_back(tmp_path):
    verdict, reasons = verdict_of(play(tmp_path, rollbacks=[raises("put back")]))
    assert verdict is Verdict.INVALID
    assert "rollback 'put back' failed" in reasons[0]
    assert "chaos prsa restore" in reasons[0]


def test_rollbacks_that_were_skipped_are_missed(tmp_path):
    journal = play(tmp_path, rollbacks=[shell("put back", "true")], arguments=["--rollback-strategy", "never"])
    verdict, reasons = verdict_of(journal)
    assert verdict is Verdict.INVALID
    assert "rollback 'put back' never ran" in reasons[0]


def test_a_steady_state_that_is_not_back_after_the_rollbacks_is_invalid(tmp_path):
    back = python("is back", "os.path", "exists", "probe", True, path="/nowhere")
    verdict, reasons = verdict_of(play(tmp_path, rollbacks=[back]))
    assert verdict is Verdict.INVALID
    assert reasons == ("after the rollbacks the steady state is not back: 'is back' gave false",)


def test_an_interrupted_run_is_invalid(tmp_path):
    leave = python("leave", "chaoslib.exit", "exit_gracefully")
    verdict, reasons = verdict_of(play(tmp_path, method=[leave, shell("never", "true")]))
    assert verdict is Verdict.INVALID
    assert "the experiment was interrupted" in reasons


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ('{"chaoslib-version": "1.44.0", "run": [', "not JSON"),
        ("[]", "not a journal"),
        ('{"status": "completed"}', "not a journal"),
        ('{"chaoslib-version": "2.0.0", "status": "completed", "steady_states": {}, "run": []}', "chaoslib 2.0.0"),
    ],
)
def test_what_is_no_journal_of_ours_is_refused_with_its_name(text, said):
    with pytest.raises(InvalidDocument, match=said) as refused:
        parse_journal(text, "outcomes/journal.json")
    assert "outcomes/journal.json" in str(refused.value)


# ---- the load


def requests(rate_per_s=40.0, latency_ms=20.0, duration_s=14.0):
    """Evenly spaced good answers, all as quick."""
    time_s = np.arange(0.0, duration_s, 1 / rate_per_s)
    return Requests(time_s, ("/",) * len(time_s), np.full(len(time_s), latency_ms), np.ones(len(time_s), dtype=bool))


def slowed(load, start_s, end_s, latency_ms):
    inside = (load.time_s >= start_s) & (load.time_s < end_s)
    return Requests(load.time_s, load.endpoint, np.where(inside, latency_ms, load.latency_ms), load.ok)


def failing(load, start_s, end_s, every):
    inside = np.flatnonzero((load.time_s >= start_s) & (load.time_s < end_s))[::every]
    ok = load.ok.copy()
    ok[inside] = False
    return Requests(load.time_s, load.endpoint, load.latency_ms, ok)


def seen(**missing):
    services = tuple(
        ServiceObservation(
            service=name,
            **{
                "request_rate_per_s": 40.0,
                "latency_p99_ms": 20.0,
                "cpu_usage_cores": 0.1,
                "memory_mib_per_pod": 64.0,
                "replicas_ready": 2.0,
                **missing,
            },
        )
        for name in ("gateway", "cart")
    )
    return tuple(PhaseObservation(phase=p, start_s=a, end_s=b, services=services) for p, (a, b) in SPANS.items())


def outcome(load, journal=None, phases=None, problems=()):
    lineage = Lineage(id="x")
    span = Interval(low=1, mid=1, high=1)
    issue = SimulatedIssue(
        id="i1",
        kind="OOM",
        fault=Fault.POD_KILL,
        strength=0.5,
        components=("cart",),
        origin=datetime(2026, 1, 1, tzinfo=UTC),
        start_s=0,
        duration_s=60,
        severity=Severity.MAJOR,
        probability=0.5,
        impact=Impact(latency_ratio=span, error_share=span),
        novelty=0,
        evidence=(),
        lineage=lineage,
    )
    item = StudyItem(issue=issue, experiment="e.json", profile="p.json", fault_start_s=4, fault_end_s=10)
    study = Study(name="s", namespace="shop", shadow="shop-shadow", scale=0.5, seed=1, items=(item,), lineage=lineage)
    evidence = Evidence(
        journal=CLEAN if journal is None else journal,
        requests=load,
        phases=seen() if phases is None else phases,
        spans=SPANS,
        problems=problems,
    )
    return build_outcome(item, study, evidence, SLO, Allocation(services=()), issue.origin, "journal.json")


CLEAN = {
    "chaoslib-version": "1.44.0",
    "status": "completed",
    "deviated": False,
    "steady_states": {"before": None, "after": None, "during": []},
    "run": [],
    "experiment": {"method": []},
}


def test_a_load_within_the_objective_passes_and_says_by_how_much():
    found = outcome(requests())
    assert found.verdict is Verdict.PASSED
    assert found.reasons == ("p99 stayed within 300 ms: 20 ms during the fault, 20 ms after the fault",)
    assert found.load[Phase.FAULT].requests == 240
    assert found.load[Phase.FAULT].rate_per_s == pytest.approx(40.0)


@pytest.mark.parametrize(("start_s", "end_s", "when"), [(5, 6, "during the fault"), (11, 12, "after the fault")])
def test_slow_answers_in_the_fault_or_after_it_fail_the_trial(start_s, end_s, when):
    found = outcome(slowed(requests(), start_s, end_s, 900.0))
    assert found.verdict is Verdict.FAILED
    assert found.reasons[0] == f"{when}: p99 was 900 ms, the objective is 300 ms"


def test_failed_answers_fail_the_trial_however_quick_they_were():
    found = outcome(failing(requests(latency_ms=1.0), 4, 10, every=20))
    assert found.verdict is Verdict.FAILED
    assert found.reasons[0] == "during the fault: 12 of 240 requests failed, the objective allows 1.00%"


def test_slow_answers_before_the_fault_alone_are_not_the_faults_doing():
    assert outcome(slowed(requests(), 0, 3, 900.0)).verdict is Verdict.PASSED


def test_a_load_that_is_too_much_without_any_fault_is_said_beside_the_failure():
    found = outcome(slowed(requests(), 0, 14, 900.0))
    assert found.verdict is Verdict.FAILED
    assert any(reason.startswith("without any fault, too: ") for reason in found.reasons)


def test_too_few_requests_are_inconclusive():
    found = outcome(requests(rate_per_s=5.0))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reasons[0].endswith("these are too few requests to tell")


def test_few_requests_of_which_most_failed_are_a_failure_all_the_same():
    found = outcome(failing(requests(rate_per_s=5.0), 4, 10, every=2))
    assert found.verdict is Verdict.FAILED
    assert found.reasons[0] == "during the fault: 15 of 30 requests failed, the objective allows 1.00%"


def test_a_load_that_stood_still_for_most_of_the_phase_is_inconclusive():
    dense = requests(rate_per_s=200.0)
    kept = (dense.time_s < 6) | (dense.time_s >= 10)
    load = Requests(dense.time_s[kept], ("/",) * int(kept.sum()), dense.latency_ms[kept], dense.ok[kept])
    found = outcome(load)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reasons[0] == "during the fault: requests in only 2 of 6 s"


def test_no_log_of_the_load_is_invalid():
    found = outcome(None)
    assert found.verdict is Verdict.INVALID
    assert "no log of the load" in found.reasons[0]
    assert found.load == {}


def test_a_missing_series_is_invalid_and_named():
    found = outcome(requests(), phases=seen(memory_mib_per_pod=None))
    assert found.verdict is Verdict.INVALID
    assert "Prometheus has no memory_mib_per_pod of gateway before the fault" in found.reasons


def test_no_observation_at_all_is_invalid():
    assert outcome(requests(), phases=()).verdict is Verdict.INVALID


def test_what_is_missing_outweighs_a_miss_and_both_are_said():
    found = outcome(slowed(requests(), 4, 10, 900.0), problems=("the experiment did not end within 30 s",))
    assert found.verdict is Verdict.INVALID
    assert found.reasons[0] == "the experiment did not end within 30 s"
    assert any("p99 was 900 ms" in reason for reason in found.reasons)


def test_a_missing_journal_is_invalid():
    found = outcome(requests(), problems=())
    assert found.verdict is Verdict.PASSED
    assert outcome(requests(), journal={**CLEAN, "status": "aborted"}).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    ("bad", "count", "verdict"),
    [
        (1, 100, Verdict.PASSED),
        (2, 100, Verdict.FAILED),
        (0, 50, Verdict.PASSED),
        (0, 49, Verdict.INCONCLUSIVE),
        (1, 96, Verdict.INCONCLUSIVE),  # chance has one in 96 with probability 0.62
        (4, 96, Verdict.FAILED),  # and four with 0.016
        (0, 0, Verdict.INCONCLUSIVE),
    ],
)
def test_a_budget_of_one_in_a_hundred_needs_so_many_requests(bad, count, verdict):
    assert judge_share(bad, count, 0.01) is verdict


@settings(deadline=None)  # a busy machine is slow now and then
@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.001, 0.5))
def test_chance_is_the_binomial_tail(bad, count, share):
    assert chance_of(min(bad, count), count, share) == pytest.approx(
        stats.binom.sf(min(bad, count) - 1, count, share), abs=1e-9
    )


def test_a_percentile_is_within_the_objective_exactly_when_that_share_of_answers_is():
    values = np.array([10.0] * 99 + [1000.0])
    assert percentile(values, 99) == 10.0
    assert percentile(np.append(values, 1000.0), 99) == 1000.0
    assert percentile(np.array([]), 99) is None


def test_the_timeline_has_no_latency_in_a_second_without_answers():
    load = Requests(np.array([0.1, 2.5]), ("/", "/"), np.array([5.0, 7.0]), np.array([True, False]))
    found = timeline(load)
    assert found.time_s == (0.0, 1.0, 2.0)
    assert found.rate_per_s == (1.0, 0.0, 1.0)
    assert found.latency_p50_ms == (5.0, None, None)
    assert found.failures_per_s == (0.0, 0.0, 1.0)


def test_a_phase_begins_with_its_first_instant_and_ends_before_its_last():
    load = Requests(np.array([0.0, 1.0, 2.0]), ("/",) * 3, np.array([1.0, 2.0, 3.0]), np.array([True] * 3))
    assert statistics(load, 0.0, 2.0, SLO).requests == 2
