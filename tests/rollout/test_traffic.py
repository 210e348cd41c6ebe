"""What pods answered between readings, also where Prometheus missed one."""

from datetime import UTC, datetime, timedelta

from chaosprsa.rollout.traffic import Readings

START = datetime(2026, 11, 1, tzinfo=UTC)


class Counters:
    """A client whose answers are the counters of each reading in turn: {(pod, code): count}."""

    def __init__(self, *readings):
        self.readings = list(readings)

    def instant(self, _query, at=None):
        seen = self.readings[round((at - START).total_seconds())]
        return [
            ({"pod": pod, "code": code, "le": le}, float(count))
            for (pod, code), count in seen.items()
            for le in ("0.1", "+Inf")
        ]


def answers(*readings):
    seen = Readings(Counters(*readings), "shop", ("web",), "app")
    for number in range(len(readings)):
        seen.mark(START + timedelta(seconds=number))
    return [(slot.good, slot.failures) for slot in seen.slots("web")]


def test_a_scrape_that_was_missed_does_not_turn_a_lifetime_into_answers():
    assert answers({("a", "200"): 2e6}, {}, {("a", "200"): 2e6 + 10}) == [(0, 0), (10, 0)]


def test_a_pod_that_a_first_scrape_missed_counts_from_its_first_reading_on():
    assert answers(
        {("b", "200"): 5}, {("a", "200"): 2e6, ("b", "200"): 6}, {("a", "200"): 2e6 + 4, ("b", "200"): 6}
    ) == [
        (1, 0),
        (4, 0),
    ]


def test_a_code_that_a_known_pod_never_gave_before_counts_from_nought():
    assert answers({("a", "200"): 100}, {("a", "200"): 100, ("a", "500"): 7}) == [(0, 7)]
