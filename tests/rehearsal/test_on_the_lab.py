"""The unchanged `chaos run` plays generated experiments on the lab: the faults act, and nothing stays behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaosprsa.cluster import connect
from chaosprsa.cluster.shadowing import create_shadow
from chaosprsa.faults import CATALOGUE
from chaosprsa.lab.process import running_lab
from chaosprsa.lab.shop import shop
from chaosprsa.loadtest.log import read_load, read_requests
from chaosprsa.studies import generate_study
from chaosprsa.types import Companion, Fault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SHADOW = "shop-shadow"
MIX = [{"path": "/", "weight": 4}, {"path": "/catalogue", "weight": 3}, {"path": "/cart", "weight": 2}]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running_lab(tmp_path_factory.mktemp("lab"), shop(), 1, rate_per_s=5.0, steady=True) as running:
        before = os.environ.get("KUBECONFIG")
        os.environ["KUBECONFIG"] = str(running.kubeconfig)
        create_shadow(connect(), "shop", SHADOW, 0.5)
        yield running
        os.environ.pop("KUBECONFIG")
        if before is not None:
            os.environ["KUBECONFIG"] = before


@pytest.fixture
def study(lab, issue, settings, bundle, tmp_path):
    """Writes a study of one fault on a service; returns the workspace and the item."""

    def written(fault, service="catalogue", strength=None, companions=(), **tables):
        played = issue(
            id=f"{service}-{fault.value}",
            fault=fault,
            strength=strength or CATALOGUE[fault].typical,
            components=(service, "gateway"),
            origin=datetime.now(UTC),
            companions=companions,
        )
        chosen = settings(
            sources={"prometheus": lab.prometheus_url},
            trial={"before_s": 4, "fault_s": 8, "after_s": 6, "endpoints": MIX},
            **tables,
        )
        made = generate_study("lab", [played], chosen, bundle, tmp_path / "generated" / "lab", 3)
        return tmp_path, made.items[0]

    return written


def command(item):
    tool = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "run"]
    return [*tool, "--journal-path", "journal.json", f"generated/lab/{item.experiment}"]


def played(workspace, item):
    done = subprocess.run(command(item), cwd=workspace, capture_output=True, text=True, timeout=200, check=False)
    file = workspace / "journal.json"
    assert file.exists(), done.stdout + done.stderr
    return json.loads(file.read_text())


def output(journal, function):
    found = [run for run in journal["run"] if run["activity"]["provider"]["func"] == function]
    assert found, function
    assert found[0]["status"] == "succeeded", found[0].get("exception")
    return found[0]["output"]


def nothing_left(cluster):
    assert not cluster.shadow(SHADOW).open_snapshots()
    assert not cluster.objects(SHADOW, ("NetworkChaos", "HTTPChaos"))


def test_every_activity_succeeds_and_the_shadow_is_as_it_was(study, lab):
    before = connect().allocation(SHADOW, shop_services())
    workspace, item = study(Fault.CPU_SQUEEZE, strength=0.5)
    journal = played(workspace, item)
    assert journal["status"] == "completed"
    assert {run["status"] for run in journal["run"] + journal["rollbacks"]} == {"succeeded"}
    squeezed = output(journal, "resize_pods")
    assert squeezed["to"]["cpu_limit_millicores"] * 2 == squeezed["from"]["cpu_limit_millicores"]
    assert connect().allocation(SHADOW, shop_services()) == before
    nothing_left(connect())
    said = read_load(workspace / "outcomes" / "lab" / item.issue.id / "load")
    assert said["ended"] is not None
    assert journal["chaosprsa"]["marks"][0]["name"].startswith("begin ")


@pytest.mark.parametrize("service", ["catalogue", "cart"])  # a Deployment and a StatefulSet
def test_lost_replicas_come_back(study, lab, service):
    workspace, item = study(Fault.REPLICA_LOSS, service)
    journal = played(workspace, item)
    lost = output(journal, "scale_down")
    assert lost["to"] < lost["from"]
    assert connect().allocation(SHADOW, [service])[service].replicas == lost["from"]
    nothing_left(connect())


@pytest.mark.parametrize("fault", [Fault.DEPENDENCY_SLOW, Fault.DEPENDENCY_FAILING])
def test_a_dependency_that_fails_its_callers_deviates_and_is_cured(study, lab, fault):
    workspace, item = study(fault, strength={"dependency-slow": 600.0, "dependency-failing": 0.5}[fault.value])
    journal = played(workspace, item)
    after = {probe["activity"]["name"]: probe for probe in journal["steady_states"]["after"]["probes"]}
    judged = after["gateway keeps its objective while the fault lasts"]
    assert judged["tolerance_met"] is False
    assert judged["output"]["judged"]
    if fault is Fault.DEPENDENCY_SLOW:
        assert judged["output"]["latency_ms"] > 500
    else:
        assert judged["output"]["success_ratio"] == pytest.approx(
            1 - 0.5 * 7 / 9, abs=0.15
        )  # 7 of 9 need the catalogue
    assert journal["deviated"]
    nothing_left(connect())


def test_killed_pods_are_replaced(study, lab):
    workspace, item = study(Fault.POD_KILL, "checkout", strength=1.0)
    journal = played(workspace, item)
    assert output(journal, "terminate_pods")
    assert journal["rollbacks"][-1]["status"] == "succeeded"


def test_a_squeeze_a_loss_and_a_surge_are_on_together_and_nothing_stays_behind(study, lab):
    before = connect().allocation(SHADOW, shop_services())
    beside = (
        Companion(fault=Fault.REPLICA_LOSS, component="cart", strength=0.5),
        Companion(fault=Fault.TRAFFIC_SURGE, component="gateway", strength=2.0),
    )
    workspace, item = study(Fault.CPU_SQUEEZE, strength=0.3, companions=beside)
    journal = played(workspace, item)
    assert {run["status"] for run in journal["run"] + journal["rollbacks"]} == {"succeeded"}
    assert output(journal, "resize_pods")
    lost = output(journal, "scale_down")
    assert lost["to"] < lost["from"]
    sent = read_requests(workspace / "outcomes" / "lab" / item.issue.id / "load")
    before_s, surging_s = len(sent.between(0, 4)) / 4, len(sent.between(5, 11)) / 6  # the fault is on from 4 to 12
    assert 1.5 < surging_s / before_s < 2.7  # twice, and what chance does to a few dozen arrivals
    assert connect().allocation(SHADOW, shop_services()) == before
    nothing_left(connect())


def test_production_is_refused_and_nothing_in_it_is_touched(study, lab):
    cluster = connect()
    before = [pod["metadata"]["uid"] for pod in cluster.objects("shop", ("Pod",))]
    workspace, item = study(Fault.POD_KILL)
    file = workspace / "generated" / "lab" / item.experiment
    file.write_text(file.read_text().replace('"shop-shadow"', '"shop"'))
    journal = played(workspace, item)
    assert journal["steady_states"]["before"]["steady_state_met"] is False
    assert journal["run"] == []
    assert [pod["metadata"]["uid"] for pod in cluster.objects("shop", ("Pod",))] == before


def test_the_stop_switch_halts_an_experiment_and_its_rollbacks_put_everything_back(study, lab):
    from chaosprsa.cluster import resume, stop

    cluster = connect()
    workspace, item = study(Fault.REPLICA_LOSS)
    load = workspace / "outcomes" / "lab" / item.issue.id / "load"
    with subprocess.Popen(command(item), cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        try:
            until(lambda: read_load(load))
            stop(cluster, SHADOW, "a drill of the switch")
            assert running.wait(60) is not None
        finally:
            resume(cluster, SHADOW)
    journal = json.loads((workspace / "journal.json").read_text())
    assert journal["status"] == "interrupted"
    assert journal["rollbacks"]
    assert read_load(load)["ended"] is None
    nothing_left(cluster)


def test_while_the_stop_switch_is_on_nothing_is_played(study, lab):
    from chaosprsa.cluster import resume, stop

    cluster = connect()
    before = [pod["metadata"]["uid"] for pod in cluster.objects(SHADOW, ("Pod",))]
    workspace, item = study(Fault.POD_KILL)
    stop(cluster, SHADOW, "closed")
    try:
        journal = played(workspace, item)
    finally:
        resume(cluster, SHADOW)
    assert journal["status"] == "interrupted"
    assert not any(run["activity"]["provider"]["func"] == "terminate_pods" for run in journal["run"])
    assert "closed" in json.dumps(journal["run"])
    assert [pod["metadata"]["uid"] for pod in cluster.objects(SHADOW, ("Pod",))] == before


def test_a_killed_run_leaves_no_locust_behind(study, lab):
    workspace, item = study(Fault.TRAFFIC_SURGE, "gateway")
    load = workspace / "outcomes" / "lab" / item.issue.id / "load"
    with subprocess.Popen(command(item), cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        until(lambda: read_load(load))
        assert locusts(load)
        running.send_signal(signal.SIGKILL)
    until(lambda: not locusts(load), 10.0)
    cluster = connect()
    for snapshot in cluster.shadow(SHADOW).open_snapshots():
        cluster.shadow(SHADOW).restore(snapshot)


def locusts(folder):
    """Processes whose command line names the folder of the load."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes()
            found += [file.parent.name] if str(folder).encode() in words and b"locustfile" in words else []
    return found


def shop_services():
    return [service.name for service in shop().services]


def until(true, within_s=60.0):
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)
