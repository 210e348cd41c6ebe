import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chaosprsa.errors import BadInput
from chaosprsa.models import features, kernels
from chaosprsa.models.features import VECTORISED, extract, rolling, rolling_features

NAMES = tuple(VECTORISED)
EPSILON = np.finfo(float).eps


@pytest.fixture
def many(monkeypatch):
    """Compiled however few the windows."""
    monkeypatch.setattr(features, "COMPILED_FROM", 0)


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Noise, walks, flat, steps, spikes, huge, tiny, negative, and small noise on a level of 1e12."""
    rng = np.random.default_rng(3)
    shaped = [
        rng.normal(size=(8, 30)),
        rng.normal(size=(8, 30)).cumsum(axis=1),
        np.repeat(rng.integers(0, 4, (4, 6)), 5, axis=1).astype(float),
        np.where(rng.random((4, 30)) < 0.1, 1e6, 1.0),
        rng.lognormal(0, 4, (4, 30)),
        np.full((1, 30), 5.0),
        np.full((1, 30), 0.1),
        np.zeros((1, 30)),
        -rng.lognormal(3, 1, (4, 30)),
        rng.normal(size=(4, 30)) * 1e-3,
        1e12 + rng.normal(size=(4, 30)) * 1e3,
    ]
    return np.vstack(shaped)


def theirs(windows: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """What tsfresh's own functions say, shape (windows, names)."""
    from tsfresh.feature_extraction import feature_calculators  # seconds of import
    from tsfresh.feature_extraction.settings import from_columns

    wanted = from_columns([f"x__{name}" for name in names])["x"]
    columns = []
    for name in names:
        function, *_ = name.split("__")
        (parameters,) = [each for each in (wanted[function] or [{}]) if named(function, each) == name]
        calculate = getattr(feature_calculators, function)
        if calculate.fctype == "combiner":
            columns.append([next(iter(calculate(row, [parameters])))[1] for row in windows])
        else:
            columns.append([calculate(row, **parameters) for row in windows])
    return np.array(columns, dtype=float).T


def named(function: str, parameters: dict) -> str:
    quoted = [f'{key}_"{value}"' if isinstance(value, str) else f"{key}_{value}" for key, value in parameters.items()]
    return "__".join([function, *quoted])


@pytest.mark.parametrize("compiled_from", [0, 10**9], ids=["compiled", "numpy"])
def test_the_usual_features_are_tsfreshs_own(windows, compiled_from, monkeypatch):
    monkeypatch.setattr(features, "COMPILED_FROM", compiled_from)
    ours, expected = extract(windows, NAMES), theirs(windows, NAMES)
    # Samples on a high level are rounded, and tsfresh subtracts their rounded mean: so much it may be wrong itself.
    rounding = 4 * EPSILON * np.abs(windows).max(axis=1)
    relative = rounding / np.where(windows.std(axis=1) > 0, windows.std(axis=1), np.inf)
    for column, name in enumerate(NAMES):
        allowed = relative if name.startswith("autocorrelation") else rounding
        expected_here = expected[:, column]
        wrong = np.abs(ours[:, column] - expected_here) > 1e-9 * (1 + np.abs(expected_here)) + allowed
        np.testing.assert_array_equal(np.isnan(ours[:, column]), np.isnan(expected_here), err_msg=name)
        assert not wrong.any(), (name, ours[wrong, column], expected_here[wrong])


def exactly(windows: np.ndarray) -> dict[str, np.ndarray]:
    """The features that subtract, in extended precision."""
    x = windows.astype(np.longdouble)
    width = x.shape[1]
    moved = x - x[:, :1]  # exact
    centred = moved - moved.mean(axis=1, keepdims=True)
    time = np.arange(width, dtype=np.longdouble) - (width - 1) / np.longdouble(2)
    variance = np.mean(centred**2, axis=1)
    with np.errstate(all="ignore"):
        alike = np.sum(centred[:, 1:] * centred[:, :-1], axis=1) / ((width - 1) * variance)
    return {
        "mean": x.mean(axis=1),
        "variance": variance,
        "standard_deviation": np.sqrt(variance),
        'linear_trend__attr_"slope"': centred @ time / (time @ time),
        "autocorrelation__lag_1": np.where(variance > kernels.FLAT * 1.001, alike, np.nan),
        "mean_abs_change": np.abs(np.diff(x, axis=1)).mean(axis=1),
        "cid_ce__normalize_False": np.sqrt(np.sum(np.diff(x, axis=1) ** 2, axis=1)),
        "abs_energy": np.sum(x**2, axis=1),
    }


@st.composite
def series(draw) -> tuple[np.ndarray, int]:
    """A series of any level and scale, with flat stretches, spikes and repeats; and a width."""
    count, width = draw(st.integers(4, 70)), draw(st.integers(2, 25))
    small = draw(arrays(float, count, elements=st.floats(-10, 10, width=32)))
    level = draw(st.sampled_from([0.0, 1.0, -3e5, 1e12, -1e12]))
    scale = draw(st.sampled_from([1e-3, 1.0, 1e6]))
    spikes = draw(arrays(float, count, elements=st.sampled_from([0.0] * 8 + [1e9, -1e9])))
    return level + small * scale + spikes, min(width, count)


