import asyncio

import numpy as np
import pytest

from chaosprsa.lab.dataplane import DataPlane
from chaosprsa.lab.physics import steady
from chaosprsa.lab.shop import shop


def test_a_request_walks_the_call_graph_and_takes_its_work_and_waits(play):
    async def scene(plane):
        return await plane.ask()

    answer = play(scene, cpu_ms=20, wait_ms=30)
    assert (answer.code, answer.pod) == (200, "front-0")
    assert answer.duration_s == pytest.approx(0.0501, abs=1e-3)


def test_the_answer_comes_when_the_simulated_time_is_over(play):
    async def scene(plane):
        loop = asyncio.get_running_loop()
        start = loop.time()
        answer = await plane.ask()
        return loop.time() - start, answer.duration_s

    passed, simulated = play(scene, real=True, wait_ms=40)
    assert simulated <= passed <= simulated + 0.1  # a busy machine is late


def test_without_a_ready_pod_the_answer_is_503(play):
    async def scene(plane):
        return (await plane.ask()).code

    assert play(scene, ready=False) == 503


def test_a_service_nobody_declared_is_503(play):
    async def scene(plane):
        return (await plane.ask("nowhere")).code

    assert play(scene) == 503


def test_a_failing_callee_makes_its_caller_a_bad_gateway(play):
    async def scene(plane):
        plane.plane.stopped(plane.pod("back"))
        answer = await plane.ask()
        return answer.code, dict(plane.plane.client)

    code, client = play(scene)
    assert code == 502
    assert list(client) == [("shop", "front", "back", 503)]


def test_a_slow_callee_is_a_gateway_timeout(play):
    async def scene(plane):
        return await plane.ask()

    answer = play(scene, wait_ms=500, timeout_ms=50)
    assert answer.code == 504
    assert answer.duration_s == pytest.approx(0.05, abs=0.01)


def test_beyond_its_slots_and_queue_a_pod_refuses(play):
    async def scene(plane):
        return sorted(answer.code for answer in await plane.ask_many(5, "back"))

    assert play(scene, cpu_ms=20, concurrency=2, queue=1) == [200, 200, 200, 503, 503]


def test_two_pods_share_the_requests(play):
    async def scene(plane):
        plane.up("back", "back-1")
        answers = await plane.ask_many(60, "back")
        return [sum(answer.pod == name for answer in answers) for name in ("back-0", "back-1")]

    first, second = play(scene)
    assert first + second == 60
    assert min(first, second) >= 15  # 4 standard deviations from 30


def test_half_the_limit_makes_it_twice_as_slow_and_a_resize_is_in_force_at_once(play):
    async def scene(plane):
        plane.plane.resized(plane.pod("back", cpu="500m"))
        return (await plane.ask("back")).duration_s

    assert play(scene, cpu_ms=20) == pytest.approx(0.04, abs=2e-3)


def test_a_pod_that_terminates_finishes_what_it_has_begun(play):
    async def scene(plane):
        asked = asyncio.ensure_future(plane.ask("back"))
        await asyncio.sleep(0.005)
        plane.plane.stopped(plane.pod("back", grace=2))
        return (await asked).code, (await plane.ask("back")).code

    assert play(scene, cpu_ms=20) == (200, 503)


def test_a_pod_killed_without_grace_drops_what_it_has_begun(play):
    async def scene(plane):
        asked = asyncio.ensure_future(plane.ask("back"))
        await asyncio.sleep(0.005)
        plane.plane.stopped(plane.pod("back", grace=0))
        return (await asked).code

    assert play(scene, cpu_ms=50) == 502


def test_requests_in_work_take_memory_and_above_the_limit_the_pod_is_killed(play):
    async def scene(plane):
        plane.plane.resized(plane.pod("back", memory="100Mi"))
        calm = plane.plane.usage(plane.pod("back"))[1]
        codes = sorted(answer.code for answer in await plane.ask_many(12, "back"))
        return calm, codes, plane.killed

    calm, codes, killed = play(scene, cpu_ms=20, memory_base_mib=60, memory_per_request_mib=5)
    assert calm == 60 * 2**20
    assert killed == [("shop", "back-0")]
    assert set(codes) <= {502, 503}


def test_a_limit_below_the_base_kills_at_the_start(play):
    async def scene(plane):
        plane.up("back", "back-1", memory="32Mi")
        return plane.killed

    assert play(scene, memory_base_mib=64) == [("shop", "back-1")]


def test_a_leak_fills_the_memory(play):
    async def scene(plane):
        before = plane.plane.usage(plane.pod("back"))[1]
        for _ in range(5):
            await plane.ask("back")
        return (plane.plane.usage(plane.pod("back"))[1] - before) / 2**20

    assert play(scene, leak_mib_per_request=2, memory_per_request_mib=0) == pytest.approx(10)


def test_usage_is_the_work_done_a_second(play):
    async def scene(plane):
        await plane.ask_many(10, "back")
        await asyncio.sleep(0.6)
        return plane.plane.usage(plane.pod("back"))[0]

    cores = play(scene, cpu_ms=20)
    assert 0.1 < cores < 0.4  # 0.2 core-seconds over somewhat less than a second


