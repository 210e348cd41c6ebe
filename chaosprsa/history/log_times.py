"""When a log line was written, from the stamp it begins with. Pure.

Known: ISO 8601 and what looks like it (zone or none, comma or point, slashes), syslog, Apache's and nginx' access and
error logs, klog, seconds or milliseconds since 1970, HDFS' yymmdd hhmmss. Stamps without a zone are UTC; those without
a year are of the last year in which they are not in the future. Whole seconds: counts need no more.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
HEAD = 200  # characters in which a stamp is looked for
REMEMBERED = 10_000  # stamps: lines of one second share one
Parts = tuple[str, ...]


class Stamper:
    """Reads stamps, the last format that fitted first. `now`: the latest that a stamp without a year can mean."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.unzoned = 0
        self.yearless = 0
        self._order = list(_FORMATS)
        self._known: dict[Parts, int | None] = {}

    def read(self, line: str) -> tuple[int, str] | None:
        """Seconds since 1970, and the line without its stamp; None where it has none."""
        for place, (pattern, convert) in enumerate(self._order):
            match = pattern.search(line, 0, HEAD)
            if match is None:
                continue
            parts = match.groups(default="")
            seconds = self._known.get(parts, -1)
            if seconds == -1:
                seconds = self._converted(convert, parts)
            if seconds is None:
                continue
            if place:
                self._order.insert(0, self._order.pop(place))
            return seconds, line[: match.start()] + line[match.end() :]
        return None

    def _converted(self, convert: "Convert", parts: Parts) -> int | None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        try:
            time = convert(self, parts)
            seconds = None if time is None else int(time.timestamp())
        except (ValueError, OverflowError, OSError, KeyError):
            seconds = None
        self._known[parts] = seconds
        return seconds

    def zoned(self, time: datetime) -> datetime:
        """Without a zone: UTC, and remembered as such."""
        if time.tzinfo is None:
            self.unzoned += 1
            return time.replace(tzinfo=UTC)
        return time

    def in_the_past(self, month: int, day: int, clock: str) -> datetime | None:
        """The last year in which it's not in the future; a 29 February goes back to a leap year."""
        self.yearless += 1
        for year in range(self.now.year, self.now.year - 9, -1):
            try:
                time = datetime.fromisoformat(f"{year:04d}-{month:02d}-{day:02d}T{clock}+00:00")
            except ValueError:
                continue
            if time <= self.now + timedelta(days=1):
                return time
        return None


Convert = Callable[[Stamper, Parts], datetime | None]


def _iso(stamper: Stamper, parts: Parts) -> datetime:
    year, month, day, clock, zone = parts
    return stamper.zoned(datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{zone.replace(' ', '')}"))


def _access(_: Stamper, parts: Parts) -> datetime:
    day, month, year, clock, zone = parts
    return datetime.fromisoformat(f"{year}-{MONTHS[month]:02d}-{day}T{clock}{zone}")


def _error_log(stamper: Stamper, parts: Parts) -> datetime:
    month, day, clock, year = parts
    return stamper.zoned(datetime.fromisoformat(f"{year}-{MONTHS[month]:02d}-{int(day):02d}T{clock}"))


def _syslog(stamper: Stamper, parts: Parts) -> datetime | None:
    month, day, clock = parts
    return stamper.in_the_past(MONTHS[month], int(day), clock)


def _klog(stamper: Stamper, parts: Parts) -> datetime | None:
    month, day, clock = parts
    return stamper.in_the_past(int(month), int(day), clock)


def _epoch(_: Stamper, parts: Parts) -> datetime:
    return datetime.fromtimestamp(int(parts[0]), tz=UTC)


def _hdfs(stamper: Stamper, parts: Parts) -> datetime:
    year, month, day, hour, minute, second = parts
    return stamper.zoned(datetime.fromisoformat(f"20{year}-{month}-{day}T{hour}:{minute}:{second}"))


_CLOCK = r"(\d\d:\d\d:\d\d)(?:[.,]\d+)?"
_NAMES = "|".join(MONTHS)
_FORMATS: tuple[tuple[re.Pattern[str], Convert], ...] = (
    (re.compile(rf"(?:^|[\s\[(\"=])(\d{{4}})[-/](\d\d)[-/](\d\d)[T ]{_CLOCK} ?(Z\b|[+-]\d\d:?\d\d)?\]?"), _iso),
    (re.compile(rf"\[(\d\d)/({_NAMES})/(\d{{4}}):(\d\d:\d\d:\d\d) ([+-]\d{{4}})\]"), _access),
    (re.compile(rf"^(?:<\d{{1,3}}>)?({_NAMES}) +(\d{{1,2}}) {_CLOCK}"), _syslog),
    (re.compile(rf"^\[?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ({_NAMES}) +(\d{{1,2}}) {_CLOCK} (\d{{4}})\]?"), _error_log),
    (re.compile(rf"(?<=^[IWEF])(\d\d)(\d\d) {_CLOCK}"), _klog),
    (re.compile(r"^(\d\d)(\d\d)(\d\d) (\d\d)(\d\d)(\d\d)(?=\s)"), _hdfs),
    (re.compile(r"^(?:[-A-Z]\S* )?\[?(\d{10})(?:\d{3}|\.\d+)?\]?(?=[\s:])"), _epoch),
)
