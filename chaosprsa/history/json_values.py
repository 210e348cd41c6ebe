"""The JSON values of a text with where they stand: one for the whole, one a line, or one after the other.

Stricter than Python's reader: NaN and Infinity are no JSON, and what is nested too deep or too long a number is refused
with its line instead of failing further on. Where an object repeats a key the last one counts.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import shown

_SPACE = " \t\n\r"


def json_values(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """(place, value). A list that is the whole text gives its entries. Raises InvalidHistory with the line."""
    try:
        whole = _DECODER.decode(text) if text.strip(_SPACE) else []
    except (ValueError, RecursionError):
        yield from _in_turn(text, where)
        return
    for number, value in enumerate(whole if isinstance(whole, list) else [whole], start=1):
        yield f"{where}, entry {number}", value


def _in_turn(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """Values one after the other: JSONL, or the documents that `kubectl get -w -o json` prints."""
    at, line = 0, 1
    while True:
        begin = _next(text, at)
        line += text.count("\n", at, begin)
        if begin == len(text):
            return
        place = f"{where}, line {line}"
        try:
            value, end = _DECODER.raw_decode(text, begin)
        except RecursionError:
            raise InvalidHistory(f"{place}: its JSON is nested too deep to be an incident") from None
        except ValueError as error:
            reason = str(error).split(": line", maxsplit=1)[0][:100]
            given = text[begin : begin + 61].split("\n", maxsplit=1)[0]
            message = f"{place}: not JSON ({reason}, in {shown(given)}); expected one incident or webhook a line"
            raise InvalidHistory(message) from None
        yield place, value
        line += text.count("\n", begin, end)
        at = end


def _next(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        _refuse(digits[:20])
    return value


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
