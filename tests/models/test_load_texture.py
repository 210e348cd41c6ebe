"""New courses of load against processes whose figures are known."""

import numpy as np
import pytest

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.load_texture import LoadTexture

DAY_S = 86_400.0


def counted(rate: np.ndarray, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(rate).astype(float)


def seconds(days: float) -> np.ndarray:
    return np.arange(0.0, days * DAY_S)


def usual(times: np.ndarray) -> np.ndarray:
    return 20 + 10 * np.sin(2 * np.pi * times / DAY_S)


def dispersion(counts: np.ndarray, width: int) -> float:
    """Variance over mean of the sums of `width` samples: 1 for Poisson (Cox and Lewis 1966)."""
    sums = counts[: len(counts) // width * width].reshape(-1, width).sum(axis=1)
    return float(sums.var() / sums.mean())


def test_a_steady_poisson_load_is_drawn_as_one():
    fitted = LoadTexture().fit(seconds(1), counted(np.full(86_400, 20.0)))
    drawn = fitted.draw(DAY_S, 86_400, 1.0, np.random.default_rng(2)).astype(float)
    assert drawn.mean() == pytest.approx(20, rel=0.02)
    assert dispersion(drawn, 1) == pytest.approx(1.0, abs=0.05)
    assert dispersion(drawn, 60) == pytest.approx(1.0, abs=0.3)


def test_slow_unrest_comes_back_at_its_own_scale():
    """A rate that wanders by the hour: calm within seconds, restless over minutes and more."""
    rng = np.random.default_rng(3)
    times = seconds(3)
    decay = np.exp(-60 / 3600)
    walk = np.zeros(len(times) // 60)
    for at in range(1, len(walk)):
        walk[at] = decay * walk[at - 1] + 0.3 * np.sqrt(1 - decay**2) * rng.normal()
    real = counted(20 * np.exp(np.repeat(walk, 60)))
    fitted = LoadTexture().fit(times, real)
    drawn = np.concatenate([fitted.draw(0.0, len(times), 1.0, np.random.default_rng(seed)) for seed in range(4)])
    for width in (1, 60, 600):
        assert dispersion(drawn.astype(float), width) == pytest.approx(dispersion(real, width), rel=0.35), width


def test_a_load_that_is_mostly_calm_is_drawn_mostly_calm():
    """One ten minutes in five is restless: by variances alone each one would be a fifth as restless."""
    rng = np.random.default_rng(6)
    blocks = 288
    restless = np.where(rng.random(blocks) < 0.2, 0.3, 0.02)
    waves = np.exp(np.repeat(rng.normal(size=blocks * 60), 10) * np.repeat(restless, 600))
    real = counted(50 * waves)
    fitted = LoadTexture().fit(np.arange(len(real), dtype=float), real)
    drawn = fitted.draw(0.0, len(real), 1.0, np.random.default_rng(7)).astype(float)

    def usual_unrest(counts):
        tens = counts.reshape(blocks, 60, 10).sum(axis=2)
        return float(np.median(tens.var(axis=1) / tens.mean(axis=1)))

    assert usual_unrest(drawn) < 0.5 * dispersion(real, 10)
    assert dispersion(drawn, 10) == pytest.approx(dispersion(real, 10), rel=0.5)


def test_an_evenly_restless_load_has_no_swing():
    fitted = LoadTexture().fit(seconds(1), counted(usual(seconds(1))))
    assert fitted.swing == 0


def test_the_day_comes_back_and_a_level_that_is_wanted_is_held():
    times = seconds(3)
    fitted = LoadTexture().fit(times, counted(usual(times)))
    drawn = fitted.rate(3 * DAY_S, 1440, 60.0, np.random.default_rng(4))
    assert np.corrcoef(drawn, usual(3 * DAY_S + 60.0 * np.arange(1440)))[0, 1] > 0.9
    held = fitted.rate(3 * DAY_S, 1440, 60.0, np.random.default_rng(4), levels=[50.0])
    assert held.mean() == pytest.approx(50, rel=0.05)


def test_the_same_seed_is_the_same_day_and_another_is_another():
    times = seconds(1)
    fitted = LoadTexture().fit(times, counted(usual(times)))
    first, again, other = (fitted.draw(0.0, 3600, 1.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_texture_comes_back_from_json():
    times = seconds(1)
    fitted = LoadTexture().fit(times, counted(usual(times)))
    assert LoadTexture.from_json(fitted.as_json()) == fitted


@pytest.mark.parametrize("values", [np.zeros(500), np.full(500, 3.0), np.r_[np.full(250, np.nan), np.ones(250)]])
def test_odd_pasts_give_finite_courses_that_are_never_below_0(values):
    drawn = LoadTexture().fit(np.arange(500.0) * 60, values).rate(30_000.0, 200, 60.0, np.random.default_rng(1))
    assert np.isfinite(drawn).all()
    assert (drawn >= 0).all()


def test_a_minute_of_history_is_refused():
    with pytest.raises(NotEnoughHistory):
        LoadTexture().fit(np.arange(10.0), np.ones(10))
