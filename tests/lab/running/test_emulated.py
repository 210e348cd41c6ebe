"""A public call graph, played for real."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaosprsa.history.files import read_history
from chaosprsa.lab.emulate import emulate
from chaosprsa.lab.process import running_lab

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[4] / "shared" / "data"))
BOUTIQUE = DATA / "nezha" / "2022-08-22"


@pytest.mark.usefixtures("_prometheus")
@pytest.mark.skipif(not BOUTIQUE.is_dir(), reason=f"no public history at {BOUTIQUE}; set CHAOSPRSA_DATA")
def test_online_boutique_answers_at_thirty_requests_a_second(tmp_path, call_url):
    history = read_history(BOUTIQUE, datetime(2026, 1, 1, tzinfo=UTC))
    with running_lab(tmp_path, emulate(history.topology, history, 30.0)) as lab:
        answers = [call_url(lab.entry_url) for _ in range(10)]
    assert [status for status, _ in answers] == [200] * 10
    assert sorted(json.loads(text)["simulated_ms"] for _, text in answers)[5] < 1000
