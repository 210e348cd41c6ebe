"""What init proposes from what it finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.discovery import Found, endpoints_of, guess_entry, propose, rounded_up
from chaosprsa.errors import InvalidSettings


def found(**changes):
    values = {
        "namespace": "shop",
        "context": "",
        "services": ("web", "db"),
        "stateful": ("db",),
        "entry": "web",
        "edges": (("web", "db", 1.5),),
        "latency_p99_ms": 118.0,
        "endpoints": ({"path": "/", "weight": 1.0},),
        "prometheus": "http://localhost:9090",
        "history": "",
    }
    return Found(**{**values, **changes})


def test_the_objective_is_twice_what_was_measured_rounded_up():
    proposal = propose(found())
    assert proposal.settings.entry_slo.latency_ms == 250
    assert "118 ms" in proposal.remarks["slo.web.latency_ms"]
    assert proposal.settings.workload_kinds == {"web": "Deployment", "db": "StatefulSet"}
    assert proposal.notes == ()


def test_what_was_not_found_is_said():
    notes = " ".join(propose(found(edges=(), latency_p99_ms=None, prometheus="")).notes)
    assert "no call edges" in notes
    assert "is a guess" in notes
    assert "no Prometheus" in notes


def test_an_empty_namespace_is_refused():
    with pytest.raises(InvalidSettings, match="no Deployment or StatefulSet"):
        propose(found(services=()))


@given(st.floats(1e-6, 1e9))
def test_a_rounded_number_is_at_least_the_value_and_at_most_half_as_much_again(value):
    assert value <= rounded_up(value) <= 1.51 * value


def test_the_entry_is_exposed_and_called_by_nobody():
    edges = (("web", "cart", 1.0), ("cart", "db", 1.0))
    assert guess_entry(("cart", "db", "web", "batch"), edges, ("web", "batch")) == "web"
    assert guess_entry(("cart", "db", "web"), edges, ()) == "web"
    assert guess_entry(("only",), (), ()) == "only"


def test_the_mix_comes_from_the_services_annotation():
    text = '[{"path": "/a", "weight": 2}]'
    assert endpoints_of({"chaosprsa.io/endpoints": text}, "service/web") == ({"path": "/a", "weight": 2.0},)
    assert endpoints_of({}, "service/web") == ()


@pytest.mark.parametrize("text", ["{", "3", '[{"path": "/"}]', '["/"]'])
def test_a_malformed_mix_names_the_service(text):
    with pytest.raises(InvalidSettings, match="service/web"):
        endpoints_of({"chaosprsa.io/endpoints": text}, "service/web")