@given(series())
@settings(max_examples=150, deadline=None)
def test_no_level_spike_or_scale_costs_the_compiled_sums_their_digits(given_series):
    x, width = given_series
    windows = np.lib.stride_tricks.sliding_window_view(x, width)
    expected = exactly(windows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "COMPILED_FROM", 0)
        found = rolling_features(x, width, tuple(expected))
    spread = np.asarray(windows.max(axis=1) - windows.min(axis=1))
    unit = {"mean": np.abs(windows).max(axis=1), 'linear_trend__attr_"slope"': spread}
    for column, (name, values) in enumerate(expected.items()):
        near_flat = np.abs(expected["variance"] / kernels.FLAT - 1) < 0.01 if name.startswith("auto") else False
        tolerance = 1e-9 * np.maximum(np.abs(values), unit.get(name, 1.0 if name.startswith("auto") else 0.0))
        right = (np.abs(found[:, column] - values) <= tolerance) | (np.isnan(values) & np.isnan(found[:, column]))
        assert (right | near_flat).all(), (name, found[:, column], values)


@given(series(), st.floats(0, 1), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_order_statistics_and_counts_are_numpys_to_the_last_digits(given_series, share, stride):
    x, width = given_series
    windows = np.lib.stride_tricks.sliding_window_view(x, width)[::stride]
    names = [f"quantile__q_{share}", "median", "minimum", "maximum", "count_above_mean", "ratio_beyond_r_sigma__r_1.5"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "COMPILED_FROM", 0)
        found = rolling_features(x, width, names, stride=stride)
    mean, deviation = windows.mean(axis=1, keepdims=True), windows.std(axis=1, keepdims=True)
    scale = np.abs(windows).max() * 4 * EPSILON
    np.testing.assert_allclose(found[:, 0], np.quantile(windows, share, axis=1), rtol=0, atol=scale)
    np.testing.assert_allclose(found[:, 1], np.median(windows, axis=1), rtol=0, atol=scale)
    np.testing.assert_array_equal(found[:, 2], windows.min(axis=1))
    np.testing.assert_array_equal(found[:, 3], windows.max(axis=1))
    np.testing.assert_array_equal(found[:, 4], np.sum(windows > mean, axis=1))
    np.testing.assert_array_equal(found[:, 5], np.mean(np.abs(windows - mean) > 1.5 * deviation, axis=1))


@pytest.mark.parametrize("count", [1, 7, 8, 127, 128, 129, 1000, 1440, 10_007])
def test_the_compiled_sum_is_numpys_to_the_last_bit(count):
    x = np.random.default_rng(count).lognormal(0, 5, count)
    assert kernels.pairwise_sum(x, 0, count) == np.sum(x)


@pytest.mark.parametrize("width", [2, 30, 200])
def test_compiled_and_numpy_tell_the_same_of_every_window(width, many, monkeypatch):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, 700)).cumsum(axis=1)
    x[1, 100], x[2, 300:330] = np.nan, np.inf
    at = rng.permutation(np.arange(width - 1, 700))[:150]
    compiled = rolling_features(x, width, NAMES, at=at)
    monkeypatch.setattr(features, "COMPILED_FROM", 10**9)
    np.testing.assert_allclose(compiled, rolling_features(x, width, NAMES, at=at), rtol=1e-9, atol=1e-9)


def test_a_window_with_a_gap_has_no_features_and_its_neighbours_have(many):
    x = np.arange(40.0)
    x[20] = np.nan
    found = rolling_features(x, 5, NAMES)
    touched = np.zeros(36, dtype=bool)
    touched[16:21] = True
    assert np.isnan(found[touched]).all()
    assert np.isfinite(found[~touched]).all()


def test_what_overflows_is_infinite_without_a_warning(many):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rolling_features(np.tile([1e300, -1e300], 20), 10, ["mean", "standard_deviation", "maximum"])
    assert np.abs(found[:, 0]).max() <= 1e300 * EPSILON
    assert np.isinf(found[:, 1]).all()
    assert (found[:, 2] == 1e300).all()


def test_windows_end_at_every_stride_or_where_they_are_told():
    x = np.arange(100.0)
    assert rolling_features(x, 10, ["maximum"], stride=30)[:, 0].tolist() == [9, 39, 69, 99]
    assert rolling_features(x, 10, ["maximum"], at=np.array([50, 20]))[:, 0].tolist() == [50, 20]
    assert rolling_features(np.stack([x, -x]), 10, ["maximum", "mean"]).shape == (2, 91, 2)
    assert rolling_features(x[:5], 10, ["maximum"]).shape == (0, 1)


@pytest.mark.parametrize("at", [8, 100])
def test_a_window_that_does_not_lie_in_the_series_is_refused(at):
    with pytest.raises(BadInput, match="must end with samples 9 to 99"):
        rolling_features(np.arange(100.0), 10, ["maximum"], at=np.array([50, at]))


def test_other_names_go_through_tsfresh_itself(windows, many):
    found = extract(windows[:3], ["number_peaks__n_1", "mean", "quantile__q_0.3"])
    assert (found[:, 0] >= 1).all()
    np.testing.assert_allclose(found[:, 1], windows[:3].mean(axis=1))
    np.testing.assert_allclose(found[:, 2], np.quantile(windows[:3], 0.3, axis=1))


@pytest.mark.parametrize("name", ["nonsense", "quantile__z_3"])
def test_a_name_that_nobody_knows_is_refused(windows, name):
    with pytest.raises(BadInput, match="tsfresh can't compute"):
        extract(windows[:2], [name])


def test_a_window_ends_with_its_sample_and_sees_nothing_later():
    series = np.arange(10.0)
    assert rolling(series, 3, np.array([2, 9])).tolist() == [[0, 1, 2], [7, 8, 9]]
