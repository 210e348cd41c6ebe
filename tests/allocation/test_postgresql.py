"""A study that workers share in a real PostgreSQL: begun together, killed, cut off from it, resumed."""

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("study_worker.py")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def folder_of_programs():
    """Where initdb and pg_ctl are: Debian keeps them off the PATH."""
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((place for place in places if (place / "pg_ctl").exists()), None)


class Server:
    """A PostgreSQL of its own on loopback; as the user postgres where the tests run as root, which it refuses."""

    def __init__(self, programs, data):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.programs, self.data = programs, data
        self.url = f"postgresql://team@127.0.0.1:{self.port}/postgres"
        self.workers = []
        self._run("initdb", "-A", "trust", "-U", "team", "--no-sync")

    def _run(self, program, *arguments):
        lower = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*lower, self.programs / program, "-D", self.data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def start(self):
        listen = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-w", "-l", self.data / "log", "-o", listen, "start")

    def stop(self):
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def worker(self, seed, count, pause_s):
        """`count` trials in all, `pause_s` for each batch of two."""
        command = [sys.executable, WORKER, self.url, str(seed), str(count), str(pause_s)]
        self.workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return self.workers[-1]

    def end(self):
        for each in self.workers:
            each.kill()
            each.communicate()
        self.stop()


@pytest.fixture
def server():
    programs = folder_of_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine: neither initdb nor pg_ctl is found (Debian: postgresql)")
    pytest.importorskip("psycopg", reason="no driver: pip install 'chaosprsa[postgresql]'")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are root's alone
        data = Path(folder)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(data, owner.pw_uid, owner.pw_gid)
        server = Server(programs, data)
        server.start()
        yield server
        server.end()


def begun(workers, batches=1):
    """Wait until each has asked for so many batches."""
    for each in workers:
        for _ in range(batches):
            assert each.stdout.readline() == "asked\n"


def ended(each):
    """What it says at its end."""
    said, _ = each.communicate(timeout=200)
    assert each.returncode == 0
    return json.loads(said.splitlines()[-1])


def test_what_is_killed_or_cut_off_costs_the_others_nothing_and_a_database_that_comes_back_has_everything(server):
    """Two begin together on an empty database; one is killed in a trial; the database stops and comes back."""
    killed, cut_off = server.worker(1, 16, 600), server.worker(2, 16, 0.5)
    begun([killed, cut_off])
    killed.kill()
    begun([cut_off])
    server.stop()
    begun([cut_off], 2)
    server.start()
    said = ended(cut_off)
    dropped, back = said["notes"]
    assert "dropped out" in dropped
    assert "there again at the end, and has the" in back
    assert said["done"] == 16
    resumed = ended(server.worker(3, 16, 0.1))
    assert resumed == {"done": 16, "cost": said["cost"], "notes": []}
