"""Real binaries for tests: Prometheus and promtool as the lab fetches them, Alertmanager from Debian's package."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaosprsa.errors import ToolMissing
from chaosprsa.lab.process import default_tools
from chaosprsa.lab.prometheus import find_prometheus

READY_S = 30.0


def prometheus_tool(name):
    """prometheus or promtool; skips with the reason where they can't be had."""
    try:
        found = find_prometheus(default_tools())
    except ToolMissing as missing:
        pytest.skip(str(missing))
    tool = shutil.which(name) or str(found.parent / name)
    if not os.access(tool, os.X_OK):
        pytest.skip(f"{tool}: this Prometheus came without {name}")
    return tool


def alertmanager():
    """(binary, folder to run it in): on PATH, cached, or Debian's package unpacked; skips where it can't be had."""
    if found := shutil.which("alertmanager") or shutil.which("prometheus-alertmanager"):
        return found, Path.cwd()
    cache = default_tools() / "alertmanager"
    binary = cache / "usr" / "bin" / "alertmanager-here"
    if not binary.is_file():
        _fetch(cache)
    if not binary.is_file():
        pytest.skip("Alertmanager is not on PATH, and Debian's prometheus-alertmanager could not be fetched")
    return str(binary), cache


def _fetch(cache: Path):
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return
    work = cache.parent / f"alertmanager-fetch-{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    try:
        command = ["apt-get", "download", "prometheus-alertmanager"]
        subprocess.run(command, cwd=work, capture_output=True, timeout=120, check=False)
        for package in work.glob("*.deb"):
            unpacked = work / "unpacked"
            command = ["dpkg-deb", "-x", str(package), str(unpacked)]
            subprocess.run(command, capture_output=True, timeout=60, check=False)
            _movable(unpacked / "usr" / "bin")
            shutil.rmtree(cache, ignore_errors=True)
            unpacked.rename(cache)
    except (OSError, subprocess.TimeoutExpired):
        return
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _movable(folder):
    """Debian's binary looks for its templates below /usr/share: a copy looks below where it is run, at equal length."""
    content = (folder / "prometheus-alertmanager").read_bytes()
    fixed = b"/usr/share/prometheus/alertmanager"
    here = folder / "alertmanager-here"
    here.write_bytes(content.replace(fixed, fixed[1:] + b"/"))
    here.chmod(0o755)


@contextmanager
def running(command, ready, folder, cwd=None):
    """A server on a free port: `command(port)`; yields its URL, ends it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        child = subprocess.Popen(command(port), cwd=cwd, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "1"})
    try:
        _wait(url + ready, child, folder)
        yield url
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(url, child, folder):
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.skip(f"{url} does not get ready: {(folder / 'server.log').read_text(errors='replace')[-300:]}")


def get_json(url, **arguments):
    query = f"?{urllib.parse.urlencode(arguments)}" if arguments else ""
    with urllib.request.urlopen(url + query, timeout=10) as answer:
        return json.load(answer)


@contextmanager
def prometheus_with(text, folder):
    """A real Prometheus whose past is this OpenMetrics text; its address."""
    promtool, server = prometheus_tool("promtool"), prometheus_tool("prometheus")
    file, data = folder / "telemetry.txt", folder / "data"
    file.write_text(text)
    done = subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", file, data], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder / "prometheus.yml").write_text("global: {}\n")

    def command(port):
        return [
            server,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    with running(command, "/-/ready", folder) as url:
        yield url
