"""What is wrong in the metrics now: read them, take what is usual from what lies before and from the bundle."""

from datetime import timedelta
from pathlib import Path

from chaosprsa.chain.context import Context, utc_now
from chaosprsa.chain.learning import of_this_system, past_of
from chaosprsa.errors import BadInput
from chaosprsa.history.frame import History
from chaosprsa.history.prometheus import read_prometheus
from chaosprsa.models.bundle import MANIFEST, load_bundle
from chaosprsa.models.detection.findings import Findings, find
from chaosprsa.types import Verdict, Window

ASKED = 4  # times what is looked at that Prometheus is asked for: what lies before tells what is usual


def detect(context: Context, history: Path | None, last: timedelta, false_alarms_per_hour: float) -> Findings:
    """The findings of a folder, of [sources], or of Prometheus' last hours. Raises BadInput without metrics."""
    past = _metrics(context, history, last)
    if not len(past.metrics):
        raise BadInput(
            "there are no metrics to look at; give --history DIR with metrics.parquet, or [sources] prometheus"
        )
    context.progress("looking", 0.5)
    bundle = load_bundle(context.workspace.models) if (context.workspace.models / MANIFEST).exists() else None
    earlier = bundle is not None and bundle.window.end <= past.window.end - last
    normal = bundle.recent if bundle is not None and earlier else None
    graph = context.settings.call_graph or (bundle.topology if bundle is not None else None)
    return find(past, last, false_alarms_per_hour, normal, graph)


def verdict(findings: Findings) -> Verdict:
    """Failed where something was found; inconclusive where too little is known to say that nothing is."""
    if findings.findings:
        return Verdict.FAILED
    return Verdict.PASSED if findings.conclusive else Verdict.INCONCLUSIVE


def _metrics(context: Context, folder: Path | None, last: timedelta) -> History:
    sources, table, now = context.settings.sources, context.settings.cluster, utc_now()
    if folder or sources.history or not sources.prometheus:
        return past_of(context, folder)
    context.progress("asking Prometheus", 0.0)
    window = Window(start=now - ASKED * last, end=now)
    seen = read_prometheus(
        context.prometheus(), table.namespace, window, sources.step_s, table.service_label, sources.queries
    )
    return of_this_system(context, seen)
