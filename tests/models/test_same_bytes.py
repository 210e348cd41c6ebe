"""A bundle is the same to the byte in any process: no order of a set or a hash, no thread and no clock gets into it."""

import os
import subprocess
import sys

import pytest

LEARN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from chaosprsa.history.files import read_history
from chaosprsa.models.bundle import learn, save_bundle
history = read_history(Path(sys.argv[1]), datetime(2027, 1, 1, tzinfo=UTC))
save_bundle(learn(history, seed=3), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_two_processes_learn_the_same_bytes(tmp_path, announced):
    from chaosprsa.history.files import write_history

    write_history(announced, tmp_path / "history")
    for number, threads in (("1", "1"), ("2", "2")):
        environment = {**os.environ, "PYTHONHASHSEED": number, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", LEARN, tmp_path / "history", tmp_path / number]
        subprocess.run(command, env=environment, check=True, timeout=100)
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / number).iterdir() if file.name != "manifest.json"}
        for number in "12"
    )
    assert "precursors.skops" in first
    assert first == second
    manifests = [(tmp_path / number / "manifest.json").read_text() for number in "12"]
    differing = [a for a, b in zip(*(text.splitlines() for text in manifests), strict=True) if a != b]
    assert all("created" in line or "made" in line for line in differing), differing
