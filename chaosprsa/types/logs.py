"""What log lines have in common: a template, its variable parts as <*>."""

from dataclasses import dataclass

from chaosprsa.errors import require


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTemplate:
    """One statement that writes log lines, as the lines show it.

    id: from the text alone, so that the same text has the same id in every history; its rate is the metric
    log_template_<id>_per_s. count: lines seen. level: error, warning, info or debug.
    """

    id: str
    text: str
    count: int
    level: str = "info"

    def __post_init__(self) -> None:
        require(bool(self.id), "a log template needs an id")
        require(self.count >= 0, f"log template {self.id}: count is {self.count}, expected 0 or more")

    @property
    def metric(self) -> str:
        """The name of its rate."""
        return f"log_template_{self.id}_per_s"
