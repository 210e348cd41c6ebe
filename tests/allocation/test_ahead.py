"""Floors by time as a script that runs, and placeholder pods as manifests that Kubernetes' own rules accept."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import yaml

from chaosprsa.allocation.ahead import FILES, PRIORITY, ROOM, ahead_outputs
from chaosprsa.errors import BadInput
from chaosprsa.manifests import Workload
from chaosprsa.types import (
    Allocation,
    Autoscaling,
    Placeholder,
    Provisioning,
    Resources,
    ServiceAllocation,
    TimedFloor,
)

POD = Resources(cpu_request_millicores=250, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=256)
LONG_AGO = datetime(2020, 1, 1, 12, tzinfo=UTC)  # the script waits for nothing


def given(**replicas):
    return Allocation(
        services=tuple(ServiceAllocation(service=name, replicas=n, resources=POD) for name, n in replicas.items())
    )


FLOOR = TimedFloor(
    service="web", floor=6, usual=2, begins=LONG_AGO + timedelta(hours=5), ready_by=LONG_AGO + timedelta(hours=5.1),
    lapses=LONG_AGO + timedelta(hours=7), lead_s=360.0, issues=("surge-1",), cost=0.1,
)  # fmt: skip
PLAN = Provisioning(
    horizon_s=86_400.0, usual=given(web=2, cart=3),
    floors=(FLOOR, replace(FLOOR, service="cart", floor=4, usual=3, begins=LONG_AGO + timedelta(hours=4))),
    foreseen=(), cost_always=8.0, cost_ahead=3.0, risk_always=-0.1, risk_ahead=-0.02, ahead=True, reason="cheaper",
    placeholders=(
        Placeholder(
            service="web", pods=4, resources=POD, begins=LONG_AGO + timedelta(hours=4.9),
            lapses=LONG_AGO + timedelta(hours=7),
        ),
    ),
)  # fmt: skip
ANSWER = SimpleNamespace(
    id="recommendation-1", namespace="shop", currency="USD", created=LONG_AGO, lapses_at=LONG_AGO + timedelta(hours=24),
    recommended=given(web=6, cart=4), provisioning=PLAN,
    autoscaling=(Autoscaling(service="web", floor=2, ceiling=9, target=None, reason=""),),
)  # fmt: skip
WORKLOADS = (
    Workload("web", "Deployment", "web", 2, "web", POD, hpa="web-hpa", floor=2, ceiling=8),
    Workload("cart-v2", "StatefulSet", "cart", 2, "main", POD),
)


@pytest.fixture(scope="module")
def texts():
    return ahead_outputs(ANSWER, WORKLOADS)


@pytest.fixture(scope="module")
def ran(texts, tmp_path_factory):
    """What the script calls, by a kubectl that only says what it is given."""
    folder = tmp_path_factory.mktemp("ahead")
    (folder / "kubectl").write_text('#!/bin/sh\nprintf "%s\\n" "$*"\n')
    (folder / "kubectl").chmod(0o755)
    script = folder / FILES["directives"]
    script.write_text(texts["directives"])
    done = subprocess.run(
        ["/bin/sh", str(script)], capture_output=True, text=True, timeout=20, check=True,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
    )  # fmt: skip
    return [line.replace(str(folder), "FOLDER") for line in done.stdout.splitlines()]


def test_the_script_lowers_raises_lowers_and_puts_back_in_time_order(ran):
    floors = [line for line in ran if "minReplicas" in line or "scale" in line]
    assert floors == [
        '-n shop patch hpa web-hpa --type merge -p {"spec":{"minReplicas":2,"maxReplicas":9}}',
        "-n shop scale statefulset/cart-v2 --replicas=3",
        "-n shop scale statefulset/cart-v2 --replicas=4",
        '-n shop patch hpa web-hpa --type merge -p {"spec":{"minReplicas":6,"maxReplicas":9}}',
        '-n shop patch hpa web-hpa --type merge -p {"spec":{"minReplicas":2,"maxReplicas":9}}',
        "-n shop scale statefulset/cart-v2 --replicas=3",
        '-n shop patch hpa web-hpa --type merge -p {"spec":{"minReplicas":6,"maxReplicas":9}}',
        "-n shop scale statefulset/cart-v2 --replicas=4",
    ]


def test_room_is_made_before_the_pods_and_given_back_after(ran):
    made = next(at for at, line in enumerate(ran) if "apply" in line)
    gone = next(at for at, line in enumerate(ran) if "delete deployment" in line)
    raised = ran.index('-n shop patch hpa web-hpa --type merge -p {"spec":{"minReplicas":6,"maxReplicas":9}}')
    assert made < raised < gone
    assert f"-f FOLDER/{FILES['placeholders']} -l {ROOM} in (chaosprsa-room,chaosprsa-room-web-1)" in ran[made]


def test_the_script_waits_until_a_directive_is_due(texts, tmp_path):
    soon = datetime.now(UTC) + timedelta(seconds=2)
    (line,) = [one for one in texts["directives"].splitlines() if one.startswith("at()")]
    (tmp_path / "waits.sh").write_text(f"{line}\nat {soon.timestamp():.0f} date +%s\n")
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "waits.sh")], capture_output=True, text=True, timeout=20, check=True
    )
    assert int(done.stdout) >= int(soon.timestamp())


def test_placeholders_reserve_what_the_pods_request_and_give_way(texts):
    priority, pods = yaml.safe_load_all(texts["placeholders"])
    assert (priority["kind"], priority["value"], priority["preemptionPolicy"]) == ("PriorityClass", PRIORITY, "Never")
    assert PRIORITY < 0
    spec = pods["spec"]["template"]["spec"]
    assert pods["spec"]["replicas"] == 4
    assert spec["priorityClassName"] == priority["metadata"]["name"]
    assert spec["containers"][0]["resources"]["requests"] == {"cpu": "250m", "memory": "128Mi"}
    assert pods["spec"]["selector"]["matchLabels"] == pods["spec"]["template"]["metadata"]["labels"]


def test_each_directive_says_when_and_for_what(texts):
    assert "# 2020-01-01 17:00:00 UTC: web 2 -> 6, ready by 2020-01-01 17:06:00 UTC" in texts["directives"]
    assert "for surge-1" in texts["directives"]


def test_held_always_there_is_nothing_to_do(tmp_path):
    always = SimpleNamespace(id="r", provisioning=replace(PLAN, ahead=False, reason="the windows save nothing"))
    for text in ahead_outputs(always, WORKLOADS).values():
        assert text == "# r: hold the recommendation always: the windows save nothing.\n"


def test_a_service_without_a_workload_is_refused():
    with pytest.raises(BadInput, match="web"):
        ahead_outputs(ANSWER, WORKLOADS[1:])
