"""Kubernetes quantities ("250m", "0.5", "128Mi", "1e9") as millicores and MiB, and back.

Grammar: apimachinery/pkg/api/resource: a signed decimal, then a decimal suffix (n u m k M G T P E), a binary one
(Ki Mi Gi Ti Pi Ei) or an exponent (e9, E9). Rounded up, as Kubernetes does: a fraction of a unit is given whole.
"""

import math
import re
from fractions import Fraction

from chaosprsa.errors import InvalidNoun

MIB = 1024**2
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)")


def quantity(text: str | float) -> Fraction:
    """The exact value, in the resource's base unit (cores, bytes). Raises InvalidNoun."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise InvalidNoun(
            f'{text!r} is no Kubernetes quantity; expected something like "250m", "0.5", "128Mi" or "1e9"'
        )
    number, exponent, suffix = match.groups()
    if exponent:
        return _scaled(number, 10, int(exponent))
    if suffix in _BINARY:
        return _scaled(number, 1024, _BINARY[suffix])
    return _scaled(number, 10, _DECIMAL[suffix or ""])


def _scaled(number: str, base: int, power: int) -> Fraction:
    factor = Fraction(base ** abs(power))
    return Fraction(number) * factor if power >= 0 else Fraction(number) / factor


def millicores(text: str | float) -> int:
    """A CPU quantity in thousandths of a core."""
    return math.ceil(quantity(text) * 1000)


def mebibytes(text: str | float) -> int:
    """A memory quantity in MiB."""
    return math.ceil(quantity(text) / MIB)


def cpu_text(count: int) -> str:
    """Millicores as Kubernetes writes them itself: whole cores plain ("2"), others "250m"."""
    return str(count // 1000) if count % 1000 == 0 else f"{count}m"


def memory_text(count: int) -> str:
    """MiB as Kubernetes writes them itself: whole GiB as "2Gi", others "128Mi"."""
    return f"{count // 1024}Gi" if count % 1024 == 0 else f"{count}Mi"
