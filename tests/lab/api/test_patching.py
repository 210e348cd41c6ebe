"""Patches: the examples of the RFCs, and lists that strategic merge joins."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.lab.patching import applied, conflicts, json_patch, merge_patch, strategic_patch
from chaosprsa.lab.status import StatusError

RFC_7386 = [  # appendix A: target, patch, result
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
RFC_6902 = [  # appendix A: document, operations, result
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {}}], {"foo": "bar", "child": {}}),
]
REFUSED = [
    ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}]),
    ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}]),
    ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}]),
    ({"foo": ["a"]}, [{"op": "add", "path": "/foo/5", "value": "b"}]),
    ({"foo": ["a"]}, [{"op": "remove", "path": "/foo/-1"}]),
    ({"foo": 1}, [{"op": "add", "path": "foo", "value": 1}]),
    ({"foo": 1}, [{"path": "/foo"}]),
    ({"foo": 1}, ["remove"]),
]
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner))


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_a_merge_patch_does_as_its_rfc_says(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


@pytest.mark.parametrize(("document", "operations", "result"), RFC_6902)
def test_a_json_patch_does_as_its_rfc_says(document: Any, operations: Any, result: Any) -> None:
    before = json.dumps(document)
    assert json_patch(document, operations) == result
    assert json.dumps(document) == before


@pytest.mark.parametrize(("document", "operations"), REFUSED)
def test_a_json_patch_that_can_not_be_done_is_refused(document: Any, operations: Any) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch(document, operations)
    assert caught.value.code == 422


@given(target=JSON, patch=JSON)
def test_a_merge_patch_twice_is_a_merge_patch_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def test_a_list_with_a_key_is_joined_and_others_are_replaced() -> None:
    target = {"containers": [{"name": "a", "args": ["1", "2"], "image": "x"}, {"name": "b"}]}
    change = {"containers": [{"name": "a", "args": ["3"]}, {"name": "c", "image": "z"}]}
    assert strategic_patch(target, change) == {
        "containers": [{"name": "a", "args": ["3"], "image": "x"}, {"name": "b"}, {"name": "c", "image": "z"}]
    }


def test_directives_delete_replace_and_retain() -> None:
    target = {"containers": [{"name": "a"}, {"name": "b"}], "labels": {"x": "1", "y": "2"}, "finalizers": ["f", "g"]}
    assert strategic_patch(target, {"containers": [{"name": "a", "$patch": "delete"}]})["containers"] == [{"name": "b"}]
    assert strategic_patch(target, {"labels": {"$patch": "replace", "z": "3"}})["labels"] == {"z": "3"}
    replaced = strategic_patch(target, {"containers": [{"name": "c"}, {"$patch": "replace"}]})
    assert replaced["containers"] == [{"name": "c"}]
    assert strategic_patch(target, {"finalizers": ["h"]})["finalizers"] == ["f", "g", "h"]
    assert strategic_patch(target, {"$deleteFromPrimitiveList/finalizers": ["f"]})["finalizers"] == ["g"]
    strategy = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    change = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert strategic_patch(strategy, change) == {"strategy": {"type": "Recreate"}}


def test_ports_of_a_service_are_joined_by_port_and_those_of_a_container_by_container_port() -> None:
    service = {"ports": [{"port": 80, "targetPort": 1}, {"port": 81}]}
    assert strategic_patch(service, {"ports": [{"port": 80, "targetPort": 2}]}) == {
        "ports": [{"port": 80, "targetPort": 2}, {"port": 81}]
    }
    container = {"ports": [{"containerPort": 80}]}
    assert strategic_patch(container, {"ports": [{"containerPort": 81}]})["ports"] == [
        {"containerPort": 80},
        {"containerPort": 81},
    ]


def test_an_apply_takes_away_only_what_the_same_manager_said_before() -> None:
    target = {"spec": {"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "value": "1"}]}], "theirs": 1}}
    last = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "gone"}], "old": 1}}
    config = {"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "new", "image": "z"}]}}
    target["spec"]["containers"].append({"name": "gone"})  # type: ignore[attr-defined]
    target["spec"]["old"] = 1
    assert applied(target, config, last)["spec"] == {
        "containers": [
            {"name": "a", "image": "y", "env": [{"name": "E", "value": "1"}]},
            {"name": "new", "image": "z"},
        ],
        "theirs": 1,
    }


def test_a_conflict_names_the_manager_and_the_path() -> None:
    target = {"spec": {"replicas": 2, "paused": False}}
    others = {"hpa": {"spec": {"replicas": 2}}}
    assert conflicts({"spec": {"replicas": 3, "paused": True}}, target, others) == [("hpa", ".spec.replicas")]
    assert conflicts({"spec": {"replicas": 2}}, target, others) == []
