"""Chaos Toolkit actions of a rollout. Each needs the approved plan in the experiment's configuration.

They answer with {"phase", "detail", "measures"}; a step after one that went wrong answers "skipped" and does nothing.
"""

# mypy: disable-error-code="type-arg"
# a plain dict is what `chaos discover` can name; dict[str, ...] it shows as "object"

from chaoslib.types import Configuration, Secrets

from chaosprsa.activity import activity

__all__ = ["end_canaries", "promote", "settle_or_restore", "start_canary"]


def start_canary(namespace: str, service: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Starts one pod with the plan's resources beside the service's own, behind the same Service.

    Before the first one, production is written down, and compared with what the plan starts from.
    """
    from chaosprsa.rollout import steps

    return steps.run_step(namespace, configuration, secrets, lambda session: steps.start_canary(session, service))


def promote(namespace: str, service: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Gives the service what the plan says, in place, and waits until it is ready. Only after a good judgement."""
    from chaosprsa.rollout import steps

    return steps.run_step(namespace, configuration, secrets, lambda session: steps.promote(session, service))


def end_canaries(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Removes the canaries once every service is promoted, so that they don't help the verification."""
    from chaosprsa.rollout import steps

    return steps.run_step(namespace, configuration, secrets, steps.end_canaries)


@activity
def settle_or_restore(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """The rollback: keeps what was promoted and verified, puts everything else back. Doing it twice is fine.

    Signals wait until it is done.
    """
    from chaosprsa.rollout import steps

    return steps.settle_or_restore(namespace, configuration, secrets)
