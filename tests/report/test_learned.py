"""What the report says of a model bundle, on a bundle that was really learned."""

import html
from datetime import timedelta

import pytest

from chaosprsa.lab.history import lab_history
from chaosprsa.lab.shop import shop
from chaosprsa.models.bundle import learn, save_bundle
from chaosprsa.report import render_report
from chaosprsa.report.charts.load import LoadView
from chaosprsa.report.learned import MOST_KINDS, OTHERS, learned_of
from chaosprsa.types import Incident


@pytest.fixture(scope="module")
def history():
    from datetime import UTC, datetime

    return lab_history(shop(), 1.0, 1, datetime(2026, 11, 25, 9, 30, tzinfo=UTC))


@pytest.fixture(scope="module")
def bundle(history):
    return learn(history, seed=1)


def test_the_forecast_begins_with_what_was_observed_and_goes_a_day_beyond(bundle):
    load = learned_of(bundle).load
    assert load.times_s[0] == load.observed[0][0]
    assert load.times_s[-1] == pytest.approx(bundle.window.end.timestamp() + 86400)


def test_rates_add_up_to_the_component_s_known_kinds(bundle):
    model, told = bundle.incidents, learned_of(bundle)
    for component, row in told.rates.items():
        known = 7 * model.rate_per_day(component) * (1 - model.unseen_share)
        assert sum(rate.per_week for rate in row.values()) == pytest.approx(known)
    assert sum(rate.seen for row in told.rates.values() for rate in row.values()) == model.total


def test_more_kinds_than_fit_are_summed_under_others(history):
    start = history.window.start
    incidents = tuple(
        Incident(start=start + timedelta(minutes=20 * number), component="cart", kind=f"kind {number % 12}")
        for number in range(36)
    )
    told = learned_of(learn(type(history)(history.metrics, incidents, history.topology), seed=1))
    assert len(told.kinds) == MOST_KINDS
    assert told.kinds[-1] == OTHERS
    assert told.rates["cart"][OTHERS].seen == 15


def test_the_share_outside_the_band_is_counted():
    view = LoadView(
        observed=((0.0, 5.0), (1.0, 50.0)),
        ends_s=2,
        times_s=(0.0, 1.0),
        mean=(5.0, 5.0),
        low=(0.0, 0.0),
        high=(9.0, 9.0),
    )
    assert view.outside == 0.5


def test_the_page_tells_the_window_the_notes_and_that_no_warning_can_be_trusted(bundle, workspace, settings, now):
    save_bundle(bundle, workspace.models)
    page = html.unescape(render_report(workspace, settings, now))
    assert "2026-11-24 09:30 UTC to 2026-11-25 09:30 UTC (24 h)" in page
    assert "Learned from incidents" in page
    assert "nothing: the notes below say why" in page
    assert all(note[:20] in page for note in bundle.notes)
    assert f'id="lineage-{bundle.lineage.id}"' in page


def test_a_precursor_s_quality_is_set_beside_what_chance_would_do(bundle):
    from chaosprsa.models.calibration import Quality
    from chaosprsa.report.learned import _quality

    class Model:
        horizon = timedelta(minutes=30)
        quality = Quality(
            incidents_learned=30,
            incidents_judged=10,
            rows_judged=400,
            base_rate=0.04,
            brier=0.031,
            brier_of_base_rate=0.038,
            average_precision=0.31,
            chance=0.01,
            calibration="sigmoid",
        )

    said = dict(_quality(Model()))
    assert said["Average precision"] == "0.31; 0.04 would be chance"
    assert said["Brier score"] == "0.0310; 0.0380 without a model (less is better)"
