"""The telemetry of the last issues in the forms that other tools load: OpenMetrics for Prometheus, lines of log."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from chaosprsa.chain.context import Context
from chaosprsa.documents import read_lines, write_text
from chaosprsa.errors import BadInput
from chaosprsa.history.files import read_history
from chaosprsa.telemetry.loglines import log_lines
from chaosprsa.telemetry.openmetrics import openmetrics
from chaosprsa.types import SimulatedIssue

TEMPLATES = "log_templates.json"


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
    """The history's log templates, where it has any."""
    sources = context.settings.sources
    path = context.workspace.root / sources.history / TEMPLATES
    if not sources.history or not path.exists():
        return {}
    try:
        return {str(name): _text(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise BadInput(
            f"{path}: it is no JSON object of templates ({error}); read the logs into the history again"
        ) from None


def _text(value: Any) -> str:
    return str(value.get("template", value)) if isinstance(value, dict) else str(value)
