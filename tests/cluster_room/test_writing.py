"""Single writes while others write, too: again until one gets through, and given up in the server's words."""

import copy

import pytest

from chaosprsa.cluster import writing
from chaosprsa.errors import ClusterRefused

STALE = "the object has been modified"


class BusyApi:
    """One Deployment whose status somebody writes between each read and the write that follows, so many times."""

    def __init__(self, conflicts):
        self.left = conflicts
        metadata = {"name": "web", "namespace": "shop", "resourceVersion": "1"}
        self.stored = {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 2}}

    def get(self, *_):
        return copy.deepcopy(self.stored)

    find = get

    def replace(self, manifest):
        if self.left:
            self.left -= 1
            raise ClusterRefused(STALE, 409)
        self.stored = copy.deepcopy(manifest)
        return self.stored


def to_five(manifest):
    manifest["spec"]["replicas"] = 5


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Waits pass at once."""
    now = [0.0]
    monkeypatch.setattr(writing.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(writing.time, "sleep", lambda wait_s: now.__setitem__(0, now[0] + wait_s))
    return now


WRITES = {
    "modify": lambda api: writing.modify(api, "Deployment", "shop", "web", to_five),
    "put": lambda api: writing.put(api, {**api.get(), "spec": {"replicas": 5}}),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_rollout_that_writes_its_status_all_the_time_only_delays_a_write(write):
    """A recommendation once ended at the eighth conflict, on a busy machine while pods came and went."""
    api = BusyApi(conflicts=20)
    assert WRITES[write](api)["spec"]["replicas"] == 5


@pytest.mark.parametrize("write", WRITES)
def test_an_object_that_never_rests_is_given_up_after_half_a_minute(write, clock):
    with pytest.raises(ClusterRefused, match=STALE):
        WRITES[write](BusyApi(conflicts=10_000))
    assert 30 <= clock[0] < 31
