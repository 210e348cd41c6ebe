"""The sketch: its kernels against the same rules in numpy, and where its greedy search ends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.risk import Risk, tail_weights
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.sketch import Sketch
from chaosprsa.allocation.space import CPU, MEMORY, REPLICAS
from chaosprsa.allocation.weighing import Stakes, weigh
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, calibrate, draw_worlds
from chaosprsa.twin.course import effects_of
from chaosprsa.twin.fluid import PEAK_DEVIATIONS
from chaosprsa.twin.queueing import sojourn_s
from chaosprsa.types import Limits, Prices
from chaosprsa.types.recommendation import BROKEN

PRICES = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)


@pytest.fixture(scope="module")
def rehearsal(shop, outcomes):
    twin = calibrate(outcomes, shop.SHOP, shop.SLO)
    worlds = draw_worlds(twin, shop.ISSUES, 80.0, 1, 2, Noise())
    return Rehearsal(twin, shop.SLO, shop.ISSUES, worlds, (40.0, 20.0), 5.0)


@pytest.fixture(scope="module")
def objective(shop, rehearsal):
    space = build_space(shop.doubled(shop.PRESENT), rehearsal.twin, SafetyTable(), PRICES)
    return Objective(space, rehearsal, risk=Risk(change_share=0.05))


@pytest.fixture(scope="module")
def points(objective):
    space, rng = objective.space, np.random.default_rng(3)
    cells = np.minimum((space.high - space.low) // space.step, 30)
    return space.low + rng.integers(0, cells + 1, (40, *cells.shape)) * space.step


def plainly_used(objective, point):
    """Shares of the SLO used in each world, where no pod is killed: the sketch in numpy, a service after the other."""
    rehearsal, space = objective.rehearsal, objective.space
    twin, slo, worlds, graph = rehearsal.twin, rehearsal.slo, rehearsal.worlds, rehearsal.twin.graph
    effects = effects_of([rehearsal.issues[at] for at in worlds.issue], space.services, worlds.strength)
    parameters, replicas = worlds.parameters, point[:, REPLICAS].astype(float)
    lost = np.where(effects.lost > 0, np.clip(np.round(effects.lost * replicas), 1.0, None), 0.0)
    ready, cores = np.maximum(replicas - lost, 0.0), point[:, CPU] / 1000 * effects.cpu_left
    flow = (worlds.load_per_s * effects.surge)[:, None] * graph.visits
    full = flow * parameters.demand_s / np.maximum(ready * cores, 1e-9)
    length_s = np.minimum(worlds.duration_s, rehearsal.phases_s[0] + 1800)[:, None]
    backlog_s = np.minimum(np.maximum(1 - 0.98 / full, 0) * length_s, twin.timeout_s)
    sojourn = sojourn_s(np.minimum(full, 0.98), cores, parameters.demand_s) + backlog_s
    shared = np.clip(1 - parameters.demand_s / np.minimum(cores, 1) / sojourn, 0, 1)
    mean = sojourn + parameters.wait_s + effects.slower_s
    variance = sojourn**2 * (twin.work_cv2 + 2 * shared / (2 - shared)) + twin.work_cv2 * parameters.wait_s**2
    over = np.zeros(len(worlds.issue))
    for at in graph.order:
        for callee in np.flatnonzero(graph.calls[at]):
            calls, wait = graph.calls[at, callee], graph.overlap[at]
            part = calls % 1
            mean[:, at] += wait * calls * mean[:, callee]
            variance[:, at] += wait**2 * (calls * variance[:, callee] + part * (1 - part) * mean[:, callee] ** 2)
        mean[:, at] = np.minimum(mean[:, at], twin.timeout_s)
        jobs = flow[:, at] * mean[:, at] / np.maximum(ready[:, at], 1)
        peak = jobs + PEAK_DEVIATIONS * np.sqrt(jobs * (jobs + 1))
        memory = (
            np.nan_to_num(parameters.memory_mib[:, at]) + np.nan_to_num(parameters.memory_per_job_mib[:, at]) * peak
        )
        over = np.maximum(over, memory / (point[at, MEMORY] * effects.memory_left[:, at]))
    target, allowed = space.services.index(slo.service), 1 - slo.success_ratio
    ninth = variance[:, target] / (9 * mean[:, target] ** 2)
    level = ndtri(slo.latency_percentile / 100)
    latency = mean[:, target] * np.maximum(1 - ninth + level * np.sqrt(ninth), 0) ** 3
    own = 1 - (1 - parameters.error_share) * (1 - effects.failing)
    failed = graph.failing(np.where(ready <= 0, 1.0, own))[:, target]
    used = np.maximum(latency * 1000 / slo.latency_ms, failed / allowed)
    return np.where(over > 1, np.maximum(used, 0.8 * over / allowed), used), (effects.killed == 0).all(axis=1)


def test_the_kernel_says_what_the_formulas_in_numpy_say(objective, points):
    sketch = Sketch(objective)
    for point in points:
        sketch(point[None])
        used, plain = plainly_used(objective, point)
        assert plain.sum() > 3
        np.testing.assert_allclose(sketch.used[plain], used[plain], rtol=1e-9)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 1)), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.5, 0.9]),
)
def test_the_compiled_risk_is_the_conditional_value_at_risk(worlds, level):
    used, weight = np.array(worlds).T
    weight = weight / weight.sum()
    nothing = np.zeros((0, 1, 3), dtype=np.int64)
    stakes = Stakes(np.zeros(len(used)), weight, np.array([len(used)]), level, 0.0, 0.1, nothing)
    losses = np.maximum(used - 1, -0.1)
    expected = max(float(tail_weights(losses, weight, level) @ losses), 0.0)
    assert weigh(stakes, used, np.zeros(len(used)))[0] == pytest.approx(expected, abs=1e-9)


def test_a_move_is_priced_and_judged_as_the_point_that_it_leads_to(objective, points):
    sketch = Sketch(objective)
    for point in points[:10]:
        moves, tried = sketch.moves(point, np.array([-2, -1, 1, 4]))
        there = np.repeat(point[None], len(moves), axis=0)
        at, part, steps = moves.T
        there[np.arange(len(moves)), at, part] += steps * objective.space.step[at, part]
        scores = Sketch(objective)(there)
        _, price = objective.prices(np.concatenate((point[None], there)))
        np.testing.assert_allclose(tried[:, 3], price[1:] - price[0], atol=1e-9)
        np.testing.assert_allclose(tried[:, :3].T, (scores.violation, scores.potential, scores.tightness), rtol=1e-9)


@pytest.mark.parametrize(
    "limits", [Limits(pods=9), Limits(cpu_requests_millicores=900), Limits(nodes=((700, 900), (2500, 700)))]
)
def test_hard_limits_are_passed_by_as_much_as_the_space_says(objective, rehearsal, points, limits):
    space = replace(objective.space, limits=limits)
    over, found = space.excess(points), Sketch(Objective(space, rehearsal))(points).violation
    assert (over > 0).any()
    without = Sketch(objective)(points).violation
    np.testing.assert_allclose(found, np.where(over > 0, without + BROKEN + over, without))


def test_greedy_ends_where_no_step_down_holds(objective):
    sketch, space = Sketch(objective), objective.space
    found = sketch.search(space.high)
    assert found.feasible
    moves, tried = sketch.moves(found.point, np.array([-1]))
    assert len(moves)
    assert ((tried[:, 0] > 0) | (tried[:, 3] > -1e-9)).all()


def test_it_begins_with_what_the_fluid_twin_says_of_the_most_generous(objective):
    """Uncorrected it says more there, and once found no answer where even the most generous misses a little."""
    plain, begun = Sketch(objective), Sketch(objective).begin()
    for sketch in (plain, begun):
        sketch(objective.space.generous[None])
    moved = begun.used != plain.used
    assert moved.any()
    np.testing.assert_allclose(begun.used[moved], objective.least_used[moved], rtol=1e-6)
