"""`chaos prsa detect` on small folders: its words, its JSON and its exit codes."""

import json
import re

import numpy as np
import pandas as pd
import pytest


def history(folder, *, faulty, minutes=600):
    rng = np.random.default_rng(4)
    times = pd.date_range("2026-03-02", periods=minutes, freq="min", tz="UTC").as_unit("ms")
    rows = []
    for name in ("gateway", "checkout", "payment"):
        values = rng.lognormal(4, 0.05, minutes)
        if faulty:
            values[-60:-45] *= {"payment": 8, "checkout": 6, "gateway": 4}[name]
        rows.append(pd.DataFrame({"timestamp": times, "component": name, "metric": "latency_p99_ms", "value": values}))
    folder.mkdir()
    pd.concat(rows, ignore_index=True).to_parquet(folder / "metrics.parquet")


def test_a_fault_is_told_with_its_component_and_since_when(folder):
    folder.settings()
    history(folder.path / "past", faulty=True)
    result = folder.run("detect", "--history", "past", "--last", "2h", "--false-alarms", "0.1")
    assert result.exit_code == 1, result.output
    # from 09:00 on; a sample just before that is odd by chance may be taken for its beginning
    assert re.search(r"payment: slow since 2026-03-02 (08:5[89]|09:00) UTC, until", result.output)


def test_the_json_names_suspects_and_evidence(folder):
    folder.settings()
    history(folder.path / "past", faulty=True)
    result = folder.run("detect", "--history", "past", "--last", "2h", "--false-alarms", "0.1", "--json")
    found = json.loads(result.stdout)
    assert [one["suspects"][0]["component"] for one in found["findings"]] == ["payment"]
    assert found["findings"][0]["suspects"][0]["signs"][0]["metric"] == "latency_p99_ms"


def test_nothing_wrong_is_exit_code_0(folder):
    folder.settings()
    history(folder.path / "past", faulty=False)
    result = folder.run("detect", "--history", "past", "--last", "1h", "--false-alarms", "0.05")
    assert result.exit_code == 0, result.output
    assert "nothing wrong" in result.output


@pytest.mark.parametrize("minutes", [10, 90])  # 90: a threshold of .4 h once let a crash pass as nothing wrong
def test_too_little_to_tell_is_exit_code_3(folder, minutes):
    folder.settings()
    history(folder.path / "past", faulty=False, minutes=minutes)
    result = folder.run("detect", "--history", "past", "--last", "1h")
    assert result.exit_code == 3, result.output
    assert "too little normal time to tell" in result.output
    assert "2 h are needed to say that nothing is wrong" in result.output


def test_no_metrics_is_bad_input(folder):
    folder.settings()
    assert folder.run("detect", "--history", "nowhere").exit_code == 2
    assert folder.run("detect").exit_code == 2