def test_a_pod_of_the_same_label_in_another_namespace_behaves_alike_and_stays_apart(play):
    async def scene(plane):
        plane.service("back", namespace="shop-shadow")
        plane.up("back", "back-9", namespace="shop-shadow")
        there = await plane.plane.request("shop-shadow", "back", "/")
        here = await plane.ask("back")
        return there.pod, here.pod, there.duration_s

    there, here, duration = play(scene, cpu_ms=15)
    assert (there, here) == ("back-9", "back-0")
    assert duration == pytest.approx(0.015, abs=2e-3)


def test_a_pod_whose_label_changes_leaves_its_service(play):
    async def scene(plane):
        pod = plane.pod("back")
        pod["metadata"]["labels"] = {"app": "quarantine"}
        plane.plane.on_pod("MODIFIED", pod)
        return (await plane.ask("back")).code

    assert play(scene) == 503


def test_an_unknown_label_still_answers(play):
    async def scene(plane):
        plane.service("stranger")
        plane.up("stranger")
        return (await plane.ask("stranger")).code

    assert play(scene) == 200


def test_logs_begin_with_a_time_and_tell_of_an_end(play):
    async def scene(plane):
        pod = plane.up("back", "back-1", memory="32Mi")
        return plane.plane.logs(pod)

    lines = play(scene).splitlines()
    assert len(lines) == 2
    assert all(line.split()[0].endswith("Z") for line in lines)
    assert "out of memory" in lines[1]


@pytest.mark.parametrize("rate", [20.0, 90.0])
def test_the_data_plane_and_the_formulas_agree(jump, rate):
    """Five minutes of the shop: mean latency of each busy service within 8 %, cores within 5 %."""
    codes, seen = jump(_shop_for(300, rate))
    assert set(codes) == {200}
    expected = steady(shop(), rate)
    for name in ("gateway", "catalogue", "cart"):
        count, total_s, cores_s = seen[name]
        assert total_s / count == pytest.approx(expected[name].mean_s[0], rel=0.08)
        assert cores_s / 300 == pytest.approx(expected[name].cpu_cores[0], rel=0.05)


def test_percentiles_of_formulas_and_data_plane_agree(jump):
    """p50 and p99 at the gateway over five minutes within 12 %: a lognormal is not the true shape."""
    _, _, durations = jump(_shop_for(300, 60.0, durations=True))
    gateway = steady(shop(), 60.0)["gateway"]
    for share in (0.5, 0.99):
        assert np.quantile(durations, share) == pytest.approx(gateway.percentile_s(share)[0], rel=0.12)


@pytest.mark.slow
def test_real_time_and_formulas_agree():
    """Ten seconds of wall-clock time: mean latency within 25 % (most of it chance), cores within 12 %."""
    codes, seen = asyncio.run(_shop_for(10, 60.0))
    assert set(codes) == {200}
    expected = steady(shop(), 60.0)
    for name in ("gateway", "catalogue"):
        count, total_s, cores_s = seen[name]
        assert total_s / count == pytest.approx(expected[name].mean_s[0], rel=0.25)
        share = count / 10 / expected[name].arrivals_per_s[0]  # chance in the number of arrivals is no error
        assert cores_s / 10 == pytest.approx(expected[name].cpu_cores[0] * share, rel=0.12)


async def _shop_for(seconds, rate, durations=False):
    """Play the shop with Poisson arrivals: status codes, and by service (requests, seconds in it, core-seconds)."""
    topology, loop = shop(), asyncio.get_running_loop()
    plane = DataPlane(topology, np.random.default_rng(3), loop)
    for service in topology.services:
        plane.on_service("ADDED", _service(service.name))
        for number in range(service.replicas):
            plane.started(_pod(service, number))
    rng = np.random.default_rng(4)
    count = int(rate * seconds)
    times = loop.time() + np.sort(rng.random(count)) * seconds
    weights = np.array([share.weight for share in topology.mix])
    paths = rng.choice([share.path for share in topology.mix], count, p=weights / weights.sum())
    asked = []
    for at, path in zip(times.tolist(), paths.tolist(), strict=True):
        await asyncio.sleep(max(0.0, at - loop.time()))
        asked.append(asyncio.ensure_future(plane.request("shop", "gateway", path)))
    answers = await asyncio.gather(*asked)
    found = ([answer.code for answer in answers], _seen(plane))
    return (*found, [answer.duration_s for answer in answers]) if durations else found


def _service(name):
    return {"metadata": {"namespace": "shop", "name": name}, "spec": {"selector": {"app": name}}}


def _pod(service, number):
    limits = {
        "cpu": f"{service.resources.cpu_limit_millicores}m",
        "memory": f"{service.resources.memory_limit_mib}Mi",
    }
    return {
        "metadata": {"namespace": "shop", "name": f"{service.name}-{number}", "labels": {"app": service.name}},
        "spec": {"containers": [{"name": service.name, "resources": {"limits": limits}}]},
    }


def _seen(plane):
    found = {}
    for server in plane.servers():
        count, total_s, cores_s = found.get(server.app, (0, 0.0, 0.0))
        histograms = server.histograms.values()
        found[server.app] = (
            count + sum(sum(histogram.counts) for histogram in histograms),
            total_s + sum(histogram.total_s for histogram in histograms),
            cores_s + server.cpu.used_core_s,
        )
    return found
