"""What one rollout knows while `chaos run` plays it: the approved plan, the handles, and how far it got.

It lives in the process that plays the experiment. When that process is killed nothing is lost: the snapshot in the
cluster says how to go back, and `chaos prsa restore` does.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chaosprsa.activity import cluster_for
from chaosprsa.cluster import Cluster, Production, Snapshot
from chaosprsa.cluster.stopping import refuse_when_stopped
from chaosprsa.documents import from_json
from chaosprsa.errors import BadInput, Refused
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.rollout.canary import is_canary_pod, is_stable_pod
from chaosprsa.rollout.judge import SUCCESSFUL, Judgement, judge_canary, judge_objective, total, worst
from chaosprsa.rollout.plan import check_approval, check_in_time
from chaosprsa.rollout.traffic import Readings
from chaosprsa.types import Allocation, RolloutPlan, ServiceChange


@dataclass(slots=True)
class Session:
    """One rollout. canaries: services whose canary stands; problem: why nothing more is to be done.

    unfinished: a step is under way, or was cut short.
    """

    plan: RolloutPlan
    cluster: Cluster
    production: Production
    prometheus: PrometheusClient
    label: str
    snapshot: Snapshot | None = None
    canaries: list[str] = field(default_factory=list)
    judgement: Judgement | None = None
    promoted: list[str] = field(default_factory=list)
    verified: bool = False
    problem: str = ""
    unfinished: bool = False

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
        gaps = self.production.missing_from(self.allocation(after=False))
        if gaps:
            raise Refused(
                f"plan {self.plan.hash}: production is no longer what the plan starts from ({'; '.join(gaps)}). "
                "Make a new one: chaos prsa recommend"
            )
        self.snapshot = self.production.snapshot(f"rollout of plan {self.plan.hash}")

    def refuse_when_stopped(self) -> None:
        """Raises Stopped when the stop switch is on."""
        refuse_when_stopped(self.cluster, self.plan.namespace)

    @property
    def may_go_on(self) -> bool:
        """Whether the canaries were judged good and nothing has gone wrong since."""
        return not self.problem and self.judgement is not None and self.judgement.phase == SUCCESSFUL

    @property
    def all_promoted(self) -> bool:
        """Whether every change of the plan has been made and nothing has gone wrong."""
        return self.may_go_on and set(self.promoted) == {change.service for change in self.plan.changes}

    def allocation(self, after: bool) -> Allocation:
        """What the plan's services had before, or have after it."""
        return Allocation(services=tuple(one.after if after else one.before for one in self.plan.changes))

    def readings(self) -> Readings:
        """Counters of the entry and of every service with a canary; none is read yet."""
        services = dict.fromkeys((self.plan.slo.service, *self.canaries))
        return Readings(self.prometheus, self.plan.namespace, tuple(services), self.label)

    def judge(self, seen: Readings, alpha: float) -> Judgement:
        """Canaries against stable pods, and the entry against its objective; the worst of all."""
        slo = self.plan.slo
        judgements = [self.judge_entry(seen, alpha)]
        entry = total(seen.slots(slo.service))
        for service in self.canaries:
            canary = seen.slots(service, functools.partial(is_canary_pod, service))
            stable = seen.slots(service, functools.partial(is_stable_pod, service))
            judgements.append(judge_canary(service, canary, stable, entry, slo, alpha))
        found = worst(judgements)
        return found if found.phase != SUCCESSFUL else _together(judgements)

    def judge_entry(self, seen: Readings, alpha: float) -> Judgement:
        """The entry against its objective, over all its pods."""
        return judge_objective(total(seen.slots(self.plan.slo.service)), self.plan.slo, alpha)


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
