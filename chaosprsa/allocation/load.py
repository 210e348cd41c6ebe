"""The load that an allocation has to carry."""

from dataclasses import dataclass

from chaosprsa.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLoad:
    """Requests a second at the entry, in production: the quiet hours' and the most that is expected."""

    base_per_s: float
    peak_per_s: float

    def __post_init__(self) -> None:
        if not (0 <= self.base_per_s <= self.peak_per_s and 0 < self.peak_per_s < float("inf")):
            raise BadInput(
                f"load: base {self.base_per_s} and peak {self.peak_per_s} a second; expected 0 <= base <= peak "
                "and a peak above 0"
            )
