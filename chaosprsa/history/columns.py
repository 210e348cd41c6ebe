"""The columns of the normal form from whatever a file held: times, names, numbers. Pure.

`where` names the file in notes and errors.
"""

import numpy as np
import pandas as pd

from chaosprsa.errors import InvalidHistory

Notes = tuple[str, ...]
# What numbers as times are taken for: words, how many make a second, above which number. 1e11 s is the year 5138.
UNITS = (("nanoseconds", 10**9, 1e17), ("microseconds", 10**6, 1e14), ("milliseconds", 1000, 1e11))
_FIRST = pd.Timestamp(np.datetime64("0001-01-02", "ms")).tz_localize("UTC")


def utc_times(times: pd.Series, where: str) -> tuple[pd.Series, Notes]:
    """datetime64[ms, UTC] from times, ISO 8601 text, or seconds, milli-, micro- or nanoseconds since 1970.

    Times without a zone are taken as UTC, with a note. Raises InvalidHistory, which names the first bad row.
    """
    try:
        if pd.api.types.is_numeric_dtype(times):
            utc, notes = _from_numbers(times, where)
        elif pd.api.types.is_datetime64_any_dtype(times):
            utc, notes = _from_times(times, where)
        else:
            utc, notes = _from_text(times, where)
        utc = utc.dt.as_unit("ms")
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise _out_of_bounds(where, str(error)) from None
    if (utc < _FIRST).any():
        raise _out_of_bounds(where, "it is before the year 1")
    return utc, notes


def _out_of_bounds(where: str, reason: str) -> InvalidHistory:
    return InvalidHistory(f"{where}: a timestamp is out of bounds ({reason}); expected seconds since 1970")


def _from_numbers(times: pd.Series, where: str) -> tuple[pd.Series, Notes]:
    given = times.astype("float64")
    finite = given.where(np.isfinite(given))
    largest = finite.abs().max()
    words, a_second = next(((words, many) for words, many, above in UNITS if largest > above), ("seconds", 1))
    millis = (finite * (1000 / a_second)).round()
    utc = pd.Series(pd.to_datetime(millis, unit="ms", utc=True))
    return utc, (f"{where}: timestamps are numbers; they were taken as {words} since 1970",)


def _from_times(times: pd.Series, where: str) -> tuple[pd.Series, Notes]:
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        return times.dt.tz_convert("UTC"), ()
    return times.dt.tz_localize("UTC"), _taken_as_utc(where)


def _from_text(times: pd.Series, where: str) -> tuple[pd.Series, Notes]:
    text = times.astype(object).where(times.notna(), None)
    utc = pd.Series(pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce"))
    wrong = (utc.isna() & times.notna()).to_numpy(dtype=bool)
    if wrong.any():
        at = int(np.argmax(wrong))
        given = str(times.iloc[at])[:60]
        message = f"{where}, row {at + 1}: timestamp is {given!r}, expected a time like 2026-01-31T14:03:00Z"
        raise InvalidHistory(message)
    zoned = times.dropna().astype(str).str.contains(r"[Zz]$|:\d\d(?:\.\d+)?[+-]\d\d(?::?\d\d)?$", regex=True)
    return utc, () if zoned.all() else _taken_as_utc(where)


def _taken_as_utc(where: str) -> Notes:
    return (f"{where}: timestamps have no time zone; they were taken as UTC",)


def names_as_text(names: pd.Series) -> pd.Series:
    """Names as text whatever the file held; a number becomes its digits, a missing name stays missing."""
    if isinstance(names.dtype, pd.CategoricalDtype) and pd.api.types.is_string_dtype(names.cat.categories.dtype):
        return names
    if names.dtype == object:
        names = names.map(lambda name: name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name)
    return names.where(names.isna(), names.astype(str))


def numbers(values: pd.Series, where: str) -> pd.Series:
    """float64; missing values become NaN. Raises InvalidHistory, which names the first row that is no number."""
    if values.dtype.kind in "mM":
        raise InvalidHistory(f"{where}: its values are times or durations ({values.dtype}), expected numbers")
    try:
        return pd.to_numeric(values).astype("float64")
    except (TypeError, ValueError):
        coerced = pd.to_numeric(values, errors="coerce")
        at = int(np.argmax((coerced.isna() & values.notna()).to_numpy(dtype=bool)))
        message = f"{where}, row {at + 1}: value is {str(values.iloc[at])[:60]!r}, expected a number"
        raise InvalidHistory(message) from None


def listed(names: list[str]) -> str:
    """The first five names, and how many more there are; long ones cut, what can't be printed as its code."""
    shown = [name if name.isprintable() else ascii(name)[1:-1] for name in (each[:60] for each in names[:5])]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
