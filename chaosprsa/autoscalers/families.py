"""Settings that are tried when an autoscaler is tuned: rows of values, each from safe and dear to tight and cheap."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from chaosprsa.autoscalers.behaviour import Behaviour, Rate, Rules
from chaosprsa.autoscalers.captain import Captain
from chaosprsa.autoscalers.contract import Autoscaler
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.autoscalers.mpc import Mpc
from chaosprsa.autoscalers.percentile import PercentileRule
from chaosprsa.autoscalers.predictive import PredictiveHpa

Family = Sequence[tuple[Callable[[float], Autoscaler], Sequence[float]]]
WINDOWS_S = (0.0, 60.0, 300.0)
UTILISATIONS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
FULLER = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0, 1.1)  # of what is forecast, before pods are rounded up
THROTTLED = (0.03, 0.1, 0.3)


def families() -> Mapping[str, Family]:
    """By name: HPA over target and stabilisation window, the others over how full pods may be."""
    return {
        "hpa-tuned": [(partial(hpa, window), UTILISATIONS) for window in WINDOWS_S],
        "predictive": [(predictive, UTILISATIONS)],
        "percentile": [(percentile, UTILISATIONS)],
        "captain": [(captain, THROTTLED)],
        "mpc": [(mpc, FULLER)],
    }


def down(window_s: float) -> Behaviour:
    """HPA's defaults with another window on the way down."""
    return Behaviour(down=Rules(window_s, (Rate("Percent", 100.0),)))


def hpa(window_s: float, target: float) -> Autoscaler:
    """window_s: of stabilisation on the way down. The arguments that are tuned: so for all."""
    return Hpa(target=target, behaviour=down(window_s), name=f"HPA at {target:.0%}, {window_s:.0f} s down, tuned")


def predictive(target: float) -> Autoscaler:
    """A line through the last proposals."""
    return PredictiveHpa(target=target, behaviour=down(60.0), name=f"predictive HPA at {target:.0%}, tuned")


def percentile(utilisation: float) -> Autoscaler:
    """utilisation: at the percentile; the margin is what is left."""
    name = f"percentile rule, {1 / utilisation - 1:.0%} margin, tuned"
    return PercentileRule(margin=1 / utilisation - 1, window_s=120.0, name=name)


def captain(target: float) -> Autoscaler:
    """target: share of throttling."""
    return Captain(target=target, name=f"captain at {target:.0%} throttled, tuned")


def mpc(utilisation: float) -> Autoscaler:
    """utilisation: of what is forecast."""
    return Mpc(utilisation=utilisation, name=f"MPC at {utilisation:.0%}, tuned")
