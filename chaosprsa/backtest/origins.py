"""Where forecasts are made: origins spread evenly over the later part of a history, each with what lay before it."""

from datetime import datetime, timedelta

from chaosprsa.errors import BadInput, NotEnoughHistory
from chaosprsa.types import Window

FIRST_SHARE = 0.5  # of the history lies before the first origin: models need a past
LEAST = timedelta(minutes=30)


def origins(window: Window, count: int) -> tuple[datetime, ...]:
    """`count` times from the middle of the window on, equally far apart; the last has as much time left as the others.

    Raises BadInput for a count below 1, NotEnoughHistory for a window under half an hour.
    """
    if count < 1:
        raise BadInput(f"backtest: {count} origins were asked for; give at least 1")
    if window.duration < LEAST:
        raise NotEnoughHistory(f"a backtest needs at least {LEAST} of history; there are {window.duration}")
    first = window.start + window.duration * FIRST_SHARE
    apart = (window.end - first) / count
    return tuple(first + apart * number for number in range(count))
