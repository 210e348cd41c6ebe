"""chaosprsa.toml: what is read, what is refused, and what init writes."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.errors import InvalidSettings
from chaosprsa.settings import Settings, parse_settings, read_settings
from chaosprsa.settings_file import render_settings

SMALLEST = {
    "cluster": {"namespace": "shop"},
    "topology": {"entry": "gateway", "services": ["gateway", "cart"], "edges": [["gateway", "cart", 0.5]]},
    "slo": {"gateway": {"latency_ms": 300}},
}


def changed(path: str, value: object) -> dict:
    *tables, field = path.split(".")
    values = {name: dict(table) for name, table in SMALLEST.items()}
    table = values
    for name in tables:
        table[name] = dict(table.get(name, {}))
        table = table[name]
    table[field] = value
    return values


def test_the_smallest_file_gives_nouns():
    settings = parse_settings(SMALLEST, "chaosprsa.toml")
    assert settings.call_graph.callees("gateway")[0].calls_per_request == 0.5
    assert settings.entry_slo.latency_ms == 300
    assert settings.shadow_namespace == "shop-shadow"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("slo.gateway.latency_percentile", 995, r"\[slo.gateway\]: latency_percentile is 995, .*Did you mean 99.5\?"),
        ("cluster.contxt", "x", r"\[cluster\]: contxt is not a known field. Did you mean context\?"),
        ("slo.checkout.latency_ms", 5, r"\[slo.checkout\]: no such service"),
        ("topology.edges", [["gateway", "nowhere"]], r"\[topology\].*no such service"),
        ("topology.stateful", ["nowhere"], r"\[topology\]: stateful names nowhere"),
        ("topology.entry", "cart", r"there is no \[slo.cart\]"),
        ("shadow.namespace", "shop", r"\[shadow\]: namespace is production's own"),
        ("shadow.scale", 0, r"\[shadow\]: scale is 0"),
        ("slo.cart.latency_ms", 5, r"\[slo.cart\]: only the entry's objective is judged"),
        ("prices.colour", 3, r"\[prices\]: colour is not a known field; there are: cpu_core_hour"),
        ("prices.cpu_core_hour", -1, r"\[prices\]: cpu_core_hour is -1"),
    ],
)
def test_a_wrong_value_is_named_with_its_table_and_what_was_expected(path, value, message):
    with pytest.raises(InvalidSettings, match=message):
        parse_settings(changed(path, value), "chaosprsa.toml")


def test_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(InvalidSettings, match="chaos prsa init"):
        read_settings(tmp_path / "chaosprsa.toml")


@pytest.mark.parametrize("content", [b"[cluster", b"\xff\xfe\x00", b"cluster = 3", b""])
def test_a_malformed_file_is_refused(tmp_path, content):
    path = tmp_path / "chaosprsa.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidSettings, match=r"chaosprsa\.toml"):
        read_settings(path)


@given(
    namespace=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
    latency=st.floats(1, 1e5),
    query=st.text(max_size=30),
    scale=st.floats(0.01, 1),
)
def test_what_init_writes_reads_back_the_same(namespace, latency, query, scale):
    values = {
        **SMALLEST,
        "cluster": {"namespace": namespace},
        "slo": {"gateway": {"latency_ms": latency}},
        "sources": {"queries": {"request_rate_per_s": query}, "incidents": ["a.jsonl"]},
        "shadow": {"scale": scale},
    }
    settings = parse_settings(values, "x")
    text = render_settings(settings, {"slo.gateway.latency_ms": "twice what was measured"})
    assert Settings.model_validate(tomllib.loads(text)) == settings


def test_every_field_is_written_with_its_reason():
    text = render_settings(parse_settings(SMALLEST, "x"), {})
    for name, field in Settings.model_fields.items():
        model = field.annotation
        for inner, inner_field in getattr(model, "model_fields", {}).items():
            assert f"{inner} = " in text, f"{name}.{inner}"
            assert inner_field.description, f"{name}.{inner} says no reason"


LINK = {"kib_per_request": 200, "now_mbit": 40, "min_mbit": 20, "max_mbit": 200, "mbit_month": 0.5}


def test_declared_bandwidth_is_read_and_written_again():
    settings = parse_settings({**SMALLEST, "bandwidth": {"gateway": LINK}}, "x")
    (link,) = settings.declared.bandwidths
    assert (link.service, link.step_mbit, link.direction) == ("gateway", 10, "egress")
    text = render_settings(settings, {})
    assert "[bandwidth.gateway]" in text
    assert Settings.model_validate(tomllib.loads(text)) == settings


@pytest.mark.parametrize(
    ("service", "change", "message"),
    [
        ("nobody", {}, "declared for nobody, which is not in"),
        ("gateway", {"now_mbit": 10}, "bandwidth of gateway: it is 10 now, outside of its range 20 to 200"),
        ("gateway", {"min_mbit": 300}, "the range is 300 to 200"),
        ("gateway", {"kib_per_request": 0}, r"\[bandwidth.gateway\]: kib_per_request is 0, expected"),
        ("gateway", {"kib_per_requests": 1}, "Did you mean kib_per_request"),
    ],
)
def test_bandwidth_that_cannot_be_is_refused(service, change, message):
    with pytest.raises(InvalidSettings, match=message):
        parse_settings({**SMALLEST, "bandwidth": {service: {**LINK, **change}}}, "x")


VOLUME = {
    "claim": "data",
    "operations_per_request": 3,
    "now": "slow",
    "classes": [
        {"name": "slow", "iops": 500, "volume_month": 1.0},
        {"name": "fast", "iops": 3000, "volume_month": 9.0},
    ],
}


def test_declared_storage_is_read_and_written_again():
    topology = {**SMALLEST["topology"], "stateful": ["gateway"]}
    settings = parse_settings({**SMALLEST, "topology": topology, "storage": {"gateway": VOLUME}}, "x")
    (volume,) = settings.declared.storages
    assert [one.name for one in volume.classes] == ["slow", "fast"]
    assert Settings.model_validate(tomllib.loads(render_settings(settings, {}))) == settings


def test_only_a_statefulsets_pods_have_volumes_of_their_own():
    with pytest.raises(InvalidSettings, match=r"\[storage.gateway\]: only a StatefulSet's pods"):
        parse_settings({**SMALLEST, "storage": {"gateway": VOLUME}}, "x")


def test_a_declared_cache_is_read_and_written_again():
    cache = {
        "config_map": "gateway", "key": "size", "now_mib": 64, "min_mib": 32, "max_mib": 256, "hit_work": 0.1,
        "hits": [[32, 0.2], [256, 0.7]],
    }  # fmt: skip
    settings = parse_settings({**SMALLEST, "cache": {"gateway": cache}}, "x")
    assert settings.declared.caches[0].hits == ((32, 0.2), (256, 0.7))
    assert Settings.model_validate(tomllib.loads(render_settings(settings, {}))) == settings


def test_declared_weights_are_read_and_written_again():
    topology = {"entry": "gateway", "services": ["gateway", "a", "b"]}
    route = {"kind": "HTTPRoute", "backends": ["a", "b"], "now": [90, 10]}
    settings = parse_settings({**SMALLEST, "topology": topology, "weights": {"shop": route}}, "x")
    assert (settings.declared.routes[0].backends, settings.declared.routes[0].now) == (("a", "b"), (90, 10))
    assert Settings.model_validate(tomllib.loads(render_settings(settings, {}))) == settings
