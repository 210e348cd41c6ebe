import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Judged, expected_calibration_error
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.windows import WINDOW_STEPS, label, layout_of, rows_at
from chaosprsa.types import Incident

HORIZON = 30  # steps


@pytest.fixture(scope="module")
def model(announced) -> PrecursorModel:
    return PrecursorModel(seed=1).fit(announced, normals_of(announced))


def until(history: History, when) -> History:
    """What was known at a time."""
    rows = history.metrics[(history.metrics["timestamp"] < when).to_numpy()].reset_index(drop=True)
    return History(metrics=rows, topology=history.topology).last(timedelta(hours=3))


def test_incidents_that_announce_themselves_are_learned_and_the_quality_says_how_well(model):
    quality = model.quality
    assert quality is not None
    assert quality.average_precision > 5 * quality.base_rate
    assert quality.brier < quality.brier_of_base_rate
    assert quality.chance <= 0.05
    assert (quality.incidents_learned, quality.incidents_judged) == (36, 9)
    assert "average precision" in quality.in_words()


def test_the_probability_is_high_before_an_incident_and_low_elsewhere(model, announced):
    before, apart = [], []
    for incident in announced.incidents[-9:]:
        found = model.probability(until(announced, incident.start - timedelta(minutes=2)))
        before.append(found.pop(incident.component))
        apart += found.values()
    assert np.mean(before) > 0.5
    assert np.mean(apart) < 0.15


def test_the_evidence_names_the_metric_that_drove_it(model, announced):
    incident = announced.incidents[-1]
    likeliest = model.predict(until(announced, incident.start - timedelta(minutes=2)))[0]
    assert likeliest.component == incident.component
    assert "memory_bytes" in likeliest.evidence[0]
    assert "spreads" in likeliest.evidence[0]


def test_incidents_without_precursors_are_refused_with_the_figures(abrupt):
    model = PrecursorModel(seed=1).fit(abrupt, normals_of(abrupt))
    assert model.quality is None
    assert re.search(r"no more than chance on the last 9 incidents: average precision 0\.\d\d", model.refusal)
    assert "what grows beyond the usual is warned of" in model.in_words()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_incidents_moved_to_random_times_are_no_longer_foretold(announced, seed):
    rng = np.random.default_rng(seed)
    begin, length = announced.window.start, announced.window.duration
    starts = [begin + length * float(share) for share in np.sort(rng.uniform(0.02, 0.98, len(announced.incidents)))]
    moved = tuple(
        replace(each, start=start, end=start + timedelta(minutes=6))
        for each, start in zip(announced.incidents, starts, strict=True)
    )
    model = PrecursorModel(seed=1).fit(replace(announced, incidents=moved), normals_of(announced))
    assert "no more than chance" in model.refusal


def test_fourteen_incidents_are_too_few(announced):
    few = replace(announced, incidents=announced.incidents[:14])
    assert re.search(r"at least 15 incidents .* there are 14", PrecursorModel().fit(few, normals_of(few)).refusal)


def test_a_window_too_short_gives_no_prediction(model, announced):
    assert model.predict(announced.last(timedelta(minutes=20))) == ()


def test_the_same_seed_gives_the_same_probabilities(model, announced):
    again = PrecursorModel(seed=1).fit(announced, normals_of(announced))
    recent = announced.last(timedelta(hours=2))
    assert again.predict(recent) == model.predict(recent)


def test_rows_during_an_incident_are_left_out_and_those_before_are_labelled(announced):
    at = np.arange(WINDOW_STEPS - 1, 300)
    layout = layout_of(announced, normals_of(announced))
    samples = rows_at(announced, layout, at)
    start = announced.grid[150].to_pydatetime()
    incident = Incident(start=start, end=start + timedelta(minutes=5), component="cart", kind="oom")
    coming, usable = label(samples, [incident], announced.grid, HORIZON)
    cart = samples.component == samples.components.index("cart")
    assert samples.at[coming].tolist() == list(range(150 - HORIZON, 150))
    assert cart[coming].all()
    assert samples.at[~usable].tolist() == list(range(150, 156))
    assert cart[~usable].all()


def test_the_last_horizon_is_left_out_where_nobody_knows_what_followed(announced):
    last = len(announced.grid) - 1
    samples = rows_at(announced, layout_of(announced, normals_of(announced)), np.arange(last - 40, last + 1))
    _, usable = label(samples, [], announced.grid, HORIZON)
    assert samples.at[usable].max() == last - HORIZON


def test_a_calibrated_curve_keeps_its_word():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=20_000)
    happened = rng.random(20_000) < 1 / (1 + np.exp(-(2 * scores - 1)))
    for incidents, method in ((1000, "isotonic"), (199, "sigmoid")):
        curve = Calibration.fit(scores, happened, incidents)
        assert curve.method == method
        at = np.array([-1.0, 0.0, 1.0])
        assert curve(at) == pytest.approx(1 / (1 + np.exp(-(2 * at - 1))), abs=0.05)
        assert (np.diff(curve(np.linspace(-9, 9, 50))) >= 0).all()
        assert expected_calibration_error(curve(scores), happened) < 0.02


def test_few_incidents_move_a_score_s_own_odds_little_and_the_level_is_the_longer_time_s():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=5000)
    happened = rng.random(5000) < 1 / (1 + np.exp(-(2 * scores - 1)))
    curve = Calibration.fit(scores, happened, 2)
    assert curve(np.array([0.0])) == pytest.approx(0.5, abs=0.1)
    assert Calibration.fit(scores, happened, 2, 0.05)(scores).mean() == pytest.approx(0.05, abs=1e-3)


def test_the_calibration_error_is_how_far_the_said_is_from_what_came():
    said = np.array([0.2] * 10 + [0.9] * 10)
    came = np.array([True] * 2 + [False] * 8 + [True] * 5 + [False] * 5)
    assert expected_calibration_error(said, came) == pytest.approx((0 + 0.4) / 2)


def test_a_ranking_is_chance_when_it_does_as_well_at_other_times():
    rng = np.random.default_rng(0)
    happened = np.zeros((2, 400), dtype=bool)
    happened[:, 100:130] = happened[0, 300:330] = True
    good = Judged(probabilities=np.where(happened, 0.8, 0.1) + 0.05 * rng.random(happened.shape), happened=happened)
    noise = Judged(probabilities=rng.random(happened.shape), happened=happened)
    assert good.average_precision() == pytest.approx(1)
    assert good.chance(30, rng) <= 0.02
    assert noise.chance(30, rng) > 0.1
    assert good.brier(always=0.0) == pytest.approx(happened.mean())
