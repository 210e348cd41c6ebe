import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chaosprsa.errors import InvalidDocument, NotEnoughHistory, Refused
from chaosprsa.history.files import read_history, write_history
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.models.bundle import Bundle, learn, load_bundle, save_bundle
from chaosprsa.models.fanout import with_calls
from chaosprsa.models.normals import normals_of
from chaosprsa.types import Edge, Incident, Topology

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
real = pytest.mark.skipif(not (DATA / "nezha").is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundle(announced) -> Bundle:
    return learn(announced, seed=3)


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "models"
    save_bundle(bundle, path)
    return path


def test_a_bundle_comes_back_as_it_was_saved(bundle, folder):
    back = load_bundle(folder)
    for part in ("load", "incidents", "topology", "normals", "lineage", "manifest", "notes", "window", "seed"):
        assert getattr(back, part) == getattr(bundle, part), part
    pd.testing.assert_frame_equal(
        back.recent.metrics, bundle.recent.metrics, check_dtype=False, check_categorical=False
    )
    assert back.recent.incidents == bundle.recent.incidents
    assert bundle.precursors is not None
    assert back.precursors is not None
    assert back.precursors.predict(back.recent) == bundle.precursors.predict(bundle.recent)


def test_the_same_history_and_seed_give_the_same_bytes_in_another_process(announced, folder, tmp_path):
    write_history(announced, tmp_path / "history")
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from chaosprsa.history.files import read_history; from chaosprsa.models.bundle import learn, save_bundle\n"
        "history = read_history(Path(sys.argv[1]), datetime(2026, 6, 1, tzinfo=UTC))\n"
        "save_bundle(learn(history, seed=3), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "history"), str(tmp_path / "models")]
    subprocess.run(command, check=True, timeout=100)
    here, there = ({path.name: path.read_bytes() for path in each.iterdir()} for each in (folder, tmp_path / "models"))
    assert here == there


def test_what_learn_hashed_is_what_is_saved_and_a_changed_copy_is_made_anew(bundle, folder, tmp_path):
    assert {name: (folder / name).read_bytes() for name in bundle.files} == bundle.files
    assert set(bundle.files) == set(bundle.manifest["files"])
    copy = replace(bundle, past=())
    assert not copy.files
    save_bundle(copy, tmp_path / "copy")
    assert (tmp_path / "copy" / "past_incidents.json").read_text() == "[]\n"


def test_another_seed_is_another_bundle(announced, folder):
    assert learn(announced, seed=4).lineage != load_bundle(folder).lineage


def test_the_manifest_says_what_was_learned_from_what(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["schema"] == "chaosprsa/bundle/1"
    assert manifest["window"]["start"] == "2026-01-05T00:00:00Z"
    assert manifest["incidents"]["count"] == 45
    assert manifest["versions"]["scikit-learn"]
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert not any(path.suffix in (".pkl", ".pickle", ".joblib") for path in folder.iterdir())


def copied(folder: Path, tmp_path: Path) -> Path:
    target = tmp_path / "models"
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("name", ["load.json", "normals.json", "recent.parquet", "precursors.skops", "manifest.json"])
def test_a_file_cut_in_half_is_refused(folder, tmp_path, name):
    path = copied(folder, tmp_path) / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InvalidDocument, match=rf"{name}.*run learn again"):
        load_bundle(path.parent)


@pytest.mark.parametrize("name", ["load.json", "precursors.skops", "manifest.json"])
def test_a_missing_file_is_refused(folder, tmp_path, name):
    path = copied(folder, tmp_path) / name
    path.unlink()
    with pytest.raises(InvalidDocument, match=rf"{name}.*learn"):
        load_bundle(path.parent)


def changed(folder: Path, tmp_path: Path, **values: object) -> Path:
    target = copied(folder, tmp_path)
    manifest = json.loads((target / "manifest.json").read_text())
    (target / "manifest.json").write_text(json.dumps(manifest | values))
    return target


def test_another_version_of_the_schema_or_of_scikit_learn_is_refused(folder, tmp_path):
    with pytest.raises(InvalidDocument, match="its schema is 'chaosprsa/bundle/2', expected 'chaosprsa/bundle/1'"):
        load_bundle(changed(folder, tmp_path, schema="chaosprsa/bundle/2"))
    (tmp_path / "b").mkdir()
    with pytest.raises(InvalidDocument, match=r"learned with scikit-learn 1\.0, this is 1\.\d+; run learn again"):
        load_bundle(changed(folder, tmp_path / "b", versions={"scikit-learn": "1.0.2"}))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ".."])
def test_a_manifest_that_points_outside_its_folder_is_refused(folder, tmp_path, name):
    with pytest.raises(InvalidDocument, match="own folder"):
        load_bundle(changed(folder, tmp_path, files={name: "0" * 64}))


