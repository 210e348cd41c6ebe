"""Processor sharing against the textbook and a calculation step by step."""

import asyncio

import numpy as np
import pytest

from chaosprsa.lab.processor import Expired, Killed, Processor, Slots

NEVER = 1e9


def test_a_lone_job_runs_on_one_core_at_most(jump):
    async def play():
        loop = asyncio.get_running_loop()
        start = loop.time()
        return await Processor(loop, 4.0).run(0.05, start, NEVER) - start

    assert jump(play()) == pytest.approx(0.05, abs=1e-4)


def test_a_limit_below_one_core_slows_a_lone_job(jump):
    async def play():
        loop = asyncio.get_running_loop()
        start = loop.time()
        return await Processor(loop, 0.5).run(0.03, start, NEVER) - start

    assert jump(play()) == pytest.approx(0.06, abs=1e-4)


def test_two_jobs_share_and_the_longer_speeds_up_when_the_shorter_is_gone(jump):
    # one core: 0.02 and 0.06 of work; both at half speed until 0.04, then the second alone until 0.08
    async def play():
        loop = asyncio.get_running_loop()
        cpu, start = Processor(loop, 1.0), loop.time()
        ends = await asyncio.gather(cpu.run(0.02, start, NEVER), cpu.run(0.06, start, NEVER))
        return [end - start for end in ends], cpu.used_core_s

    ends, used = jump(play())
    assert ends == pytest.approx([0.04, 0.08], abs=1e-4)
    assert used == pytest.approx(0.08, abs=1e-4)


def test_a_blocked_event_loop_does_not_lengthen_the_work():
    async def play():
        loop = asyncio.get_running_loop()
        cpu, start = Processor(loop, 1.0), loop.time()
        jobs = [asyncio.ensure_future(cpu.run(work, start, NEVER)) for work in (0.01, 0.02)]
        await asyncio.sleep(0)
        while loop.time() < start + 0.08:
            pass  # somebody hogs the loop
        return [await job - start for job in jobs]

    assert asyncio.run(play()) == pytest.approx([0.02, 0.03], abs=1e-4)


def test_a_new_limit_is_in_force_at_once(jump):
    async def play():
        loop = asyncio.get_running_loop()
        cpu, start = Processor(loop, 1.0), loop.time()
        job = asyncio.ensure_future(cpu.run(0.1, start, NEVER))
        await asyncio.sleep(0.05)
        changed = loop.time()
        cpu.set_limit(0.5)
        return await job - start, changed - start

    end, changed = jump(play())
    assert end == pytest.approx(changed + (0.1 - changed) / 0.5, abs=2e-3)


def test_work_that_nobody_waits_for_is_dropped_at_its_deadline(jump):
    async def play():
        loop = asyncio.get_running_loop()
        cpu, start = Processor(loop, 1.0), loop.time()
        long = asyncio.ensure_future(cpu.run(10.0, start, start + 0.03))
        short = await cpu.run(0.03, start, NEVER) - start
        with pytest.raises(Expired):
            await long
        return short, cpu.active

    short, active = jump(play())
    assert short == pytest.approx(0.045, abs=3e-3)  # half speed until 0.03, then alone
    assert active == 0


def test_a_killed_pod_fails_its_jobs(jump):
    async def play():
        loop = asyncio.get_running_loop()
        cpu = Processor(loop, 1.0)
        job = asyncio.ensure_future(cpu.run(10.0, loop.time(), NEVER))
        await asyncio.sleep(0.01)
        cpu.kill()
        with pytest.raises(Killed):
            await job

    jump(play())


def test_a_cancelled_job_leaves_its_share_to_the_others(jump):
    async def play():
        loop = asyncio.get_running_loop()
        cpu, start = Processor(loop, 1.0), loop.time()
        gone = asyncio.ensure_future(cpu.run(10.0, start, NEVER))
        stays = asyncio.ensure_future(cpu.run(0.05, start, NEVER))
        await asyncio.sleep(0.02)
        gone.cancel()
        return await stays - start, cpu.active

    end, active = jump(play())
    assert end == pytest.approx(0.06, abs=4e-3)  # half speed until 0.02, then alone
    assert active == 0


def test_a_saturated_pod_is_throttled_in_every_period_and_an_idle_one_in_none(jump):
    async def play():
        loop = asyncio.get_running_loop()
        busy, calm, start = Processor(loop, 0.3), Processor(loop, 0.3), loop.time()
        await asyncio.gather(busy.run(0.15, start, NEVER), calm.run(0.003, start, NEVER))
        return busy.throttled_periods / busy.periods, busy.periods, calm.throttled_periods, calm.periods

    share, periods, calm_throttled, calm_periods = jump(play())
    assert share >= 0.8
    assert periods == pytest.approx(5, abs=1)
    assert (calm_throttled, calm_periods) == (0, 1)


def test_slots_are_given_in_order_and_the_queue_is_bounded(jump):
    async def play():
        loop = asyncio.get_running_loop()
        slots = Slots(loop, concurrency=1, queue=2)
        order = []

        async def work(name):
            await slots.take(loop.time(), NEVER)
            order.append(name)
            await asyncio.sleep(0.002)
            slots.give(loop.time())

        tasks = [asyncio.ensure_future(work(name)) for name in "abc"]
        await asyncio.sleep(0)
        full = slots.full
        await asyncio.gather(*tasks)
        return order, full, slots.full

    assert jump(play()) == (["a", "b", "c"], True, False)


def sharing(times, works, limit):
    """Processor sharing step by step, with no event loop: the ends of jobs."""
    ends, left, now, coming = np.zeros(len(times)), {}, 0.0, 0
    while coming < len(times) or left:
        rate = min(1.0, limit / len(left)) if left else 0.0
        first = min(left, key=left.get) if left else None
        departs = now + left[first] / rate if left else np.inf
        arrives = times[coming] if coming < len(times) else np.inf
        until = min(departs, arrives)
        left = {job: work - rate * (until - now) for job, work in left.items()}
        now = until
        if departs <= arrives:
            ends[first] = now
            del left[first]
        else:
            left[coming] = works[coming]
            coming += 1
    return ends


@pytest.mark.parametrize("limit", [0.8, 2.5])
def test_jobs_take_as_long_as_a_step_by_step_calculation_of_sharing_says(jump, limit):
    """The same arrivals and works, played and calculated."""
    work_s, load, count = 0.004, 0.7, 3000
    rng = np.random.default_rng(5)
    arrivals = np.cumsum(rng.exponential(work_s / (load * limit), count))
    works = rng.exponential(work_s, count)

    async def play():
        loop = asyncio.get_running_loop()
        cpu, start = Processor(loop, limit), loop.time()
        running = []
        for at, work in zip((start + arrivals).tolist(), works.tolist(), strict=True):
            if (wait := at - loop.time()) > 0:
                await asyncio.sleep(wait)
            running.append(asyncio.ensure_future(cpu.run(work, at, NEVER)))
        return np.array(await asyncio.gather(*running)) - start

    assert jump(play()) == pytest.approx(sharing(arrivals, works, limit), abs=1e-6)
