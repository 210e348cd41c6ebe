"""What every link is given: the folder, the settings, whom to tell, and how to reach cluster and Prometheus."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chaosprsa.errors import BadInput
from chaosprsa.progress import Progress, silent
from chaosprsa.settings import Settings, read_settings
from chaosprsa.types import Verdict
from chaosprsa.workspace import Workspace

if TYPE_CHECKING:  # seconds of imports: settings that are wrong are told of before
    from chaosprsa.cluster import Cluster
    from chaosprsa.history.prometheus import PrometheusClient

_WORST_FIRST = (Verdict.INVALID, Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED)


@dataclass(frozen=True, slots=True)
class Context:
    """One run of one link."""

    workspace: Workspace
    settings: Settings
    progress: Progress

    def cluster(self) -> "Cluster":
        """Raises ClusterUnreachable."""
        from chaosprsa.cluster import connect

        table = self.settings.cluster
        return connect(table.context, state=self.workspace.state, service_label=table.service_label)

    def prometheus(self) -> "PrometheusClient":
        """Raises BadInput where the settings name none."""
        from chaosprsa.history.prometheus import PrometheusClient

        sources = self.settings.sources
        if not sources.prometheus:
            raise BadInput(
                f"{self.workspace.settings}, [sources]: prometheus is empty; trials and rollouts are judged by its "
                "series, so name its URL"
            )
        return PrometheusClient(sources.prometheus, timeout_s=sources.timeout_s)


def load(settings_file: Path, progress: Progress = silent) -> Context:
    """The context of a settings file; every other file lies beside it. Raises InvalidSettings."""
    settings = read_settings(settings_file)
    return Context(Workspace(settings_file.resolve().parent), settings, progress)


def utc_now() -> datetime:
    """The present, to the second: what a link hands to rooms that take their clock from outside."""
    return datetime.now(UTC).replace(microsecond=0)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides an exit code: invalid, then failed, inconclusive, passed; none at all is inconclusive."""
    given = set(verdicts)
    return next((verdict for verdict in _WORST_FIRST if verdict in given), Verdict.INCONCLUSIVE)
