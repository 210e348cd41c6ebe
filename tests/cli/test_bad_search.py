"""A search that can't be what was asked for: one message that says what, where and what to do, and nothing lost."""

import asyncio
import importlib.util
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from chaosprsa.cluster.api import until
from chaosprsa.documents import lineage, write_document
from chaosprsa.lab.api import build_api, serve
from chaosprsa.lab.boot import boot, write_kubeconfig
from chaosprsa.lab.store import Store
from chaosprsa.types import Lineage, Study, StudyItem, Verdict

SETTINGS = """\
[cluster]
namespace = "shop"
[topology]
entry = "gateway"
services = ["gateway", "stock", "cart", "pay"]
edges = [["gateway", "stock"], ["gateway", "cart", 0.4], ["cart", "pay", 0.5]]
[slo.gateway]
latency_ms = 250
[trial]
fault_s = 40
after_s = 20
[sources]
history = "history"
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FEW = "[allocation]\ntrials = 4\n"


@pytest.fixture(scope="module")
def shop():
    path = Path(__file__).parents[1] / "twin" / "shop_simulator.py"
    spec = importlib.util.spec_from_file_location("shop_simulator", path)
    sys.modules["shop_simulator"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def production(shop):
    """The lab's API with production's four deployments, twice the shadow's pods; its URL."""
    loop, store = asyncio.new_event_loop(), Store()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begun():
        boot(store)
        store.create("namespaces", {"metadata": {"name": "shop"}})
        for one in shop.doubled(shop.PRESENT).services:
            store.create("deployments", deployment(one))
        return await serve(build_api(store))

    runner, url = asyncio.run_coroutine_threadsafe(begun(), loop).result(30)
    yield url
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def deployment(one):
    given, labels = one.resources, {"app": one.service}
    resources = {
        "requests": {"cpu": f"{given.cpu_request_millicores}m", "memory": f"{given.memory_request_mib}Mi"},
        "limits": {"cpu": f"{given.cpu_limit_millicores}m", "memory": f"{given.memory_limit_mib}Mi"},
    }
    container = {"name": one.service, "image": "shop", "resources": resources}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": one.replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": one.service, "namespace": "shop", "labels": labels}, "spec": spec}


@pytest.fixture(scope="module")
def played(shop):
    """Outcomes of the shop's seven trials, and their study."""
    items = tuple(
        StudyItem(issue=issue, experiment="e", profile="p", fault_start_s=30, fault_end_s=70) for issue in shop.ISSUES
    )
    study = Study(
        name="next", namespace="shop", shadow="shop-shadow", scale=0.5, seed=1, items=items,
        lineage=lineage("study", "s"),
    )  # fmt: skip
    ours = Lineage(id="outcome", parents=(study.lineage.id,))
    return study, tuple(replace(one, lineage=replace(ours, id=one.id)) for one in shop.trials())


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """models/ of a short history, learned once."""
    from click.testing import CliRunner

    from chaosprsa.cli import prsa

    path = tmp_path_factory.mktemp("learned")
    (path / "history").mkdir()
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
    rows = "".join(
        f"{(begin + timedelta(minutes=n)).isoformat()},gateway,request_rate_per_s,{70 + n % 7}\n" for n in range(720)
    )
    (path / "history" / "metrics.csv").write_text("timestamp,component,metric,value\n" + rows)
    (path / "chaosprsa.toml").write_text(SETTINGS)
    done = CliRunner().invoke(prsa, ["learn", "--settings", str(path / "chaosprsa.toml")])
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def ready(folder, learned, played, production):
    """Everything that recommend needs, as a user has it after `chaos prsa trial`."""
    for name in ("models", "history"):
        shutil.copytree(learned / name, folder.path / name)
    folder.settings(SETTINGS + FEW)
    write_kubeconfig(folder.path / "no-kubeconfig", production)
    study, outcomes = played
    write_document(folder.path / "generated" / "next" / "study.json", study)
    give(folder, outcomes)
    return folder


def give(folder, outcomes):
    where = folder.path / "outcomes" / "next"
    shutil.rmtree(where, ignore_errors=True)
    for one in outcomes:
        write_document(where / one.issue.id / "outcome.json", one)


def recommended(folder):
    return folder.run("recommend", "--check", "0")


def refused(folder, *words):
    """Exit 2, one message with these words, no traceback; files are as they were."""
    before = {name: (folder.path / name).read_bytes() for name in folder.files()}
    done = recommended(folder)
    message = " ".join(done.stderr.split())
    assert done.exit_code == 2, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    for word in words:
        assert word in message
    assert {name: (folder.path / name).read_bytes() for name in folder.files()} == before


def told(folder, *words, code=1):
    """A recommendation with these words, whole on disk. Code 1: not every issue is survived."""
    done = recommended(folder)
    text = " ".join(done.stdout.split())
    assert done.exit_code == code, (done.output, done.exception)
    assert "Traceback" not in done.output
    for word in words:
        assert word in text
    assert {f"recommendation/{name}.json" for name in ("recommendation", "plan", "rollout.experiment")} < set(
        folder.files()
    )
    return text


def test_trials_that_are_all_invalid(ready, played):
    give(ready, [replace(one, verdict=Verdict.INVALID, reasons=("the gate was not met",)) for one in played[1]])
    refused(ready, "all 7 outcomes are invalid", "the gate was not met", "run the trials again")


def test_calls_in_a_circle_are_named_one_after_the_other(ready):
    ready.settings(SETTINGS.replace('["cart", "pay", 0.5]', '["cart", "pay", 0.5], ["pay", "cart"]'))
    refused(ready, "cart -> pay -> cart", "[topology] edges")


