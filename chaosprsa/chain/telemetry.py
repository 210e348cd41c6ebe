"""The telemetry of the last issues in the forms that other tools load: OpenMetrics for Prometheus, lines of log."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from chaosprsa.chain.context import Context
from chaosprsa.documents import read_lines, write_text
from chaosprsa.history.files import read_history
from chaosprsa.models.bundle import load_bundle
from chaosprsa.telemetry.loglines import log_lines
from chaosprsa.telemetry.openmetrics import openmetrics
from chaosprsa.types import SimulatedIssue


def telemetry(context: Context, scrape_s: float, seed: int) -> tuple[Path, Path]:
    """Write issues/telemetry.openmetrics.txt and issues/telemetry.log; returns their paths."""
    folder = context.workspace.issues
    drawn = read_lines(folder / "issues.jsonl", SimulatedIssue)
    end = max(issue.start + timedelta(seconds=issue.duration_s) for issue in drawn)
    context.progress("reading telemetry", 0.1)
    history = read_history(folder / "telemetry", end + timedelta(days=1))
    table = context.settings.cluster
    context.progress("writing OpenMetrics", 0.3)
    metrics, logs = folder / "telemetry.openmetrics.txt", folder / "telemetry.log"
    write_text(metrics, "".join(openmetrics(history, table.namespace, table.service_label, scrape_s)))
    context.progress("writing log lines", 0.8)
    lines = log_lines(history, drawn, np.random.default_rng(seed), _templates(context))
    write_text(logs, "".join(lines))
    return metrics, logs


def _templates(context: Context) -> dict[str, str]:
    """The texts of the log templates that were learned, by id."""
    learned = load_bundle(context.workspace.models).recent.log_templates
    return {each.id: each.text for own in learned.values() for each in own}
