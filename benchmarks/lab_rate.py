"""Claim: beside Locust and Prometheus on two cores the lab holds 300 requests/s, and adds 5 ms or less to most answers.

The lab says in each answer how long it should have taken; a prober beside Locust measures how long it took. What is
added contains the prober's own time, and is measured without and with the load in one run.

    python benchmarks/lab_rate.py --rate 300 --seconds 20 --json out.json
"""

import argparse
import http.client
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from chaosprsa.documents import lineage, write_document
from chaosprsa.lab.process import RunningLab, running_lab
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import LabTopology
from chaosprsa.loadtest import runner
from chaosprsa.types import LoadMode, LoadPoint, LoadProfile

PROBES_PER_S = 25


def roomy(rate: float) -> LabTopology:
    """The shop with pods enough for this load; production's own users stay at their 60 requests/s."""
    plain = shop()
    factor = 1 + rate / plain.rate_per_s
    services = tuple(
        replace(service, replicas=max(service.replicas, round(factor * min(service.replicas, 2))))
        for service in plain.services
    )
    return replace(plain, services=services)


def cpu_s(pid: int) -> float:
    """User and system time so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def probe(lab: RunningLab, seconds: float) -> dict[str, float]:
    """What the lab adds to its answers (measured - simulated, ms), and the CPU share of lab and Prometheus."""
    connection = http.client.HTTPConnection(lab.entry_url.removeprefix("http://"), timeout=10)
    before, started = (cpu_s(lab.pid), cpu_s(lab.prometheus_pid)), time.perf_counter()
    added, took, failed = [], [], 0
    while (now := time.perf_counter()) - started < seconds:
        connection.request("GET", "/cart")
        answer = connection.getresponse()
        told = json.loads(answer.read())
        spent = 1000 * (time.perf_counter() - now)
        failed += answer.status != 200
        added.append(spent - told["simulated_ms"])
        took.append(spent)
        time.sleep(max(0.0, 1 / PROBES_PER_S - (time.perf_counter() - now)))
    connection.close()
    passed = time.perf_counter() - started
    return {
        "probes": len(added),
        "failed": failed,
        "latency_p50_ms": float(np.percentile(took, 50)),
        "latency_p99_ms": float(np.percentile(took, 99)),
        "added_p50_ms": float(np.percentile(added, 50)),
        "added_p99_ms": float(np.percentile(added, 99)),
        "lab_cpu_share": (cpu_s(lab.pid) - before[0]) / passed,
        "prometheus_cpu_share": (cpu_s(lab.prometheus_pid) - before[1]) / passed,
    }


def profile(rate: float, seconds: float, topology: LabTopology) -> LoadProfile:
    """A steady load."""
    return LoadProfile(
        id="lab-rate",
        mode=LoadMode.RATE,
        points=(LoadPoint(time_s=0, level=rate), LoadPoint(time_s=seconds, level=rate)),
        mix=topology.mix,
        seed=1,
        lineage=lineage("profile", [rate, seconds]),
    )


def main() -> None:
    """Measure without and with the load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=300.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    topology = roomy(options.rate)
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.perf_counter()
        with running_lab(folder / "lab", topology, steady=True) as lab:
            start_s = time.perf_counter() - began
            time.sleep(2)
            alone = probe(lab, options.seconds / 2)
            played = profile(options.rate, options.seconds, topology)
            load = runner.start(write_document(folder / "profile.json", played), lab.entry_url, folder / "load")
            time.sleep(2)
            loaded = probe(lab, options.seconds - 4)
            load.process.wait(60)
            done = sum(1 for _ in (folder / "load" / runner.REQUESTS).open(encoding="utf-8")) - 1
    found = {"start_s": start_s, "without": alone, "with": loaded, "load_per_s": done / options.seconds}
    found["loadavg"] = os.getloadavg()[0]
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
