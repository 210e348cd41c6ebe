"""Numbers and nouns as a reader says them: rounded, with their unit."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from chaosprsa.types import AllocationField, Bounds, Interval, ServiceAllocation, Verdict

MISSING = "\N{EN DASH}"
GLYPHS = {Verdict.PASSED: "✓", Verdict.FAILED: "✕", Verdict.INCONCLUSIVE: "?", Verdict.INVALID: "!"}
FIELDS = {
    AllocationField.REPLICAS: "replicas",
    AllocationField.CPU_REQUEST: "CPU request (m)",
    AllocationField.CPU_LIMIT: "CPU limit (m)",
    AllocationField.MEMORY_REQUEST: "memory request (Mi)",
    AllocationField.MEMORY_LIMIT: "memory limit (Mi)",
    AllocationField.BANDWIDTH: "bandwidth (Mbit/s)",
    AllocationField.STORAGE: "volume class",
    AllocationField.CACHE: "cache (Mi)",
    AllocationField.WEIGHT: "weight in its route",
}


def number(value: float | None, digits: int = 2) -> str:
    """Significant digits, never in powers of ten; a dash for what is missing."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    places = min(max(digits - 1 - math.floor(math.log10(abs(value))), 0), 6)
    return signed_zero(f"{value:,.{places}f}".replace(",", "\N{THIN SPACE}"))


def tick(value: float) -> str:
    """A mark on an axis: as few digits as it has."""
    return signed_zero(f"{value:,.6g}".replace(",", "\N{THIN SPACE}"))


def whole(value: float) -> str:
    """12 345."""
    return f"{value:,.0f}".replace(",", "\N{THIN SPACE}")


def signed_zero(written: str) -> str:
    """A real minus; and no minus before nothing."""
    return (
        written.lstrip("-")
        if not any(digit in written for digit in "123456789")
        else written.replace("-", "\N{MINUS SIGN}")
    )


def milliseconds(value: float | None) -> str:
    """34 ms, 1.2 s."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{number(value / 1000)} s" if value >= 1000 else f"{number(value, 3 if value >= 100 else 2)} ms"


def latency_tick(value_ms: float) -> str:
    """A mark on a latency axis."""
    return f"{tick(value_ms / 1000)} s" if value_ms >= 1000 else f"{tick(value_ms)} ms"


def share(value: float | None) -> str:
    """0.3 %; what is neither none nor 0.1 % is said to be under it, what is not quite all over 99.9 %."""
    if value is None or not math.isfinite(value):
        return MISSING
    if 0 < value < 0.001:
        return "under 0.1 %"
    if 0.999 < value < 1:
        return "over 99.9 %"
    percent = value * 100
    whole_or_large = abs(percent) >= 9.95 or abs(percent - round(percent)) < 0.05
    return f"{signed_zero(f'{percent:.0f}' if whole_or_large else f'{percent:.1f}')} %"


def ratio(value: float | None) -> str:
    """2.5 x."""
    return MISSING if value is None else f"{number(value)} ×"  # noqa: RUF001  # a multiplication sign is meant


def span(interval: Interval, form: str) -> str:
    """The middle with its central 90 % interval; form is "number" or "share"."""
    write = {"number": number, "share": share}[form]
    return f"{write(interval.mid)} ({write(interval.low)} to {write(interval.high)})"


def between(bounds: Bounds) -> str:
    """2 to 20 × 50 to 4000m, 96 to 8192Mi."""  # noqa: RUF002  # a multiplication sign is meant
    least, most = bounds.least, bounds.most
    pairs = (
        (least.replicas, most.replicas),
        (least.resources.cpu_limit_millicores, most.resources.cpu_limit_millicores),
        (least.resources.memory_limit_mib, most.resources.memory_limit_mib),
    )
    replicas, cpu, memory = (f"{low} to {high}" if low < high else f"{low}" for low, high in pairs)
    return f"{replicas} × {cpu}m, {memory}Mi"  # noqa: RUF001  # a multiplication sign is meant


def money(value: float, currency: str) -> str:
    """Two decimals below a hundred."""
    return f"{signed_zero(f'{value:,.2f}' if abs(value) < 100 else f'{value:,.0f}')} {currency}".replace(
        ",", "\N{THIN SPACE}"
    )


def money_change(value: float, currency: str) -> str:
    """With its sign; "no change" below a cent."""
    if abs(value) < 0.005:
        return "no change"
    return ("+" if value > 0 else "") + money(value, currency)


def seconds(value: float) -> str:
    """45 s, 12 min, 3.5 h, 2 days."""
    for unit, size, least in (("days", 86400.0, 2), ("h", 3600.0, 1), ("min", 60.0, 1)):
        if value >= size * least:
            return f"{round(value / size, 1 if value < size * 10 else 0):g} {unit}"
    return f"{round(value, 1 if value < 10 else 0):g} s"


def lasting(value: timedelta) -> str:
    """The same for a timedelta."""
    return seconds(value.total_seconds())


def moment(value: datetime) -> str:
    """2026-11-24 18:00 UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def day_and_clock(value: datetime) -> str:
    """Nov 24 18:00."""
    return f"{value.astimezone(UTC):%b} {value.astimezone(UTC).day} {value.astimezone(UTC):%H:%M}"


def clock(value: datetime) -> str:
    """18:00:05."""
    return f"{value.astimezone(UTC):%H:%M:%S}"


def given(service: ServiceAllocation) -> str:
    """3 x 500m / 256Mi: replicas, CPU limit, memory limit of each."""
    resources = service.resources
    return f"{service.replicas} × {resources.cpu_limit_millicores}m / {resources.memory_limit_mib}Mi"  # noqa: RUF001  # the same


def plural(count: int, one: str, many: str = "") -> str:
    """1 issue, 2 issues."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def sentences(items: Iterable[str]) -> str:
    """One after the other, each with its full stop."""
    return " ".join(item if item.endswith((".", "!", "?")) else f"{item}." for item in items)


def listed(items: list[str]) -> str:
    """a, b and c."""
    return ", ".join(items[:-1]) + " and " + items[-1] if len(items) > 1 else "".join(items)
