"""The store: versions, order of notifications, what a watch may resume from."""

from typing import Any

import pytest

from chaosprsa.lab.boot import boot
from chaosprsa.lab.status import StatusError
from chaosprsa.lab.store import Store


@pytest.fixture
def store() -> Store:
    made = Store(history=5)
    boot(made)
    return made


def _map(name: str, **data: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def test_what_was_read_does_not_change_with_a_later_write(store: Store) -> None:
    first = store.create("configmaps", _map("a", x="1"))
    store.patch("configmaps", "default", "a", {"data": {"x": "2"}})
    assert first["data"] == {"x": "1"}
    assert store.get("configmaps", "default", "a")["data"] == {"x": "2"}


def test_a_write_does_not_keep_the_callers_object(store: Store) -> None:
    body = _map("a", x="1")
    store.create("configmaps", body)
    body["data"]["x"] = "changed"
    assert store.get("configmaps", "default", "a")["data"] == {"x": "1"}


def test_a_subscriber_that_writes_is_heard_after_the_first_change(store: Store) -> None:
    heard: list[tuple[str, str]] = []

    def answer(event: str, obj: dict[str, Any]) -> None:
        if event == "ADDED" and obj["metadata"]["name"] == "a":
            store.create("configmaps", _map("b"))

    store.subscribe("configmaps", answer)
    store.subscribe("configmaps", lambda event, obj: heard.append((event, obj["metadata"]["name"])))
    store.create("configmaps", _map("a"))
    assert heard == [("ADDED", "a"), ("ADDED", "b")]


def test_a_subscriber_that_fails_stops_neither_the_write_nor_the_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def fail(event: str, obj: dict[str, Any]) -> None:
        raise RuntimeError(event + obj["kind"])

    store.subscribe("configmaps", fail)
    leave = store.subscribe("configmaps", lambda event, _obj: heard.append(event))
    store.create("configmaps", _map("a"))
    leave()
    store.create("configmaps", _map("b"))
    assert heard == ["ADDED"]
    assert "a subscriber failed" in caplog.text


def test_a_late_subscriber_may_have_what_is_there_replayed(store: Store) -> None:
    store.create("configmaps", _map("a"))
    heard: list[str] = []
    store.subscribe("configmaps", lambda event, obj: heard.append(event + obj["metadata"]["name"]), replay=True)
    assert heard == ["ADDEDa"]


def test_changes_are_kept_so_far_back_and_no_further(store: Store) -> None:
    begin = store.version
    for name in "abcdef":
        store.create("configmaps", _map(name))
    with pytest.raises(StatusError) as caught:
        store.changes_since("configmaps", begin)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    names = [change.obj["metadata"]["name"] for change in store.changes_since("configmaps", begin + 1)]
    assert names == list("bcdef")
    assert store.changes_since("configmaps", store.version) == ()
    with pytest.raises(StatusError):
        store.changes_since("configmaps", store.version + 1)


def test_a_status_is_laid_over_what_is_there_and_never_on_another_of_the_name(store: Store) -> None:
    first = store.create("resourcequotas", {"metadata": {"name": "q", "namespace": "default"}, "spec": {}})
    store.set_status("resourcequotas", first, used={"pods": "1"}, hard={})
    store.set_status("resourcequotas", first, hard=None)
    assert store.get("resourcequotas", "default", "q")["status"] == {"used": {"pods": "1"}}
    store.delete("resourcequotas", "default", "q")
    store.create("resourcequotas", {"metadata": {"name": "q", "namespace": "default"}, "spec": {}})
    store.set_status("resourcequotas", first, used={"pods": "9"})
    assert store.get("resourcequotas", "default", "q")["status"] == {}


def test_a_shape_that_makes_no_sense_is_a_bad_request(store: Store) -> None:
    for body in (
        {"metadata": {"name": "x"}, "spec": []},
        {"metadata": {"name": "x"}, "spec": {"template": "no"}},
        {"metadata": {"name": "x"}, "spec": {"selector": 1, "template": {"spec": {"containers": 7}}}},
    ):
        with pytest.raises(StatusError) as caught:
            store.create("deployments", body)
        assert caught.value.code == 400


def test_labels_choose_by_text_and_by_map(store: Store) -> None:
    body = _map("a")
    body["metadata"]["labels"] = {"x": "1", "y": "2"}
    store.create("configmaps", body)
    store.create("configmaps", _map("b"))
    for labels in ("x=1,y", {"x": "1"}):
        assert [each["metadata"]["name"] for each in store.list("configmaps", "default", labels)] == ["a"]
    assert len(store.list("configmaps")) == 2
