"""Kubernetes quantities ("250m", "1.5Gi"): their value, and the one way the API writes each.

Source: k8s.io/apimachinery/pkg/api/resource (Quantity.CanonicalizeBytes).
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from chaosprsa.lab.status import bad_request

BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
FORM = re.compile(r"(?P<number>[+-]?(\d+\.?\d*|\.\d+))(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")


@lru_cache(maxsize=4096)
def _parts(text: str) -> tuple[Fraction, str]:
    found = FORM.fullmatch(text)
    if found is None:
        raise bad_request(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': "
        )
    number, unit = Fraction(found["number"]), found["suffix"] or ""
    if unit in BINARY:
        return number * 1024 ** BINARY[unit], "binary"
    if unit in DECIMAL:
        return number * Fraction(1000) ** DECIMAL[unit], "decimal"
    return number * Fraction(10) ** int(unit[1:]), "decimal"


def exact(quantity: Any) -> Fraction:
    """The value in base units (cores, bytes). Raises StatusError 400 for what is no quantity."""
    return _parts(str(quantity))[0]


def value(quantity: Any) -> float:
    """The value in base units (cores, bytes); rounded, for arithmetic that needs no exactness."""
    return float(exact(quantity))


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """As the API answers it: "1000m" is "1", "1024Mi" is "1Gi", "0.5" is "500m"."""
    number, family = _parts(text)
    return written(number, binary=family == "binary" and abs(number) >= 1024)


def written(number: Fraction, *, binary: bool = False) -> str:
    """The shortest text of whole digits; finer than a nano is rounded up."""
    units, base = (BINARY, 1024) if binary else (DECIMAL, 1000)
    for unit, power in sorted(units.items(), key=lambda item: -item[1]):
        scaled = number / Fraction(base) ** power
        if scaled.denominator == 1 and (scaled != 0 or unit == ""):
            return f"{scaled.numerator}{unit}"
    if binary:
        return written(number)
    return f"{-(-number * 10**9 // 1)}n"


def added(left: str, right: str) -> str:
    """The sum of two quantities, in the first one's family."""
    binary = _parts(left)[1] == "binary" or (exact(left) == 0 and _parts(right)[1] == "binary")
    total = exact(left) + exact(right)
    return written(total, binary=binary and total >= 1024)
