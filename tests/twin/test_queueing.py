"""Formulas against textbooks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.twin.queueing import jobs, share_above, sharing_variance, sojourn_s


def one(*values):
    return np.array(values, dtype=float)


def erlang_c(servers, offered):
    """The textbook's sum, not the code's recursion."""
    tail = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return tail / (sum(offered**k / math.factorial(k) for k in range(servers)) + tail)


@pytest.mark.parametrize("used", [0.05, 0.5, 0.9, 0.99])
def test_one_core_holds_what_mm1_holds(used):
    assert jobs(one(used), one(1.0))[0] == pytest.approx(used / (1 - used))


@pytest.mark.parametrize(("cores", "used"), [(2, 0.3), (2, 0.8), (3, 0.9), (8, 0.95), (16, 0.6)])
def test_whole_cores_have_the_mean_of_mmc(cores, used):
    offered = cores * used
    expected = 1.0 + erlang_c(cores, offered) / (cores - offered)
    assert sojourn_s(one(used), one(cores), one(1.0))[0] == pytest.approx(expected)


def test_below_one_core_a_pod_is_a_slower_one():
    assert sojourn_s(one(0.8), one(0.5), one(0.01))[0] == pytest.approx(0.02 / 0.2)


def test_an_empty_pod_works_at_one_core_however_many_it_has():
    assert sojourn_s(one(0.0, 0.0), one(1.0, 3.7), one(0.01, 0.01)) == pytest.approx([0.01, 0.01])


def test_sharing_spreads_answers_as_coffman_muntz_and_trotter_say():
    used = one(0.0, 0.5, 0.9)
    mean = 1 / (1 - used)
    expected = (2 + used) / (2 - used) * mean**2
    assert sharing_variance(mean, np.ones(3), 1.0) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_an_exponential_answer_has_its_own_percentiles(share):
    assert share_above(-math.log(share), one(1.0), one(1.0))[0] == pytest.approx(share, rel=0.05)


def test_a_row_of_stages_has_erlangs_percentile():
    # Erlang of 4 stages, mean 1: its 99th percentile is 2.5113 (chi-squared tables: 20.090 / 8)
    assert share_above(2.5113, one(1.0), one(0.25))[0] == pytest.approx(0.01, rel=0.03)


@given(st.floats(0.05, 12.0), st.floats(0.01, 0.97), st.floats(0.001, 0.02))
def test_a_fuller_pod_is_never_faster(cores, used, more):
    first, second = sojourn_s(one(used, used + more), one(cores, cores), one(1.0, 1.0))
    assert second >= first - 1e-12


@given(st.floats(0.05, 12.0), st.floats(0.05, 4.0), st.floats(0.01, 0.95))
def test_more_cpu_for_the_same_work_is_never_slower(cores, more, used):
    offered = cores * used
    first, second = sojourn_s(one(used, offered / (cores + more)), one(cores, cores + more), one(1.0, 1.0))
    assert second <= first + 1e-9
