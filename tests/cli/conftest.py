"""`chaos prsa` called in this process: the same code, without a second of imports each time."""

import json

import pytest
from click.testing import CliRunner

from chaosprsa.cli import prsa

SETTINGS = """\
[cluster]
namespace = "shop"
[topology]
entry = "gateway"
services = ["gateway", "catalogue", "cart", "checkout", "payment"]
edges = [["gateway", "catalogue", 0.7], ["gateway", "cart", 0.2], ["gateway", "checkout", 0.1],
         ["checkout", "payment"], ["checkout", "cart"]]
[slo.gateway]
latency_ms = 300
"""


class Folder:
    """A working folder and the command line in it."""

    def __init__(self, path):
        self.path = path

    def run(self, *arguments):
        return CliRunner().invoke(prsa, [str(argument) for argument in arguments])

    def settings(self, text=SETTINGS, **sources):
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in sources.items())
        (self.path / "chaosprsa.toml").write_text(text + ("[sources]\n" + lines if lines else ""))

    def files(self):
        return sorted(str(file.relative_to(self.path)) for file in self.path.rglob("*") if file.is_file())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    return Folder(tmp_path)
