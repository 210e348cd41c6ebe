import json

import numpy as np
import pytest

from chaosprsa.documents import read_document
from chaosprsa.types import LoadProfile

SETTINGS = """
[cluster]
namespace = "shop"
[topology]
services = ["web"]
entry = "web"
[slo.web]
latency_ms = 300
[trial]
max_rate_per_s = 30
"""


@pytest.fixture
def past(folder):
    at = np.arange(0, 3 * 86_400, 60.0)
    rates = np.random.default_rng(1).poisson(600 + 300 * np.sin(2 * np.pi * at / 86_400)) / 60
    rows = ["timestamp,component,metric,value"]
    times = np.datetime64("2026-03-02T00:00:00") + at.astype("timedelta64[s]")
    rows += [f"{time}Z,web,request_rate_per_s,{rate}" for time, rate in zip(times, rates, strict=True)]
    (folder.path / "past").mkdir()
    (folder.path / "past" / "metrics.csv").write_text("\n".join(rows) + "\n")
    folder.settings(SETTINGS)
    return folder


def ran(folder, *arguments):
    return folder.run("load", "--history", "past", *arguments)


def test_a_load_is_written_at_the_forecast_level_and_below_the_limit(past):
    done = ran(past, "--duration", "2h", "--seed", "3", "--json")
    assert done.exit_code == 0, done.output
    (path,) = (past.path / "loads").iterdir()
    profile = read_document(path, LoadProfile)
    assert json.loads(done.stdout)["id"] == profile.id
    levels = [point.level for point in profile.points]
    assert len(levels) == 7200
    assert 8 < np.mean(levels) < 16  # the day begins at ten requests a second and rises
    assert max(levels) <= 30
    assert np.std(levels) > 0


def test_the_same_seed_is_the_same_file_and_scale_scales_it(past):
    ran(past, "--seed", "3")
    ran(past, "--seed", "3")
    (path,) = (past.path / "loads").iterdir()
    whole = read_document(path, LoadProfile)
    ran(past, "--seed", "3", "--scale", ".5")
    (other,) = (each for each in (past.path / "loads").iterdir() if each != path)
    half = read_document(other, LoadProfile)
    assert half.points[100].level == pytest.approx(whole.points[100].level / 2, abs=0.001)


def test_what_makes_no_sense_ends_with_2_and_writes_nothing(past):
    past.settings(SETTINGS.replace('"web"', '"other"').replace("slo.web", "slo.other"))
    done = ran(past)
    assert done.exit_code == 2
    assert "other" in done.output
    assert ran(past, "--scale", "0").exit_code == 2
    assert ran(past, "--duration", "never").exit_code == 2
    assert not (past.path / "loads").exists()
