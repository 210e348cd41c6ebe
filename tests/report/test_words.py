"""Numbers as a reader says them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.report import words
from chaosprsa.types import Interval


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.034, "0.034"),
        (1.26, "1.3"),
        (34.4, "34"),
        (1234.5, "1\N{THIN SPACE}234"),
        (-5.51, "\N{MINUS SIGN}5.5"),
        (None, "\N{EN DASH}"),
        (float("nan"), "\N{EN DASH}"),
    ],
)
def test_numbers_have_two_significant_digits_and_no_powers_of_ten(value, written):
    assert words.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 %"),
        (0.0004, "under 0.1 %"),
        (0.0123, "1.2 %"),
        (0.07, "7 %"),
        (0.27499, "27 %"),
        (0.0996, "10 %"),
        (0.5, "50 %"),
        (0.9995, "over 99.9 %"),
        (1, "100 %"),
        (None, "\N{EN DASH}"),
    ],
)
def test_shares_never_round_to_nothing_or_to_all(value, written):
    assert words.share(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(45, "45 s"), (90, "1.5 min"), (3600, "1 h"), (86400, "24 h"), (604800, "7 days")]
)
def test_spans_of_time_use_the_unit_a_reader_would(value, written):
    assert words.seconds(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.001, "no change"), (12.5, "+12.50 USD"), (-3, "\N{MINUS SIGN}3.00 USD")]
)
def test_a_change_of_money_has_a_sign(value, written):
    assert words.money_change(value, "USD") == written


def test_a_moment_is_written_in_utc():
    assert words.moment(datetime.fromisoformat("2026-11-25T01:30:00+02:00")) == "2026-11-24 23:30 UTC"
    assert words.day_and_clock(datetime(2026, 11, 5, 7, 3, tzinfo=UTC)) == "Nov 5 07:03"


def test_an_interval_shows_its_middle_and_its_ends():
    assert words.span(Interval(low=0, mid=0.03, high=0.12), "share") == "3 % (0 % to 12 %)"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_number_can_be_written(value):
    for write in (words.number, words.share, words.milliseconds, words.ratio):
        written = write(value)
        assert written
        assert "e" not in written.replace("under", "").replace("over", "")


@pytest.mark.parametrize(
    ("value", "written"), [(5.0, "5"), (0.25, "0.25"), (1200, "1\N{THIN SPACE}200"), (-2, "\N{MINUS SIGN}2")]
)
def test_a_mark_on_an_axis_has_no_needless_digits(value, written):
    assert words.tick(value) == written


def test_evidence_reads_as_sentences():
    assert words.sentences(["seen 3 times", "Usually calm."]) == "seen 3 times. Usually calm."


def test_a_mark_on_a_latency_axis_changes_to_seconds():
    assert [words.latency_tick(value) for value in (30.0, 300.0, 1000.0, 3000.0)] == ["30 ms", "300 ms", "1 s", "3 s"]
