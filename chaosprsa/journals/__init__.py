"""What a trial showed: Chaos Toolkit's journal, Locust's log and Prometheus' series become an Outcome. Pure."""

from chaosprsa.journals.outcomes import Evidence, build_outcome
from chaosprsa.journals.verdicts import Journal, activity_span, parse_journal, settle, verdict_of

__all__ = ["Evidence", "Journal", "activity_span", "build_outcome", "parse_journal", "settle", "verdict_of"]
