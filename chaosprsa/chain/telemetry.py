"""The telemetry of the last issues in the forms that other tools load: OpenMetrics for Prometheus, lines of log."""

import math
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from chaosprsa.chain.context import Context
from chaosprsa.documents import read_lines, write_text
from chaosprsa.errors import BadInput
from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.models.bundle import load_bundle
from chaosprsa.telemetry.loglines import log_lines
from chaosprsa.telemetry.openmetrics import openmetrics, size_of
from chaosprsa.types import SimulatedIssue

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be written, and about how many MiB of OpenMetrics."""

    history: History
    drawn: tuple[SimulatedIssue, ...]
    scrape_s: float
    mib: float


def plan(context: Context, scrape_s: float, most_mib: float) -> Planned:
    """Read the issues and their telemetry. Raises BadInput where OpenMetrics would be larger than most_mib."""
    folder, table = context.workspace.issues, context.settings.cluster
    drawn = tuple(read_lines(folder / "issues.jsonl", SimulatedIssue))
    end = max(issue.start + timedelta(seconds=issue.duration_s) for issue in drawn)
    history = read_history(folder / "telemetry", end + timedelta(days=1))
    if history.metrics.empty:
        raise BadInput(
            "telemetry: there is none to write: the history that was learned from has no metrics and no logs"
        )
    context.progress("reckoning its size", 0.8)
    mib = size_of(history, table.namespace, table.service_label, scrape_s) / MIB
    if mib > most_mib:
        raise BadInput(_too_large(mib, most_mib, scrape_s, history.step_s))
    return Planned(history, drawn, scrape_s, mib)


def _too_large(mib: float, most_mib: float, scrape_s: float, step_s: float) -> str:
    scrapes = math.floor(max(1, round(step_s / scrape_s)) * most_mib / mib)  # a step; 0: too large however few
    coarser = f"sample less often (--scrape {math.ceil(step_s / scrapes)}), " if scrapes else ""
    return (
        f"telemetry: about {mib:,.0f} MiB of OpenMetrics would be written, more than {most_mib:,.0f}; {coarser}"
        f"draw issues for a shorter time (issues --horizon), or allow it: --most {math.ceil(mib * 1.1)}"
    )


def telemetry(context: Context, planned: Planned, seed: int) -> tuple[Path, Path]:
    """Write issues/telemetry.openmetrics.txt and issues/telemetry.log; returns their paths."""
    folder, table, history = context.workspace.issues, context.settings.cluster, planned.history
    metrics, logs = folder / "telemetry.openmetrics.txt", folder / "telemetry.log"
    write_text(metrics, "".join(openmetrics(history, table.namespace, table.service_label, planned.scrape_s)))
    context.progress("writing log lines", 0.8)
    lines = log_lines(history, planned.drawn, np.random.default_rng(seed), _templates(context))
    write_text(logs, "".join(lines))
    return metrics, logs


def _templates(context: Context) -> dict[str, str]:
    """The texts of the log templates that were learned, by id."""
    learned = load_bundle(context.workspace.models).recent.log_templates
    return {each.id: each.text for own in learned.values() for each in own}