def test_a_folder_that_is_no_bundle_is_refused_and_never_overwritten(bundle, tmp_path):
    with pytest.raises(InvalidDocument, match="no model bundle"):
        load_bundle(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(Refused, match="left alone"):
        save_bundle(bundle, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_saving_again_replaces_the_bundle_and_leaves_nothing_beside_it(bundle, folder, tmp_path):
    target = copied(folder, tmp_path)
    save_bundle(replace(bundle, manifest={**bundle.manifest, "seed": 9}), target)
    assert load_bundle(target).seed == 9
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_a_save_that_fails_leaves_the_old_bundle_and_nothing_beside_it(bundle, folder, tmp_path):
    target = copied(folder, tmp_path)
    broken = replace(bundle, normals={"cart": {"cpu": (float("nan"), 1.0)}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_bundle(broken, target)
    assert load_bundle(target).seed == 3
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_incidents_alone_make_a_bundle():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    incidents = tuple(Incident(start=start + timedelta(days=i), component="api", kind="outage") for i in range(30))
    bundle = learn(History(metrics=empty_metrics(), incidents=incidents), seed=1)
    assert bundle.incidents.rate_per_day("api") == pytest.approx(30 / 29)
    assert bundle.load == {}
    assert bundle.precursors is None
    assert bundle.topology == Topology(services=("api",), entry="api")
    with pytest.raises(NotEnoughHistory, match="too little request_rate_per_s of the entry api"):
        bundle.entry_rate(np.array([0.0]))


def test_incidents_alone_are_saved_and_loaded(tmp_path):
    incidents = (Incident(start=datetime(2026, 1, 1, tzinfo=UTC), component="api", kind="outage", end=NOW),)
    save_bundle(learn(History(metrics=empty_metrics(), incidents=incidents)), tmp_path / "models")
    assert load_bundle(tmp_path / "models").recent.incidents == incidents


def test_one_component_without_incidents_makes_a_bundle(announced):
    metrics = announced.metrics[(announced.metrics["component"] == "cart").to_numpy()].reset_index(drop=True)
    bundle = learn(History(metrics=metrics))
    assert bundle.components == ("cart",)
    assert bundle.topology.entry == "cart"
    assert bundle.entry_rate(np.array([0.0])).mean[0] > 0
    assert 0 < bundle.incidents.rate_per_day() < 0.5
    assert any("precursors: they need at least 15 incidents" in note for note in bundle.notes)


def test_two_rows_are_too_short_and_the_message_says_how_short(announced):
    short = History(metrics=announced.metrics.head(2))
    with pytest.raises(
        NotEnoughHistory, match=r"cover 2 steps of 60 s, from 2026-01-05 .*; learning needs at least 12"
    ):
        learn(short)


def test_nothing_at_all_teaches_nothing():
    with pytest.raises(NotEnoughHistory):
        learn(History(metrics=empty_metrics()))


def test_progress_is_told_from_nothing_done_to_all_done(announced):
    told: list[float | None] = []
    learn(replace(announced, incidents=()), progress=lambda _doing, share=None: told.append(share))
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)


def test_normals_leave_incidents_out_and_never_have_a_spread_of_nothing(announced):
    normals = normals_of(announced)
    median, spread = normals["cart"]["latency_p99_ms"]
    assert median == pytest.approx(120, rel=0.01)
    assert spread == pytest.approx(6, rel=0.1)
    flat = announced.metrics.assign(value=0.0)
    assert all(wide > 0 for own in normals_of(History(metrics=flat)).values() for _, wide in own.values())


def test_calls_per_request_are_read_off_the_rates(announced):
    rng = np.random.default_rng(0)
    times = announced.grid[:500]
    web, job = rng.uniform(5, 20, 500), rng.uniform(1, 10, 500)
    rates = {"web": web, "job": job, "cart": 0.5 * web, "db": 2 * 0.5 * web + 3 * job}
    parts = [
        pd.DataFrame({"timestamp": times, "component": name, "metric": "request_rate_per_s", "value": values})
        for name, values in rates.items()
    ]
    edges = tuple(Edge(caller=a, callee=b) for a, b in (("web", "cart"), ("cart", "db"), ("job", "db")))
    topology = Topology(services=("cart", "db", "job", "web"), edges=edges, entry="web")
    found = with_calls(topology, History(metrics=pd.concat(parts, ignore_index=True)))
    calls = [edge.calls_per_request for edge in found.edges]
    assert calls == pytest.approx([0.5, 2.0, 3.0], rel=0.02)
    stated = replace(topology, edges=(replace(edges[0], calls_per_request=4.0), *edges[1:]))
    assert with_calls(stated, History(metrics=pd.concat(parts, ignore_index=True))) == stated


@real
def test_online_boutique_is_learned_in_seconds_with_its_notes(tmp_path):
    history = read_history(DATA / "nezha" / "2022-08-22", NOW)
    began = time.process_time()
    bundle = learn(history, seed=7)
    save_bundle(bundle, tmp_path / "models")
    assert time.process_time() - began < 20
    # Faults on a timetable in the first four hours, none after: nothing precedes them, and the bundle says so.
    assert bundle.precursors is not None
    assert bundle.precursors.quality is None
    assert any("precursors: they tell no more than chance" in note for note in bundle.notes)
    rate = bundle.entry_rate(np.array([bundle.window.end.timestamp()]))
    assert 7 < rate.low[0] < rate.mean[0] < rate.high[0] < 11
    assert "success_ratio" in bundle.normals["frontend"]
    visits = {(edge.caller, edge.callee): edge.calls_per_request for edge in bundle.topology.edges}
    assert visits["frontend", "checkoutservice"] == pytest.approx(0.3 / 8.5, rel=0.1)
    assert bundle.incidents.rate_per_day() == pytest.approx(24 / (20.15 / 24), rel=0.01)


@real
def test_natural_anomalies_of_a_real_service_are_foretold_better_than_chance():
    bundle = learn(read_history(DATA / "maat_aiops18" / "train", NOW), seed=1)
    assert bundle.precursors is not None
    quality = bundle.precursors.quality
    assert quality is not None
    assert quality.average_precision > 1.5 * quality.base_rate
    assert quality.brier < quality.brier_of_base_rate


@real
def test_a_status_page_is_learned_without_metrics():
    history = read_history(DATA / "github_status", NOW)
    bundle = learn(history, seed=7)
    assert bundle.incidents.total == 508
    assert set(bundle.incidents.kinds) == {"maintenance", "outage"}
    assert bundle.incidents.rate_per_day("Actions") > bundle.incidents.rate_per_day("Visit www") > 0
