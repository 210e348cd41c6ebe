"""What a trial showed: Chaos Toolkit's journal, Locust's log and Prometheus' series become an Outcome. Pure."""

from chaosprsa.journals.outcomes import Evidence, build_outcome
from chaosprsa.journals.verdicts import Finding, Journal, fault_begun, parse_journal, settle, verdict_of

__all__ = ["Evidence", "Finding", "Journal", "build_outcome", "fault_begun", "parse_journal", "settle", "verdict_of"]
