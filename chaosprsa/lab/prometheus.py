"""Find a real Prometheus, or fetch Debian's without root, and run it on the lab's metrics."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from chaosprsa.errors import ToolMissing

FETCH_S = 300.0
READY_S = 20.0
_PR_SET_PDEATHSIG = 1
_WAYS = (
    "Ways to have it: put a `prometheus` binary on PATH (prometheus.io/download), or into {cache}; "
    "or, on Debian and Ubuntu with their package servers reachable, it is fetched by itself (apt-get download, no root)"
)


def find_prometheus(cache: Path) -> Path:
    """The binary: on PATH, else cached, else Debian's package fetched and unpacked below `cache`.

    Raises ToolMissing, which names the ways to have it.
    """
    if found := shutil.which("prometheus"):
        return Path(found)
    with _alone(cache):
        for cached in (cache / "prometheus", cache / "debian" / "usr" / "bin" / "prometheus"):
            if cached.is_file() and os.access(cached, os.X_OK):
                return cached
        return _fetched(cache)


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Two labs that start at a time fetch once."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("w")
    except OSError as error:
        raise ToolMissing(f"prometheus: {cache} can't be written: {error}. {_WAYS.format(cache=cache)}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetched(cache: Path) -> Path:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise ToolMissing(f"prometheus is not on PATH, and there is no apt-get here. {_WAYS.format(cache=cache)}")
    work = cache / "fetch"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    reason = _run(["apt-get", "download", "prometheus"], work)
    if not list(work.glob("*.deb")):
        options = _own_lists(cache / "apt")
        _run(["apt-get", *options, "update"], work)
        reason = _run(["apt-get", *options, "download", "prometheus"], work)
    packages = list(work.glob("*.deb"))
    if not packages:
        raise ToolMissing(f"prometheus could not be fetched: {reason}. {_WAYS.format(cache=cache)}")
    reason = _run(["dpkg-deb", "-x", str(packages[0]), "unpacked"], work)
    binary = work / "unpacked" / "usr" / "bin" / "prometheus"
    if not binary.is_file():
        raise ToolMissing(f"prometheus: {packages[0].name} can't be unpacked: {reason}. {_WAYS.format(cache=cache)}")
    _keep(work / "unpacked", cache / "debian")
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(cache / "apt", ignore_errors=True)
    return cache / "debian" / "usr" / "bin" / "prometheus"


def _keep(unpacked: Path, kept: Path) -> None:
    shutil.rmtree(kept, ignore_errors=True)
    unpacked.replace(kept)


def _own_lists(folder: Path) -> list[str]:
    """The machine's own folders may be empty or closed to us: it gets others."""
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    return ["-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]


def _run(command: list[str], folder: Path) -> str:
    """Run it in the folder; its last line of complaint, or an empty string."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    complaints = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
    return complaints[-1] if done.returncode and complaints else ""


@dataclass(frozen=True, slots=True)
class RunningPrometheus:
    """A Prometheus that answers at url."""

    url: str
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """End it; by force after three seconds."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 3)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def run_prometheus(binary: Path, folder: Path, target: str, scrape_s: float = 1.0) -> RunningPrometheus:
    """Start it on one target ("127.0.0.1:1234"), its data below `folder`, and wait until it is ready.

    It has one thread for Go's scheduler, keeps six hours or 512 MB at most, and ends with this process, however that
    ends. Raises ToolMissing with its own last words.
    """
    config = _write_config(folder, target, scrape_s)
    for _ in range(3):
        port = _free_port()
        process = await _spawn(binary, config, folder, port)
        url = f"http://127.0.0.1:{port}"
        if await _is_ready(url, process):
            return RunningPrometheus(url, process)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    raise ToolMissing(f"{binary} does not get ready: {_last_words(folder)}")


def _last_words(folder: Path) -> str:
    lines = (folder / "prometheus.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"


def _write_config(folder: Path, target: str, scrape_s: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.yml"
    config.write_text(_config(target, scrape_s), encoding="utf-8")
    return config


async def _spawn(binary: Path, config: Path, folder: Path, port: int) -> asyncio.subprocess.Process:
    flags = [
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=6h",
        "--storage.tsdb.retention.size=512MB",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            binary,
            *flags,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "GOMAXPROCS": "1", "GOGC": "200"},
            preexec_fn=end_with_parent,
        )


def end_with_parent() -> None:
    """In a child: ask the kernel (Linux) to end it when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


async def _is_ready(url: str, process: asyncio.subprocess.Process) -> bool:
    deadline = asyncio.get_running_loop().time() + READY_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
        while process.returncode is None and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return True
            await asyncio.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _config(target: str, scrape_s: float) -> str:
    return f"""global:
  scrape_interval: {scrape_s * 1000:.0f}ms
  scrape_timeout: {scrape_s * 1000:.0f}ms
  evaluation_interval: 1m
scrape_configs:
- job_name: lab
  honor_labels: true
  static_configs:
  - targets: ["{target}"]
"""
