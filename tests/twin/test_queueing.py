"""Formulas against textbooks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import solve_banded
from scipy.optimize import brentq
from scipy.signal import fftconvolve
from scipy.special import k1
from scipy.stats import gamma

from chaosprsa.twin.queueing import jobs, slowdown_cv2, sojourn_s
from chaosprsa.twin.tails import Law


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
    answers = (2 + used) / (2 - used)  # squared coefficient of variation; work's own is 1
    assert 2 * (1 + slowdown_cv2(mean, np.ones(3), np.ones(3))) - 1 == pytest.approx(answers)


def sojourn_moments(cores, used):
    """E T and E T² of M/M/c-PS with work of 1: the chain of the number beside a request until it leaves."""
    last = 1200
    beside = np.arange(last + 1)
    work = np.minimum(beside + 1, cores)
    arrive = np.where(beside < last, cores * used, 0.0)
    chain = np.zeros((3, last + 1))
    chain[0, 1:], chain[1], chain[2, :-1] = -arrive[:-1], arrive + work, -(work * beside / (beside + 1))[1:]
    first = solve_banded((1, 1), chain, np.ones(last + 1))
    second = solve_banded((1, 1), chain, 2 * first)
    found = np.cumsum(np.log(cores * used) - np.log(np.minimum(beside[1:], cores)))
    weights = np.exp(np.concatenate([[0.0], found]) - max(found.max(), 0.0))
    return (weights @ first) / weights.sum(), (weights @ second) / weights.sum()


@pytest.mark.parametrize("cores", [1, 1.5, 2, 4, 7, 16])
@pytest.mark.parametrize("used", [0.3, 0.6, 0.8, 0.95])
def test_more_cores_spread_answers_as_the_chain_of_their_numbers_says(cores, used):
    mean, square = sojourn_moments(cores, used)
    assert sojourn_s(one(used), one(cores), one(1.0))[0] == pytest.approx(mean, rel=1e-6)
    expected = square / mean**2 / 2 - 1
    assert slowdown_cv2(one(mean), one(1.0), one(cores))[0] == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_an_exponential_answer_has_its_own_percentiles(share):
    law = Law.of(one(1.0), one(1.0), one(2.0))
    assert law.above(-math.log(share))[0] == pytest.approx(share, rel=0.05)
    assert law.exceeded(share)[0] == pytest.approx(-math.log(share), rel=0.02)


def test_a_row_of_stages_has_erlangs_percentile():
    # Erlang of 4 stages, mean 1: its 99th percentile is 2.5113 (chi-squared tables: 20.090 / 8)
    assert Law.of(one(1.0), one(0.25), one(0.125)).exceeded(0.01)[0] == pytest.approx(2.5113, rel=0.005)


def test_work_times_a_slowdown_that_is_exponential_too_has_bessels_percentile():
    # P(XY > t) = 2 sqrt(t) K1(2 sqrt(t)) for exponential X and Y; its cumulants are 1, 3, 26
    time_s = brentq(lambda t: 2 * math.sqrt(t) * k1(2 * math.sqrt(t)) - 0.01, 1, 20)
    assert Law.of(one(1.0), one(3.0), one(26.0)).exceeded(0.01)[0] == pytest.approx(time_s, rel=0.005)


@pytest.mark.parametrize("rest", [0.25, 0.5, 1.0])
def test_a_full_station_and_others_that_hardly_vary_have_the_percentile_of_their_sum(rest):
    """The product above and an Erlang time of 4 stages: more skewed than a product; it was told up to 7 % too fast."""
    times = np.linspace(0.0, 40.0, 40_001)
    erlang = gamma(4, scale=rest / 4).pdf(times) * (times[1] - times[0])
    root = np.sqrt(np.maximum(times, 1e-12))
    above = 1 - fftconvolve(erlang, 1 - 2 * root * k1(2 * root))[: len(times)]
    expected = np.interp(-0.01, -above, times)
    law = Law.of(one(1 + rest), one(3 + rest**2 / 4), one(26 + rest**3 / 8))
    assert law.exceeded(0.01)[0] == pytest.approx(expected, rel=0.02)


def test_one_full_station_beside_others_has_the_percentile_of_their_sum():
    """Three cumulants alone put it 2 % too high: the others vary, and what they vary was taken for the full one's."""
    rng, count = np.random.default_rng(7), 400_000
    full = rng.exponential(size=count) * rng.gamma(2.0, 0.5, count)
    answers = full + rng.gamma(2.0, 1.0, count)
    slow = 1 + 0.5  # moments of a gamma variable of shape 2
    moments = 2 * slow, 6 * slow * (1 + 2 * 0.5), 24 * slow * (1 + 2 * 0.5) * (1 + 3 * 0.5)
    fourth = moments[2] - 4 * moments[1] - 3 * moments[0] ** 2 + 12 * moments[0] - 6
    law = Law.of(one(3.0), one(moments[0] - 1 + 2), one(moments[1] - 3 * moments[0] + 2 + 4), one(fourth + 12))
    assert law.exceeded(0.01)[0] == pytest.approx(np.quantile(answers, 0.99), rel=0.01)


def test_ages_in_a_growing_crowd_are_bounded():
    # (1 - a)² of a level that grew for 1 s from nothing is older than a: mean 1/3, variance 1/18, third cumulant 1/135
    law = Law.of(one(1 / 3), one(1 / 18), one(1 / 135))
    assert law.exceeded(0.01)[0] == pytest.approx(0.9, rel=1e-3)
    assert law.above(0.5)[0] == pytest.approx(0.25, rel=1e-3)
    assert law.above(1.01)[0] == 0


@given(st.floats(1e-3, 10.0), st.floats(1e-3, 20.0), st.floats(1.3, 9.0), st.floats(0.0, 100.0), st.floats(0.001, 0.5))
def test_a_law_is_a_law_whatever_its_cumulants(mean, wide, skew, heavy, share):
    """skew: of a gamma law it is 2; no positive time has less than 1 - 1 / wide. heavy: excess kurtosis over wide."""
    law = Law.of(one(mean), one(wide * mean**2), one(skew * wide**2 * mean**3), one(heavy * wide**3 * mean**4))
    times = [0.0, mean / 2, mean, 2 * mean, 8 * mean, math.inf]
    above = [law.above(time)[0] for time in times]
    assert all(0 <= value <= 1 for value in above)
    assert above == sorted(above, reverse=True)
    assert law.above(float(law.exceeded(share)[0]))[0] == pytest.approx(share, rel=0.01, abs=1e-4)


@given(st.floats(0.05, 12.0), st.floats(0.01, 0.97), st.floats(0.001, 0.02))
def test_a_fuller_pod_is_never_faster(cores, used, more):
    first, second = sojourn_s(one(used, used + more), one(cores, cores), one(1.0, 1.0))
    assert second >= first - 1e-12


@given(st.floats(0.05, 12.0), st.floats(0.05, 4.0), st.floats(0.01, 0.95))
def test_more_cpu_for_the_same_work_is_never_slower(cores, more, used):
    offered = cores * used
    first, second = sojourn_s(one(used, offered / (cores + more)), one(cores, cores + more), one(1.0, 1.0))
    assert second <= first + 1e-9
