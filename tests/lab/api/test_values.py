"""Quantities, selectors and conditions."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.lab import conditions
from chaosprsa.lab.quantities import added, canonical, exact, written
from chaosprsa.lab.selectors import field_matcher, label_selector, matcher
from chaosprsa.lab.selectors import written as selector_text
from chaosprsa.lab.status import StatusError

CANONICAL = [  # as a Kubernetes 1.34 answered
    ("1000m", "1"),
    ("2048", "2048"),
    ("0Mi", "0"),
    ("1000000", "1M"),
    ("1024", "1024"),
    ("0.5Ki", "512"),
    ("1024Mi", "1Gi"),
    ("0.1", "100m"),
    ("2048Mi", "2Gi"),
    ("1536Mi", "1536Mi"),
    ("0.05", "50m"),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL)
def test_a_quantity_has_one_canonical_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@given(st.integers(0, 10**15), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "u", "n"]))
def test_the_canonical_form_keeps_the_value(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert exact(canonical(text)) == exact(text)
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize("text", ["", "x", "1x", "1 Gi", "--1", "1.2.3", "Mi"])
def test_what_is_no_quantity_is_a_bad_request(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        exact(text)
    assert caught.value.code == 400


def test_sums_stay_in_their_family() -> None:
    assert added("0", "64Mi") == "64Mi"
    assert added("512Mi", "512Mi") == "1Gi"
    assert added("300m", "700m") == "1"
    assert written(Fraction(3, 2)) == "1500m"


LABELS = {"app": "web", "tier": "front", "zone": "1"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("app=web", True),
        ("app = web , tier==front", True),
        ("app!=web", False),
        ("missing!=x", True),
        ("app in (a,web)", True),
        ("app notin (a, b),zone", True),
        ("!app", False),
        ("!missing", True),
        ("missing notin (x)", True),
        ("missing in (x)", False),
        ("example.com/name=", False),
    ],
)
def test_a_selector_matches_as_kubectl_reads_it(selector: str, matches: bool) -> None:
    assert matcher(selector)(LABELS) is matches


@pytest.mark.parametrize("selector", ["a in b", "a=b=c", "=x", "a in (b", "a b", "a,,b", ",", "a~b"])
def test_a_selector_that_is_none_is_a_bad_request(selector: str) -> None:
    with pytest.raises(StatusError) as caught:
        matcher(selector)
    assert caught.value.code == 400


def test_a_label_selector_joins_labels_and_expressions() -> None:
    selector = {
        "matchLabels": {"app": "web"},
        "matchExpressions": [
            {"key": "zone", "operator": "In", "values": ["1", "2"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    assert label_selector(selector)(LABELS)
    assert not label_selector(selector)({**LABELS, "old": ""})
    assert matcher(selector_text(selector))(LABELS)
    assert label_selector({})(LABELS)
    assert not label_selector(None)(LABELS)


def test_a_field_selector_reads_booleans_and_missing_fields() -> None:
    node = {"metadata": {"name": "n"}, "spec": {"unschedulable": True}}
    assert field_matcher("spec.unschedulable=true", ("spec.unschedulable",))(node)
    assert field_matcher("spec.unschedulable!=true", ("spec.unschedulable",))({"metadata": {}, "spec": {}})
    assert field_matcher("", ())(node)


def test_a_transition_time_moves_only_with_the_status() -> None:
    old: list[Any] = conditions.laid((), "t1", {"type": "Ready", "status": "True", "reason": "a"})
    same = conditions.laid(old, "t2", {"type": "Ready", "status": "True", "reason": "b"})
    other = conditions.laid(same, "t3", {"type": "Ready", "status": "False", "reason": "b"})
    assert [each[0]["lastTransitionTime"] for each in (old, same, other)] == ["t1", "t1", "t3"]
    assert same[0]["reason"] == "b"
