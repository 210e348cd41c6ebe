"""Chaos Toolkit tolerances: each takes `value`, what its probe returned, and says whether that is in order."""

# mypy: disable-error-code="type-arg"
# `value` has a default because Chaos Toolkit validates a tolerance without it, and calls it with it.
# dict and list stay bare: `chaos discover` shows dict[str, Any] as "object" and dict as "mapping".

import math

from chaosprsa.errors import require

__all__ = ["prometheus_within", "slo_met"]


def slo_met(value: dict = None) -> bool:  # type: ignore[assignment]  # noqa: RUF013  # the default's sake, see above
    """For the probe slo: the objective was kept, or there was nothing to judge yet."""
    return bool(value and value.get("met") is True)


def prometheus_within(value: dict = None, low: float = 0.0, high: float = 0.0) -> bool:  # type: ignore[assignment]  # noqa: RUF013  # the same
    """For chaosprometheus' query: it found at least one series, and every one is a number in [low, high].

    Nothing found, or no number, is out of tolerance: anything missing is never a pass.
    """
    require(low <= high, f"prometheus_within: low ({low}) is above high ({high})")
    if not value or value.get("status") != "success":
        return False
    samples = [float(series["value"][1]) for series in value.get("data", {}).get("result", []) if "value" in series]
    return bool(samples) and all(math.isfinite(sample) and low <= sample <= high for sample in samples)
