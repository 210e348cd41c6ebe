"""What is ordered for what is needed, as arithmetic says."""

import numpy as np
import pytest

from chaosprsa.autoscalers import Reading, System
from chaosprsa.errors import ChaosPrsaError
from chaosprsa.operating import Ahead, Fixed, Lessons
from chaosprsa.operating.orders import LEAST_RESERVE, Needs, ordered
from chaosprsa.operating.rows import HEADROOMS, rows_of, steepest

HALF_TO_DOUBLE = (0.5, 2.0)


def system(resized=(1.0, 1.0), most=40):
    return System(
        services=("front", "back"), entry=0, cores=np.array([1.0, 0.5]), replicas=np.array([3, 6]),
        most_replicas=np.array([most, most]), start_s=30.0, step_s=15.0, slo_s=1.0, resized=resized,
    )  # fmt: skip


def orders(soon, following, pods, ready, headroom=1.0, reserve=LEAST_RESERVE, **given):
    rows = [np.array([each], dtype=float) for each in (soon, following, pods, ready)]
    found = ordered(system(**given), Needs(rows[0], rows[1]), np.array([headroom]), rows[2], rows[3], reserve)
    return found.pods[0].tolist(), found.cores[0].tolist()


def test_where_no_limit_may_move_whole_pods_of_the_deployed_size_are_counted_for_later():
    assert orders((3.2, 1.0), (9.9, 9.9), (1, 1), (1, 1), headroom=1.5) == ([5, 3], [1.0, 0.5])


def test_limits_carry_the_next_step_and_pods_stay_while_limits_can_follow():
    pods, cores = orders((3.0, 1.0), (3.0, 0.8), (3, 2), (3, 2), headroom=1.2, resized=HALF_TO_DOUBLE)
    assert pods == [3, 2]
    assert cores == pytest.approx([1.2, 0.48])


def test_more_pods_are_ordered_before_limits_are_at_their_end_and_fewer_when_pods_are_nearly_empty():
    more, cores = orders((9.0, 1.0), (4.0, 1.0), (3, 2), (3, 2), resized=HALF_TO_DOUBLE)
    assert more == [8, 2]  # nine cores in pods of 1.2, since three pods of two would be too full
    assert cores[0] == pytest.approx(4.0 / 3)  # those that start carry nothing yet
    fewer, cores = orders((3.0, 1.0), (3.0, 1.0), (9, 2), (9, 2), resized=HALF_TO_DOUBLE)
    assert fewer[0] == 3
    assert cores[0] == pytest.approx(1.0)  # spread over those that stay


def test_limits_stay_within_their_shares_and_pods_within_what_there_can_be():
    pods, cores = orders((90.0, 0.01), (90.0, 0.01), (3, 1), (3, 1), resized=HALF_TO_DOUBLE, most=10)
    assert pods == [10, 1]
    assert cores == pytest.approx([2.0, 0.25])


def test_a_reserve_has_more_and_smaller_pods_for_the_same_cores_so_that_limits_can_carry_twice_as_much():
    none, cores = orders((6.0, 1.0), (6.0, 1.0), (1, 2), (9, 2), resized=HALF_TO_DOUBLE)
    kept, smaller = orders((6.0, 1.0), (6.0, 1.0), (1, 2), (9, 2), reserve=2.0, resized=HALF_TO_DOUBLE)
    assert (none[0], kept[0]) == (5, 6)
    assert none[0] * cores[0] == pytest.approx(kept[0] * smaller[0])
    stays, _ = orders((3.6, 1.0), (3.6, 1.0), (6, 2), (6, 2), reserve=2.0, resized=HALF_TO_DOUBLE)
    assert stays[0] == 6


def test_the_steepest_rise_is_what_the_load_was_multiplied_by_while_pods_start():
    load = np.array([100.0] * 20 + [150.0, 200.0, 300.0] + [300.0] * 20)
    assert steepest(load, 1) == pytest.approx(1.5)
    assert steepest(load, 3) == pytest.approx(3.0)
    assert steepest(load[::-1], 3) == 1.0
    assert steepest(np.array([0.0] * 50 + [100.0] * 50), 3) == pytest.approx(20.0)  # from a tenth of the mean
    assert steepest(load, 90) == 1.0


@pytest.mark.parametrize(("last", "reserves"), [(110.0, {LEAST_RESERVE}), (260.0, {2.6 / 2.0, 2.6 / 1.4, 2.0})])
def test_pods_carry_the_steepest_rise_of_the_past_but_are_not_smaller_than_deployed(last, reserves):
    load = np.array([100.0] * 20 + [last] * 20)
    lessons = Lessons(twin=None, system=system(HALF_TO_DOUBLE), load_per_s=load)  # nothing is learnt
    ((make, values),) = rows_of(lessons, 1, learnt=False)
    assert tuple(values) == HEADROOMS
    found = {make(value).reserve for value in (2.0, 1.4, 1.2, 1.05)}
    assert sorted(found) == pytest.approx(sorted(reserves))


def test_shares_that_leave_out_the_deployed_limit_are_refused():
    with pytest.raises(ChaosPrsaError, match="around 1"):
        system(resized=(1.2, 2.0))


def reading(step, throttled=0.1, used=(2.0, 2.0), **given):
    usual = {
        "time_s": 15.0 * step, "latency_p99_s": 0.2, "failed": 0.0, "arrivals_per_s": np.full(2, 100.0),
        "answered_per_s": np.full(2, 100.0), "mean_s": np.array([0.1, 0.05]), "cpu_cores": np.array(used),
        "throttled": np.full(2, throttled), "ready": np.array([3, 6]), "starting": np.zeros(2, np.int64),
        "cores": np.array([1.0, 0.5]), "memory_mib": np.zeros(2), "oom_kills": np.zeros(2),
    }  # fmt: skip
    return Reading(**usual | given)


def test_a_squeezed_limit_is_seen_by_its_throttling_raised_and_trusted_again_when_it_is_calm():
    controller = Ahead(policy=Fixed(1.25), resized=HALF_TO_DOUBLE).begin(system(HALF_TO_DOUBLE))
    calm = [controller.decide(reading(step)) for step in range(1, 5)][-1]
    assert calm.cores == pytest.approx([2.5 / 3, 2.5 / 6])
    squeezed = controller.decide(reading(5, throttled=0.9))  # two cores used of three: all there is
    assert squeezed.cores == pytest.approx(calm.cores * 1.5)
    again = [controller.decide(reading(step, throttled=0.1)) for step in range(6, 60)][-1]
    assert again.cores == pytest.approx(calm.cores, rel=0.02)


def test_the_reactive_rule_counts_pods_and_never_lowers_limits_below_the_deployed_ones():
    class Unknowing(Fixed):
        def knows(self, features):
            return np.zeros(len(features), dtype=bool)

    controller = Ahead(policy=Unknowing(1.25), resized=HALF_TO_DOUBLE).begin(system(HALF_TO_DOUBLE))
    found = controller.decide(reading(1, used=(2.9, 2.9)))
    assert controller.reacted == 1
    assert np.all(found.cores >= [1.0, 0.5])
    assert np.all(found.replicas >= [4, 7])
