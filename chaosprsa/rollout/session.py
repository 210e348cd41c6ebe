"""What one rollout knows while `chaos run` plays it: the approved plan, the handles, and how far it got.

It lives in the process that plays the experiment. When that process is killed nothing is lost: the snapshot in the
cluster says how to go back, and `chaos prsa restore` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chaosprsa.activity import cluster_for
from chaosprsa.cluster import Cluster, Production, Snapshot
from chaosprsa.documents import from_json
from chaosprsa.errors import BadInput, Refused
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.rollout.canary import is_canary_pod
from chaosprsa.rollout.judge import SUCCESSFUL, Judgement, Traffic, judge_canary, judge_objective, worst
from chaosprsa.rollout.plan import check_approval, check_in_time
from chaosprsa.rollout.traffic import Series, traffic_between, traffic_of
from chaosprsa.types import Allocation, RolloutPlan, ServiceChange


@dataclass(slots=True)
class Session:
    """One rollout. canaries: services whose canary stands; begun: since when all of them do."""

    plan: RolloutPlan
    cluster: Cluster
    production: Production
    prometheus: PrometheusClient
    label: str
    snapshot: Snapshot | None = None
    canaries: list[str] = field(default_factory=list)
    begun: datetime | None = None
    judgement: Judgement | None = None
    promoted: list[str] = field(default_factory=list)
    verified: bool = False
    problem: str = ""

    def change(self, service: str) -> ServiceChange:
        """The plan's change of one service. Raises Refused: the plan doesn't touch it."""
        for change in self.plan.changes:
            if change.service == service:
                return change
        raise Refused(f"plan {self.plan.hash}: it doesn't touch {service!r}")

    def write_down(self) -> None:
        """The snapshot, before the first change. Raises Refused where an interrupted run left one."""
        if self.snapshot is not None:
            return
        left = self.production.open_snapshots()
        if left:
            raise Refused(
                f'namespace "{self.plan.namespace}": a run that was interrupted left changes ({left[0].reason}). '
                "Undo them first: chaos prsa restore"
            )
        gaps = self.production.missing_from(Allocation(services=tuple(one.before for one in self.plan.changes)))
        if gaps:
            raise Refused(
                f"plan {self.plan.hash}: production is no longer what the plan starts from ({'; '.join(gaps)}). "
                "Make a new one: chaos prsa recommend"
            )
        self.snapshot = self.production.snapshot(f"rollout of plan {self.plan.hash}")

    @property
    def may_go_on(self) -> bool:
        """Whether the canaries were judged good and nothing has gone wrong since."""
        return not self.problem and self.judgement is not None and self.judgement.phase == SUCCESSFUL

    def judge(self, start: datetime, end: datetime, alpha: float) -> Judgement:
        """Canaries against stable pods, and the entry against its objective; the worst of all."""
        entry = self.entry_traffic(start, end)
        judgements = [judge_objective(entry, self.plan.slo, alpha)]
        for service in self.canaries:
            canary, stable = self._split(service, start, end)
            judgements.append(judge_canary(service, canary, stable, entry, self.plan.slo, alpha))
        found = worst(judgements)
        return found if found.phase != SUCCESSFUL else _together(judgements)

    def judge_entry(self, start: datetime, end: datetime, alpha: float) -> Judgement:
        """The entry against its objective."""
        return judge_objective(self.entry_traffic(start, end), self.plan.slo, alpha)

    def _split(self, service: str, start: datetime, end: datetime) -> tuple[Traffic | None, Traffic | None]:
        """(canary's, stable pods') answers."""
        series = self._series(service, start, end)
        ours = traffic_of(series, lambda pod: is_canary_pod(pod, service))
        return ours, traffic_of(series, lambda pod: not is_canary_pod(pod, service))

    def entry_traffic(self, start: datetime, end: datetime) -> Traffic | None:
        """What the entry answered, by all its pods."""
        return traffic_of(self._series(self.plan.slo.service, start, end), lambda _: True)

    def _series(self, service: str, start: datetime, end: datetime) -> Series:
        return traffic_between(self.prometheus, self.plan.namespace, service, self.label, start, end)


def _together(judgements: list[Judgement]) -> Judgement:
    reasons = "; ".join(judgement.reason for judgement in judgements)
    measures = {key: value for judgement in judgements for key, value in judgement.measures.items()}
    return Judgement(phase=SUCCESSFUL, reason=reasons, measures=measures)


_sessions: dict[str, Session] = {}
"""By the plan's hash: those of this process."""


def session_for(
    namespace: str, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None, lapses: bool = True
) -> Session:
    """This process' session of the plan in the configuration.

    lapses: whether a lapsed plan is refused; the way back goes on with one. Raises NotApproved, Refused, BadInput,
    Unavailable.
    """
    known = configuration or {}
    if not isinstance(known.get("plan"), Mapping):
        raise BadInput("the experiment's configuration has no plan; write it again with: chaos prsa recommend")
    plan = from_json(known["plan"], RolloutPlan, "the experiment's configuration, plan")
    if plan.namespace != namespace:
        raise Refused(f'namespace "{namespace}": plan {plan.hash} is for "{plan.namespace}"')
    approval = str(known.get("approval") or "")
    check_approval(plan, approval)
    if lapses:
        check_in_time(plan, datetime.now(UTC))
    if plan.hash not in _sessions:
        _sessions[plan.hash] = _new(plan, approval, known, secrets)
    return _sessions[plan.hash]


def _new(
    plan: RolloutPlan, approval: str, configuration: Mapping[str, Any], secrets: Mapping[str, Any] | None
) -> Session:
    url = str(configuration.get("prometheus_base_url") or "")
    if not url:
        raise BadInput("no Prometheus is named, so nothing can be judged; set CHAOSPRSA_PROMETHEUS")
    cluster = cluster_for(configuration, secrets)
    return Session(
        plan=plan,
        cluster=cluster,
        production=cluster.production(plan.namespace, plan.hash, approval),
        prometheus=PrometheusClient(url),
        label=str(configuration.get("service_label") or "app"),
    )
