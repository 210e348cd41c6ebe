"""Chaos Toolkit actions of a rollout. Each needs the approved plan in the experiment's configuration."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from chaoslib.types import Configuration, Secrets

from chaosprsa.activity import activity
from chaosprsa.cluster.readiness import wait_ready
from chaosprsa.errors import Unavailable
from chaosprsa.rollout.canary import canary_manifest, canary_name
from chaosprsa.rollout.judge import FAILED, SKIPPED, SUCCESSFUL
from chaosprsa.rollout.session import Session, session_for
from chaosprsa.rollout.steps import READY_TIMEOUT_S, Step, answer, run_step
from chaosprsa.types import Allocation

logger = logging.getLogger("chaostoolkit")
__all__ = ["end_canaries", "promote", "settle_or_restore", "start_canary"]


def start_canary(namespace: str, service: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Starts one pod with the plan's resources beside the service's own, behind the same Service.

    Before the first one, production is written down, and compared with what the plan starts from.
    """

    def work(session: Session) -> Step:
        change = session.change(service)
        session.write_down()
        workload = session.cluster.workload(namespace, service)
        manifest = session.cluster.api.get(workload.kind, namespace, workload.name)
        session.production.apply((canary_manifest(manifest, change, session.plan.hash),))
        session.canaries.append(service)
        return answer(SUCCESSFUL, f"{canary_name(service)}: one pod with the target's resources is starting")

    return run_step(namespace, configuration, secrets, work)


def promote(namespace: str, service: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Gives the service what the plan says, in place, and waits until it is ready. Only after a good judgement."""

    def work(session: Session) -> Step:
        if not session.may_go_on:
            return answer(SKIPPED, "the canaries were not judged good")
        after = session.change(service).after
        changes = session.production.set_allocation(Allocation(services=(after,)))
        try:
            session.production.wait_ready(READY_TIMEOUT_S, (service,))
        except Unavailable as error:
            return answer(FAILED, str(error))
        session.promoted.append(service)
        return answer(SUCCESSFUL, "; ".join(f"{one.service}: {one.what}" for one in changes) or f"{service}: as it is")

    return run_step(namespace, configuration, secrets, work)


def end_canaries(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Removes the canaries once every service is promoted, so that they don't help the verification."""

    def work(session: Session) -> Step:
        if not _all_promoted(session):
            return answer(SKIPPED, "not everything was promoted")
        return answer(SUCCESSFUL, f"{_remove_canaries(session)} canaries removed")

    return run_step(namespace, configuration, secrets, work)


@activity
def settle_or_restore(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """The rollback: keeps what was promoted and verified, puts everything else back. Doing it twice is fine.

    Signals wait until it is done.
    """
    with _undisturbed():
        session = session_for(namespace, configuration, secrets, lapses=False)
        if session.snapshot is None:
            return answer(SUCCESSFUL, "nothing was changed") | {"restored": True}
        if session.verified:
            _remove_canaries(session)
            session.production.keep(session.snapshot)
            return answer(SUCCESSFUL, "what was promoted stands") | {"restored": False}
        done = session.production.restore(session.snapshot)
        names = {canary_name(service) for service in session.canaries}
        wait_ready(session.cluster, namespace, READY_TIMEOUT_S)
        session.canaries = [one for one in session.canaries if canary_name(one) not in names]
        return answer(SUCCESSFUL, "; ".join(done) or "everything was as before") | {"restored": True}


def _all_promoted(session: Session) -> bool:
    return session.may_go_on and set(session.promoted) == {change.service for change in session.plan.changes}


def _remove_canaries(session: Session) -> int:
    for service in session.canaries:
        session.production.delete("Deployment", canary_name(service))
    removed, session.canaries = len(session.canaries), []
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
