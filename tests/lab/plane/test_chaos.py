import asyncio

import numpy as np
import pytest

from chaosprsa.lab.chaos import chosen, seconds

PODS = {("shop", f"back-{number}"): {"app": "back"} for number in range(8)} | {("shop", "front-0"): {"app": "front"}}
BACK = {"selector": {"namespaces": ["shop"], "labelSelectors": {"app": "back"}}}


@pytest.mark.parametrize(("text", "expected"), [("100ms", 0.1), ("1m30s", 90), ("1.5s", 1.5), ("", 0), (None, 0)])
def test_go_durations_are_read(text, expected):
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["100", "fast", "1s2", "-5ms"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("mode", "value", "count"),
    [("one", None, 1), ("all", None, 8), ("fixed", "3", 3), ("fixed", "30", 8), ("fixed-percent", "50", 4)],
)
def test_modes_choose_as_many_pods_as_they_say(mode, value, count):
    found = chosen({**BACK, "mode": mode, "value": value}, "shop", PODS, np.random.default_rng(1))
    assert len(found) == len(set(found)) == count
    assert all(name.startswith("back") for _, name in found)


def test_an_unknown_mode_is_told(play):
    async def scene(plane):
        plane.chaos("NetworkChaos", mode="most", action="delay", delay={"latency": "1ms"})

    with pytest.raises(ValueError, match="mode 'most'"):
        play(scene)


def test_a_delayed_service_answers_later_until_the_object_is_gone(play):
    async def scene(plane):
        before = (await plane.ask()).duration_s
        plane.chaos("NetworkChaos", action="delay", delay={"latency": "80ms"})
        during = (await plane.ask()).duration_s
        plane.chaos("NetworkChaos", event="DELETED")
        return before, during, (await plane.ask()).duration_s

    before, during, after = play(scene)
    assert during - before == pytest.approx(0.08, abs=5e-3)
    assert after - before == pytest.approx(0.0, abs=5e-3)


def test_jitter_spreads_the_delay(play):
    async def scene(plane):
        plane.chaos("NetworkChaos", action="delay", delay={"latency": "50ms", "jitter": "40ms"})
        return [answer.duration_s for answer in await plane.ask_many(30, "back")]

    durations = play(scene, cpu_ms=0.01)
    assert np.ptp(durations) > 0.03
    assert np.mean(durations) == pytest.approx(0.05, abs=0.02)


def test_a_fault_on_the_caller_with_a_target_delays_only_its_calls_there(play):
    async def scene(plane):
        front = {"namespaces": ["shop"], "labelSelectors": {"app": "front"}}
        back = {"mode": "all", "selector": {"namespaces": ["shop"], "labelSelectors": {"app": "back"}}}
        plane.chaos("NetworkChaos", selector=front, target=back, action="delay", delay={"latency": "60ms"})
        return (await plane.ask()).duration_s, (await plane.ask("back")).duration_s

    through, direct = play(scene)
    assert through == pytest.approx(0.061, abs=5e-3)
    assert direct < 0.01


def test_lost_messages_come_again_after_tcps_timeout(play):
    async def scene(plane):
        plane.chaos("NetworkChaos", action="loss", loss={"loss": "50"})
        return [answer.duration_s for answer in await plane.ask_many(40, "back")]

    durations = np.array(play(scene, timeout_ms=900))
    late = durations > 0.15
    assert 8 <= late.sum() <= 32
    assert (durations[~late] < 0.06).all()


def test_a_partition_is_a_timeout(play):
    async def scene(plane):
        plane.chaos("NetworkChaos", action="partition")
        return (await plane.ask()).code

    assert play(scene, timeout_ms=60) == 504


def test_http_aborts_hit_the_share_that_percent_says(play):
    async def scene(plane):
        plane.chaos("HTTPChaos", target="Request", abort=True, percent=30, port=8080)
        return [answer.code for answer in await plane.ask_many(60)]

    codes = play(scene)
    assert 6 <= codes.count(502) <= 32  # 18 expected, 3.5 standard deviations
    assert codes.count(200) == 60 - codes.count(502)


def test_a_replaced_code_is_what_callers_see(play):
    async def scene(plane):
        plane.chaos("HTTPChaos", target="Response", replace={"code": 503}, path="/pay*")
        return (await plane.ask("back", "/pay/now")).code, (await plane.ask("back", "/other")).code

    assert play(scene) == (503, 200)


def test_a_fault_ends_after_its_duration(play):
    async def scene(plane):
        plane.chaos("NetworkChaos", action="delay", delay={"latency": "50ms"}, duration="100ms")
        during = (await plane.ask("back")).duration_s
        await asyncio.sleep(0.1)
        return during, (await plane.ask("back")).duration_s

    during, after = play(scene)
    assert during > 0.045
    assert after < 0.02


def test_fixed_percent_of_the_pods_fails_that_part_of_the_requests(play):
    async def scene(plane):
        plane.up("back", "back-1")
        plane.chaos("HTTPChaos", mode="fixed-percent", value="50", target="Response", replace={"code": 500})
        answers = await plane.ask_many(40, "back")
        return {answer.pod: set() for answer in answers}, [(answer.pod, answer.code) for answer in answers]

    pods, seen = play(scene)
    assert {pod: {code for who, code in seen if who == pod} for pod in pods} in (
        {"back-0": {200}, "back-1": {500}},
        {"back-0": {500}, "back-1": {200}},
    )
