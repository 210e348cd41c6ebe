"""Chaos Toolkit probes of a rollout. They look at production and change nothing."""

# mypy: disable-error-code="type-arg"
# a plain dict is what `chaos discover` can name; dict[str, ...] it shows as "object"

from chaoslib.types import Configuration, Secrets

from chaosprsa.activity import activity

__all__ = ["as_it_should_be", "judge_canary", "slo_holds", "verify"]


@activity
def slo_holds(namespace: str, seconds: float, configuration: Configuration = None, secrets: Secrets = None) -> str:
    """Whether the entry kept its objective over the last `seconds`: "successful: ...", "failed: ..." with the figures.

    "inconclusive: ..." where there was too little traffic or Prometheus has no answer.
    """
    from chaosprsa.rollout import steps

    return steps.slo_holds(namespace, seconds, configuration, secrets)


def judge_canary(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Watches the canaries for the plan's canary_s, longer where traffic is thin, and compares them with the others."""
    from chaosprsa.rollout import steps

    return steps.run_step(namespace, configuration, secrets, steps.judge_canaries)


def verify(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Watches the entry for the plan's settle_s after promotion; good only if production is as the plan says, too."""
    from chaosprsa.rollout import steps

    return steps.run_step(namespace, configuration, secrets, steps.verify)


@activity
def as_it_should_be(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> bool:
    """After the rollbacks: production has the target where that was verified, else what it had; no canary stands."""
    from chaosprsa.rollout import steps

    return steps.as_it_should_be(namespace, configuration, secrets)
