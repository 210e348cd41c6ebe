import numpy as np
import pytest

from chaosprsa.errors import BadInput
from chaosprsa.models.features import VECTORISED, extract, rolling


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Noise, walks, flat, steps, spikes, huge and tiny numbers."""
    rng = np.random.default_rng(3)
    shaped = [
        rng.normal(size=(8, 30)),
        rng.normal(size=(8, 30)).cumsum(axis=1),
        np.repeat(rng.integers(0, 4, (4, 6)), 5, axis=1).astype(float),
        np.where(rng.random((4, 30)) < 0.1, 1e6, 1.0),
        rng.lognormal(0, 4, (4, 30)),
        np.full((1, 30), 5.0),
        np.zeros((1, 30)),
    ]
    return np.vstack(shaped)


def test_the_vectorised_features_are_tsfreshs_own(windows):
    from tsfresh.feature_extraction import feature_calculators as theirs  # seconds of import
    from tsfresh.feature_extraction.settings import from_columns

    settings = from_columns([f"x__{name}" for name in VECTORISED])["x"]
    ours = extract(windows, list(VECTORISED))
    for column, name in enumerate(VECTORISED):
        function, *_ = name.split("__")
        (parameters,) = [each for each in (settings[function] or [{}]) if _named(function, each) == name]
        calculate = getattr(theirs, function)
        if calculate.fctype == "combiner":
            expected = [next(iter(calculate(row, [parameters])))[1] for row in windows]
        else:
            expected = [calculate(row, **parameters) for row in windows]
        np.testing.assert_allclose(ours[:, column], expected, rtol=1e-9, atol=1e-9, err_msg=name)


def _named(function: str, parameters: dict) -> str:
    quoted = [f'{key}_"{value}"' if isinstance(value, str) else f"{key}_{value}" for key, value in parameters.items()]
    return "__".join([function, *quoted])


def test_other_names_go_through_tsfresh_itself(windows):
    found = extract(windows[:3], ["mean", "quantile__q_0.3", "number_peaks__n_1"])
    np.testing.assert_allclose(found[:, 0], windows[:3].mean(axis=1))
    np.testing.assert_allclose(found[:, 1], np.quantile(windows[:3], 0.3, axis=1))
    assert (found[:, 2] >= 1).all()


@pytest.mark.parametrize("name", ["nonsense", "quantile__z_3"])
def test_a_name_that_nobody_knows_is_refused(windows, name):
    with pytest.raises(BadInput, match="tsfresh can't compute"):
        extract(windows[:2], [name])


def test_a_window_with_a_gap_has_no_features(windows):
    gappy = windows[:2].copy()
    gappy[1, 7] = np.nan
    found = extract(gappy, ["mean", "maximum"])
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()
    assert np.isnan(extract(gappy[1:], ["mean"])).all()


def test_a_window_ends_with_its_sample_and_sees_nothing_later():
    series = np.arange(10.0)
    assert rolling(series, 3, np.array([2, 9])).tolist() == [[0, 1, 2], [7, 8, 9]]
