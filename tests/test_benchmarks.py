"""Each claim has its program and the figures of its last run; the programs themselves take minutes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
CLAIMS = (
    "incident_forecast", "lead_time", "onset", "localisation", "issue_stream", "load_profiles", "load_forecast",
    "detection_nab", "telemetry", "features", "learn_scale", "search", "allocation", "policy", "ablation",
)  # fmt: skip
claims = pytest.mark.parametrize("claim", CLAIMS)


@claims
def test_a_claim_has_figures_of_its_own_and_of_a_rival_and_says_what_they_were_measured_on(claim):
    found = json.loads((BENCHMARKS / "results" / f"{claim}.json").read_text(encoding="utf-8"))
    assert found["benchmark"] == claim
    assert found["machine"]["cores"] >= 1
    keys = [key for key, value in found["figures"].items() if value is not None]
    assert any("ours." in key for key in keys)
    assert any(not {"ours", "goal"} & set(key.split(".")) for key in keys)


@claims
@pytest.mark.slow
def test_a_program_says_its_claim_and_its_options(claim):
    program = [sys.executable, str(BENCHMARKS / f"{claim}.py"), "--help"]
    told = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Claim:" in told
    assert {"--json", "--seed"} <= set(told.replace(",", " ").split())