def test_an_outcome_that_is_half_written(ready):
    file = next((ready.path / "outcomes" / "next").glob("*/outcome.json"))
    file.write_bytes(file.read_bytes()[:500])
    refused(ready, str(file), "half written")


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        ("postgresql://team:secret@127.0.0.1:9/x", ("team:***@127.0.0.1:9", "can't be opened", "[allocation] storage")),
        ("mongo://x", ("no storage that Optuna knows", "postgresql://USER@HOST/DATABASE")),
    ],
)
def test_a_storage_that_can_not_be(ready, storage, words):
    ready.settings(SETTINGS + FEW + f'storage = "{storage}"\n')
    refused(ready, *words)


def test_a_named_study_of_another_question(ready):
    ready.settings(SETTINGS + FEW + 'storage = "sqlite:///study.db"\nstudy = "ours"\n')
    told(ready)
    ready.settings(SETTINGS + FEW + 'storage = "sqlite:///study.db"\nstudy = "ours"\nrisk_level = 0.5\n')
    refused(ready, "its study 'ours' is of another space or question", "nothing in it was touched")


def test_a_study_that_can_not_be_read(ready):
    (ready.path / "recommendation").mkdir()
    (ready.path / "recommendation" / "study.log").write_bytes(b"{nonsense\n" * 5)
    told(ready, "it is study.log.broken now")
    assert "recommendation/study.log.broken" in ready.files()


def test_trials_that_contradict_one_another_are_no_evidence_and_the_number_is_said(ready, played):
    def slowed(one):
        load = {phase: replace(seen, latency_slo_ms=seen.latency_slo_ms * 10) for phase, seen in one.load.items()}
        return replace(one, load=load)

    give(ready, [slowed(one) if at % 2 else one for at, one in enumerate(played[1])])
    text = told(ready, "the twin is not trusted (latency is off by a factor of", "production stays as it is")
    assert "-0.00 (-0%)" in text or "+0.00 (+0%)" in text


def test_an_issue_that_passed_and_failed_counts_as_failed_and_is_said(ready, played):
    first = played[1][0]
    other = Verdict.FAILED if first.verdict is Verdict.PASSED else Verdict.PASSED
    again = ready.path / "outcomes" / "next" / f"{first.issue.id}-again" / "outcome.json"
    write_document(again, replace(first, id="again", verdict=other))
    told(ready, f"({first.issue.id}): trials of one allocation passed and failed; it counts as failed")


def test_a_load_above_capacity_at_every_allocation(ready):
    ready.settings(SETTINGS + FEW + "[safety]\nmax_replicas = 2\nmax_cpu_limit_millicores = 100\n")
    told(ready, "the usual peak load alone misses the SLO at every allowed allocation", "raise [safety]'s limits")


def test_a_service_that_nobody_calls_stays_as_it_is_and_is_said(ready):
    ready.settings(SETTINGS.replace(', ["cart", "pay", 0.5]', "") + FEW)
    told(ready, "pay: nobody calls it in [topology] edges, yet up to", code=0)


@pytest.mark.parametrize(("millicores", "words"), [(200, ("nothing fits", "quota")), (2000, ())])
def test_a_quota_that_is_too_small_is_named(ready, production, millicores, words):
    """Refused where nothing fits into it; where too little does, the note says that it binds."""
    quotas = f"{production}/api/v1/namespaces/shop/resourcequotas"
    hard = {"metadata": {"name": "small"}, "spec": {"hard": {"limits.cpu": f"{millicores}m"}}}
    httpx.post(quotas, json=hard).raise_for_status()
    try:
        if words:
            refused(ready, *words)
        else:
            told(ready, "the quota of CPU limits binds")
    finally:
        httpx.delete(f"{quotas}/small").raise_for_status()


def test_prices_of_nothing(ready):
    ready.settings(SETTINGS + FEW + "[prices]\ncpu_core_hour = 0\nmemory_gib_hour = 0\n")
    told(ready, "CPU and memory cost nothing by [prices]")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_search_that_was_killed_goes_on_where_it_was(ready, how):
    """Optuna's trials are kept one by one; of the answer there is nothing until it is whole."""
    ready.settings(SETTINGS + "[allocation]\ntrials = 64\n")
    log = ready.path / "recommendation" / "study.log"
    chaos = [str(Path(sys.executable).parent / "chaos"), "--no-version-check", "--no-log-file", "prsa"]
    killed = subprocess.Popen(
        [*chaos, "recommend", "--check", "0"], cwd=ready.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert until(lambda: log.exists() and log.stat().st_size > 0 and len(trials_in(log)) >= 16, 120, 0.02)
    killed.send_signal(how)
    assert killed.wait(30) == (130 if how == signal.SIGINT else -signal.SIGKILL)
    kept = trials_in(log)
    assert 16 <= len(kept) < 64
    assert [name for name in ready.files() if name.startswith("recommendation/")] == ["recommendation/study.log"]
    told(ready)
    whole = trials_in(log)
    assert [trial for trial in whole if trial in kept] == kept
    assert 64 <= len(whole) < 64 + len(kept)


def trials_in(log):
    """The complete trials of a study's file, one after the other."""
    storage = JournalStorage(JournalFileBackend(str(log)))
    study = optuna.load_study(study_name=optuna.get_all_study_names(storage)[0], storage=storage)
    return [(trial.number, trial.values, trial.params) for trial in study.get_trials(states=[TrialState.COMPLETE])]
