import json

import numpy as np
import pytest
from click.testing import CliRunner

from chaosprsa.cli.group import prsa
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
def folder(tmp_path):
    at = np.arange(0, 3 * 86_400, 60.0)
    rates = np.random.default_rng(1).poisson(600 + 300 * np.sin(2 * np.pi * at / 86_400)) / 60
    rows = ["timestamp,component,metric,value"]
    times = np.datetime64("2026-03-02T00:00:00") + at.astype("timedelta64[s]")
    rows += [f"{time}Z,web,request_rate_per_s,{rate}" for time, rate in zip(times, rates, strict=True)]
    (tmp_path / "past").mkdir()
    (tmp_path / "past" / "metrics.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "chaosprsa.toml").write_text(SETTINGS)
    return tmp_path


def ran(folder, *arguments):
    return CliRunner().invoke(
        prsa, ["load", "--history", str(folder / "past"), "--settings", str(folder / "chaosprsa.toml"), *arguments]
    )


def test_a_load_is_written_at_the_forecast_level_and_below_the_limit(folder):
    done = ran(folder, "--duration", "2h", "--seed", "3", "--json")
    assert done.exit_code == 0, done.output
    (path,) = (folder / "loads").iterdir()
    profile = read_document(path, LoadProfile)
    assert json.loads(done.stdout)["id"] == profile.id
    levels = [point.level for point in profile.points]
    assert len(levels) == 7200
    assert 8 < np.mean(levels) < 16  # the day begins at ten requests a second and rises
    assert max(levels) <= 30
    assert np.std(levels) > 0


def test_the_same_seed_is_the_same_file_and_scale_scales_it(folder):
    ran(folder, "--seed", "3")
    ran(folder, "--seed", "3")
    (path,) = (folder / "loads").iterdir()
    whole = read_document(path, LoadProfile)
    ran(folder, "--seed", "3", "--scale", ".5")
    (other,) = (each for each in (folder / "loads").iterdir() if each != path)
    half = read_document(other, LoadProfile)
    assert half.points[100].level == pytest.approx(whole.points[100].level / 2, abs=0.001)


def test_what_makes_no_sense_ends_with_2_and_writes_nothing(folder):
    (folder / "chaosprsa.toml").write_text(SETTINGS.replace('"web"', '"other"').replace("slo.web", "slo.other"))
    done = ran(folder)
    assert done.exit_code == 2
    assert "other" in done.output
    assert ran(folder, "--scale", "0").exit_code == 2
    assert ran(folder, "--duration", "never").exit_code == 2
    assert not (folder / "loads").exists()
