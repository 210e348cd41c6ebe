"""How sure a recommendation is, 0 to 1, by rules that can be said in a sentence each."""

from chaosprsa.types import TwinFit

TRUSTED, UNTRUSTED = 0.75, 0.25


def confidence(fit: TwinFit, passed: bool, refuted: bool, asked: bool) -> float:
    """Starts at 0.75 with a twin that told held-out trials (less, the further off and the fewer), 0.25 with one that
    did not.

    A pass in the shadow takes away 60 % of what is missing; a failure there leaves 40 %; a shadow that was not asked,
    or could not tell, leaves 90 %.
    """
    sure = TRUSTED if fit.trusted else UNTRUSTED
    if fit.trusted and fit.latency_ratio:
        sure *= min(fit.latency_ratio, 1 / fit.latency_ratio) ** 0.5 * fit.trials / (fit.trials + 1)
    if refuted:
        sure *= 0.4
    elif asked and passed:
        sure += 0.6 * (1 - sure)
    else:
        sure *= 0.9
    return round(sure, 3)
