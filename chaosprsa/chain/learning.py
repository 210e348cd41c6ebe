"""Links 2 to 4: learn, issues, generate."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from chaosprsa.alerts import to_alertmanager
from chaosprsa.chain.context import Context, utc_now
from chaosprsa.documents import read_lines, write_lines, write_text
from chaosprsa.errors import BadInput
from chaosprsa.history.columns import listed
from chaosprsa.history.files import read_history, with_incidents, write_history
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.history.incidents import parse_incidents
from chaosprsa.history.prometheus import read_prometheus
from chaosprsa.history.topology import differences
from chaosprsa.issues import EDGE_SHARE, draw_issues
from chaosprsa.models.bundle import Bundle, check_place, load_bundle, save_bundle, window_of
from chaosprsa.models.bundle import learn as learn_from
from chaosprsa.selection import covering
from chaosprsa.studies import generate_study
from chaosprsa.telemetry import synthesise
from chaosprsa.types import SimulatedIssue, Study, Window

STALE_DAYS = 2.0


def learn(context: Context, history: Path | None, seed: int, incidents: Sequence[Path] = ()) -> Bundle:
    """Read the sources, fit the models, write the bundle. incidents: further files or folders of them."""
    check_place(context.workspace.models)  # before minutes of work
    past = past_of(context, history, incidents)
    bundle = learn_from(past, context.settings.call_graph, seed, context.progress)
    save_bundle(bundle, context.workspace.models)
    return bundle


def past_of(context: Context, history: Path | None, incidents: Sequence[Path] = ()) -> History:
    """What the settings' sources say, logs and incident files included; `history`: a folder instead of [sources].

    incidents: further files or folders of incidents.
    """
    root, sources = context.workspace.root, context.settings.sources
    logs = [root / name for name in sources.logs]
    files = [*(root / name for name in sources.incidents), *incidents]
    past = _past(context, history, alone=bool(logs or files or sources.loki))
    if logs:
        from chaosprsa.history.logs import with_logs  # with Drain, which few need

        context.progress("reading logs", 0.0)
        past = with_logs(past, logs, utc_now())
    if sources.loki:
        past = _with_loki(context, past)
    return of_this_system(context, _with_incident_files(past, files))


def of_this_system(context: Context, past: History) -> History:
    """With a note of what the settings' services and the history don't share. Raises InvalidHistory: nothing."""
    return replace(past, notes=(*past.notes, *differences(past, context.settings.call_graph)))


def _past(context: Context, folder: Path | None, *, alone: bool) -> History:
    """A folder in the normal form, else Prometheus; alone: neither is needed."""
    sources, now = context.settings.sources, utc_now()
    if folder or sources.history:
        context.progress("reading history", 0.0)
        return read_history(folder or context.workspace.root / sources.history, now)
    if not sources.prometheus and alone:
        return History(metrics=empty_metrics(), notes=("there are no metrics",))
    if not sources.prometheus:
        raise BadInput(
            f"{context.workspace.settings}, [sources]: neither history nor prometheus is named, so there is nothing "
            "to learn from; name one, or give --history DIR"
        )
    context.progress("asking Prometheus", 0.0)
    window = Window(start=now - timedelta(days=sources.window_days), end=now)
    table = context.settings.cluster
    return read_prometheus(
        context.prometheus(), table.namespace, window, sources.step_s, table.service_label, sources.queries
    )


def _with_loki(context: Context, past: History) -> History:
    """The lines of the metrics' time, else of the last window_days."""
    from chaosprsa.history.logs import with_log_records
    from chaosprsa.history.loki import LokiClient

    context.progress("asking Loki", 0.0)
    sources, now = context.settings.sources, utc_now()
    query = sources.loki_query or f"{{namespace={json.dumps(context.settings.cluster.namespace)}}}"
    window = past.window if len(past.metrics) else Window(start=now - timedelta(days=sources.window_days), end=now)
    pages = LokiClient(sources.loki, timeout_s=sources.timeout_s).records(query, window)
    return with_log_records(past, pages, "loki", now)


def _with_incident_files(past: History, files: Iterable[Path]) -> History:
    for file in files:
        found, notes = parse_incidents(file)
        past = with_incidents(replace(past, notes=(*past.notes, *notes)), found, utc_now())
    return past


def told(bundle: Bundle) -> dict[str, Any]:
    """A bundle in a few words: what `learn` prints."""
    precursors = bundle.precursors
    quality = precursors.quality.in_words() if precursors and precursors.quality else "none"
    return {
        "window": f"{bundle.window.start:%Y-%m-%d %H:%M} to {bundle.window.end:%Y-%m-%d %H:%M} UTC",
        "services": len(bundle.topology.services),
        "loads": len(bundle.load),
        "incidents": sum(bundle.incidents.kinds.values()),
        "precursors": quality,
        "bundle": bundle.lineage.id,
        "notes": list(bundle.notes),
    }


def issues(
    context: Context,
    horizon: timedelta,
    count: int,
    seed: int,
    edge_share: float = EDGE_SHARE,
    hunted: Sequence[SimulatedIssue] = (),
    now: datetime | None = None,
) -> tuple[SimulatedIssue, ...]:
    """Draw issues from the bundle; write them as JSONL, as alerts and as telemetry. hunted: go along as they are.

    now: the horizon's beginning, the clock's time by default.
    """
    bundle = bundle_of(context)
    rng = np.random.default_rng(seed)
    context.progress("drawing issues", 0.1)
    drawn = draw_issues(bundle, horizon, count, rng, now or utc_now(), seed, edge_share)
    drawn = tuple(sorted((*drawn, *hunted), key=lambda issue: (issue.start_s, issue.id)))
    context.progress("making telemetry", 0.4)
    felt = synthesise(bundle, drawn, rng)  # before anything is written: the three are of one draw
    folder = context.workspace.issues
    write_lines(folder / "issues.jsonl", drawn)
    write_text(folder / "alerts.json", json.dumps(to_alertmanager(drawn), indent=1, ensure_ascii=False) + "\n")
    write_history(felt, folder / "telemetry")
    return drawn


def age_in_words(context: Context, now: datetime) -> str:
    """How long ago the history ended where that is two days or more, since issues are drawn from now on; else empty."""
    end = window_of(context.workspace.models).end
    days = (now - end) / timedelta(days=1)
    if days < STALE_DAYS:
        return ""
    return f"the history ends {end:%Y-%m-%d %H:%M} UTC, {days:,.0f} days ago; it is taken that all has stayed as it was"


def bundle_of(context: Context) -> Bundle:
    """What was learned. Raises BadInput where the settings have become another system's since."""
    bundle, table = load_bundle(context.workspace.models), context.settings.topology
    if table.entry not in bundle.topology.services:
        raise BadInput(
            f"{context.workspace.models}: learned of {listed(list(bundle.topology.services))}; the settings' entry "
            f"{table.entry} is not among them. Learn again: chaos prsa learn"
        )
    return bundle


def generate(context: Context, study: str, limit: int, seed: int) -> Study:
    """The issues that together cover most, as experiments and profiles under generated/STUDY/."""
    drawn = read_lines(context.workspace.issues / "issues.jsonl", SimulatedIssue)
    bundle = bundle_of(context)
    chosen = covering(drawn, limit)
    folder, kinds = context.workspace.study(study), context.settings.workload_kinds
    notes = (chosen.in_words(),)
    return generate_study(study, chosen.issues, context.settings, bundle, folder, seed, kinds, notes)
