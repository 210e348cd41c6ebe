"""What is declared, from a recommendation's question to what its reader sees."""

import json
from dataclasses import replace

import pytest

from chaosprsa.allocation import EntryLoad, recommend
from chaosprsa.cli.recommended import explanation, recommendation_table
from chaosprsa.documents import from_json, to_json
from chaosprsa.errors import BadInput
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import AllocationField, Bandwidth, Declared, Fault, Prices, Recommendation, Verdict

PRICES = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
LINK = Bandwidth(
    service="gateway", kib_per_request=300, now_mbit=60, min_mbit=20, max_mbit=400, step_mbit=20, mbit_month=0.01
)


@pytest.fixture(scope="module")
def asked(shop, outcomes):
    """80 answers a second of 300 KiB are 197 Mbit/s, and four pods have 60 each; the surge is half as much again."""
    checks = []

    def check(allocation, _issues):
        checks.append(allocation)
        return tuple(replace(one, allocation=allocation, verdict=Verdict.PASSED) for one in outcomes[:1])

    answer = recommend(
        outcomes=outcomes, issues=(shop.issue_of(Fault.TRAFFIC_SURGE, "gateway", 1.5),),
        production=shop.doubled(shop.PRESENT), load=EntryLoad(base_per_s=30.0, peak_per_s=80.0), topology=shop.SHOP,
        slo=shop.SLO, prices=PRICES, safety=SafetyTable(), scale=0.5, seed=3, now=shop.NOON, namespace="shop",
        phases_s=(40.0, 20.0), trials=0, check=check, declared=Declared(bandwidths=(LINK,)),
    )  # fmt: skip
    return answer, checks


@pytest.fixture(scope="module")
def answer(asked):
    return asked[0]


@pytest.mark.slow
def test_the_bandwidth_that_binds_grows_with_its_reason(answer):
    (told,) = [one for one in answer.directives if one.field is AllocationField.BANDWIDTH]
    assert (told.target, told.from_) == ("gateway", 60)
    assert told.to > 60
    assert told.reason.startswith("with 60 Mbit/s a pod")


@pytest.mark.slow
def test_its_cost_is_in_the_whole(answer):
    (told,) = [one for one in answer.directives if one.field is AllocationField.BANDWIDTH]
    pods = answer.recommended["gateway"].replicas
    own = answer.recommended.cost_month(PRICES) + pods * told.to * LINK.mbit_month
    assert answer.cost_recommended_month == pytest.approx(own, abs=1e-3)
    assert answer.cost_now_month == pytest.approx(answer.now.cost_month(PRICES) + 4 * 60 * 0.01, abs=1e-3)


@pytest.mark.slow
def test_the_reader_is_told_what_a_rollout_and_the_shadow_leave_alone(asked):
    answer, checks = asked
    assert not checks
    assert any("a rollout leaves bandwidth_mbit alone" in note for note in answer.notes)
    assert any("it was not played in the shadow" in note for note in answer.notes)
    assert "by hand   gateway bandwidth_mbit 60 -> " in recommendation_table(answer, PRICES)
    assert " of it for what is declared (bandwidth, volumes)" in recommendation_table(answer, PRICES)
    assert "bandwidth_mbit 60 -> " in explanation(answer, "gateway")


@pytest.mark.slow
def test_it_is_written_and_read_again(answer):
    assert from_json(json.loads(json.dumps(to_json(answer))), Recommendation, "x") == answer


def test_what_is_declared_of_a_service_that_is_not_there_is_refused(shop, outcomes):
    with pytest.raises(BadInput, match="declared: nobody, which the topology doesn't name"):
        recommend(
            outcomes=outcomes, issues=(), production=shop.doubled(shop.PRESENT),
            load=EntryLoad(base_per_s=30.0, peak_per_s=80.0), topology=shop.SHOP, slo=shop.SLO, prices=PRICES,
            safety=SafetyTable(), scale=0.5, seed=3, now=shop.NOON,
            declared=Declared(bandwidths=(replace(LINK, service="nobody"),)),
        )  # fmt: skip
