"""The steps of a rollout, behind the thin faces of actions.py and probes.py."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any

from chaoslib.exceptions import ActivityFailed

from chaosprsa.cluster.readiness import wait_ready
from chaosprsa.errors import ChaosPrsaError, SourceUnreachable, Unavailable
from chaosprsa.manifests import CANARY, labels_of
from chaosprsa.rollout.canary import canary_manifest, canary_name
from chaosprsa.rollout.judge import ALPHA, FAILED, INCONCLUSIVE, SKIPPED, SUCCESSFUL
from chaosprsa.rollout.session import Session, session_for
from chaosprsa.rollout.watch import watch
from chaosprsa.types import Allocation

Step = dict[str, Any]
Values = Mapping[str, Any] | None
READY_TIMEOUT_S = 120.0  # for pods of production to become ready: a slow image's start, twice
ONE_WAIT_S = 2.0
HOPELESS_RESTARTS = 3  # one may be bad luck, two a slow dependency
logger = logging.getLogger("chaostoolkit")


def answer(phase: str, detail: str, measures: Mapping[str, float] | None = None) -> Step:
    """A step's output in the journal."""
    rounded = {key: round(value, 4) for key, value in (measures or {}).items()}
    return {"phase": phase, "detail": detail, "measures": rounded}


def run_step(namespace: str, configuration: Values, secrets: Values, work: Callable[[Session], Step]) -> Step:
    """Do a step, unless one before it went wrong. An error of ours fails the activity and stops those after it."""
    try:
        session = session_for(namespace, configuration, secrets)
        if session.problem or session.unfinished:
            return answer(SKIPPED, session.problem or "a step before did not finish")
        session.unfinished = True  # whatever ends the step early (a bug, a signal), no further one is begun
        found = work(session)
        session.unfinished = False
    except ChaosPrsaError as error:
        raise ActivityFailed(str(error)) from error
    if found["phase"] not in {SUCCESSFUL, SKIPPED}:
        session.problem = str(found["detail"])
    return found


def start_canary(session: Session, service: str) -> Step:
    """The canary's Deployment is made; before the first one, production is written down."""
    change = session.change(service)
    session.write_down()
    namespace = session.plan.namespace
    workload = session.cluster.workload(namespace, service)
    manifest = session.cluster.api.get(workload.kind, namespace, workload.name)
    session.canaries.append(service)
    session.production.apply((canary_manifest(manifest, change, session.plan.hash),))
    return answer(SUCCESSFUL, f"{canary_name(service)}: one pod with the target's resources is starting")


def judge_canaries(session: Session) -> Step:
    """They run, and then they are watched."""
    names = {canary_name(service) for service in session.canaries}
    if not names:
        return answer(SKIPPED, "there is no canary")
    try:
        _await_canaries(session, names)
    except Unavailable as error:
        return answer(FAILED, f"a canary does not run: {error}")
    session.judgement = watch(session.readings(), session.judge, session.plan.canary_s, session.refuse_when_stopped)
    return answer(session.judgement.phase, session.judgement.reason, session.judgement.measures)


def _await_canaries(session: Session, names: set[str]) -> None:
    """Until they are ready. Raises Unavailable: not in time, or one keeps falling over (no need to wait for that)."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        try:
            wait_ready(session.cluster, session.plan.namespace, ONE_WAIT_S, names)
        except Unavailable:
            if time.monotonic() > deadline or _most_restarts(session) >= HOPELESS_RESTARTS:
                raise
        else:
            return


def _most_restarts(session: Session) -> int:
    namespace = session.plan.namespace
    pods = [pod for one in session.canaries for pod in session.cluster.pods(namespace, "Deployment", canary_name(one))]
    containers = [item for pod in pods for item in (pod.get("status") or {}).get("containerStatuses") or []]
    return max((int(item.get("restartCount", 0)) for item in containers), default=0)


def promote(session: Session, service: str) -> Step:
    """The service has what the plan says, and is ready."""
    if not session.may_go_on:
        return answer(SKIPPED, "the canaries were not judged good")
    change = session.change(service)
    changes = session.production.set_allocation(Allocation(services=(change.after,)), {service: change.ceiling})
    try:
        session.production.wait_ready(READY_TIMEOUT_S, (service,))
    except Unavailable as error:
        return answer(FAILED, str(error))
    session.promoted.append(service)
    return answer(SUCCESSFUL, "; ".join(f"{one.service}: {one.what}" for one in changes) or f"{service}: as it is")


def end_canaries(session: Session) -> Step:
    """No canary stands any more."""
    if not session.all_promoted:
        return answer(SKIPPED, "not everything was promoted")
    return answer(SUCCESSFUL, f"canaries removed: {', '.join(_remove_canaries(session)) or 'none stood'}")


def verify(session: Session) -> Step:
    """The entry keeps its objective, and production is as the plan says."""
    if not session.all_promoted:
        return answer(SKIPPED, "not everything was promoted")
    found = watch(session.readings(), session.judge_entry, session.plan.settle_s, session.refuse_when_stopped)
    gaps = session.production.missing_from(session.allocation(after=True))
    if gaps:
        return answer(FAILED, f"production is not as the plan says: {'; '.join(gaps)}")
    session.verified = found.phase == SUCCESSFUL
    return answer(found.phase, found.reason, found.measures)


def slo_holds(namespace: str, seconds: float, configuration: Values, secrets: Values) -> str:
    """The phase and the figures of the last `seconds`, as text that a tolerance can match."""
    session = session_for(namespace, configuration, secrets)
    end, seen = datetime.now(UTC), session.readings()
    try:
        seen.mark(end - timedelta(seconds=seconds))
        seen.mark(end)
        found = session.judge_entry(seen, ALPHA)
    except SourceUnreachable as error:
        return f"{INCONCLUSIVE}: {error}"
    return f"{found.phase}: {found.reason}"


def settle_or_restore(namespace: str, configuration: Values, secrets: Values) -> Step:
    """What was verified stands; everything else is put back. A lapsed plan has a way back, too."""
    with _undisturbed():
        session = session_for(namespace, configuration, secrets, lapses=False)
        if session.snapshot is None:
            return answer(SUCCESSFUL, "nothing was changed") | {"restored": True}
        if session.verified:
            _remove_canaries(session)
            session.production.keep(session.snapshot)
            return answer(SUCCESSFUL, "what was promoted stands") | {"restored": False}
        done = session.production.restore(session.snapshot)
        session.production.wait_ready(READY_TIMEOUT_S, [change.service for change in session.plan.changes])
        return answer(SUCCESSFUL, "; ".join(done) or "everything was as before") | {"restored": True}


def as_it_should_be(namespace: str, configuration: Values, secrets: Values) -> bool:
    """Whether production has the target where that was verified, else what it had, and no canary."""
    session = session_for(namespace, configuration, secrets, lapses=False)
    if session.snapshot is None:
        return True
    left = [item for item in session.cluster.objects(namespace, ("Deployment",)) if CANARY in labels_of(item)]
    return not left and not session.production.missing_from(session.allocation(after=session.verified))


def _remove_canaries(session: Session) -> list[str]:
    removed = [one for one in session.canaries if session.production.delete("Deployment", canary_name(one))]
    session.canaries = []
    return removed


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A second signal to leave must not cut the way back short: it is dropped, as leaving is what follows anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _heard) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard(number: int, _frame: FrameType | None) -> None:
    logger.warning("Signal %d waits: production is being settled", number)
