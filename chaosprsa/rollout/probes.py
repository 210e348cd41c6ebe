"""Chaos Toolkit probes of a rollout. They look at production and change nothing."""

from datetime import UTC, datetime, timedelta

from chaoslib.types import Configuration, Secrets

from chaosprsa.activity import activity
from chaosprsa.cluster.readiness import wait_ready
from chaosprsa.errors import SourceUnreachable, Unavailable
from chaosprsa.manifests import CANARY, labels_of
from chaosprsa.rollout.canary import canary_name
from chaosprsa.rollout.judge import ALPHA, FAILED, INCONCLUSIVE, SKIPPED, SUCCESSFUL
from chaosprsa.rollout.session import Session, session_for
from chaosprsa.rollout.steps import READY_TIMEOUT_S, Step, answer, run_step, watch
from chaosprsa.types import Allocation

__all__ = ["as_it_should_be", "judge_canary", "slo_holds", "verify"]


@activity
def slo_holds(namespace: str, seconds: float, configuration: Configuration = None, secrets: Secrets = None) -> str:
    """Whether the entry kept its objective over the last `seconds`: "successful: ...", "failed: ..." with the figures.

    "inconclusive: ..." where there was too little traffic or Prometheus has no answer.
    """
    session = session_for(namespace, configuration, secrets)
    end, seen = datetime.now(UTC), session.readings()
    try:
        seen.mark(end - timedelta(seconds=seconds))
        seen.mark(end)
        found = session.judge_entry(seen, ALPHA)
    except SourceUnreachable as error:
        return f"{INCONCLUSIVE}: {error}"
    return f"{found.phase}: {found.reason}"


def judge_canary(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Watches the canaries for the plan's canary_s, longer where traffic is thin, and compares them with the others."""

    def work(session: Session) -> Step:
        names = {canary_name(service) for service in session.canaries}
        if not names:
            return answer(SKIPPED, "there is no canary")
        try:
            wait_ready(session.cluster, namespace, READY_TIMEOUT_S, names)
        except Unavailable as error:
            return answer(FAILED, f"a canary does not run: {error}")
        session.judgement = watch(session.readings(), session.judge, session.plan.canary_s)
        return answer(session.judgement.phase, session.judgement.reason, session.judgement.measures)

    return run_step(namespace, configuration, secrets, work)


def verify(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Watches the entry for the plan's settle_s after promotion; good only if production is as the plan says, too."""

    def work(session: Session) -> Step:
        if not session.promoted or not session.may_go_on:
            return answer(SKIPPED, "nothing was promoted")
        found = watch(session.readings(), session.judge_entry, session.plan.settle_s)
        gaps = session.production.missing_from(Allocation(services=tuple(one.after for one in session.plan.changes)))
        if gaps:
            return answer(FAILED, f"production is not as the plan says: {'; '.join(gaps)}")
        session.verified = found.phase == SUCCESSFUL
        return answer(found.phase, found.reason, found.measures)

    return run_step(namespace, configuration, secrets, work)


@activity
def as_it_should_be(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> bool:
    """After the rollbacks: production has the target where that was verified, else what it had; no canary stands."""
    session = session_for(namespace, configuration, secrets, lapses=False)
    if session.snapshot is None:
        return True
    changes = session.plan.changes
    wanted = Allocation(services=tuple(one.after if session.verified else one.before for one in changes))
    left = [item for item in session.cluster.objects(namespace, ("Deployment",)) if CANARY in labels_of(item)]
    return not left and not session.production.missing_from(wanted)
