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
        "hpa-tuned": [(partial(_hpa, window), UTILISATIONS) for window in WINDOWS_S],
        "predictive": [(_predictive, UTILISATIONS)],
        "percentile": [(_percentile, UTILISATIONS)],
        "captain": [(_captain, THROTTLED)],
        "mpc": [(_mpc, FULLER)],
    }


def _down(window_s: float) -> Behaviour:
    """HPA's defaults with another window on the way down."""
    return Behaviour(down=Rules(window_s, (Rate("Percent", 100.0),)))


def _hpa(window_s: float, target: float) -> Autoscaler:
    return Hpa(target=target, behaviour=_down(window_s), name=f"HPA at {target:.0%}, {window_s:.0f} s down, tuned")


def _predictive(target: float) -> Autoscaler:
    return PredictiveHpa(target=target, behaviour=_down(60.0), name=f"predictive HPA at {target:.0%}, tuned")


def _percentile(utilisation: float) -> Autoscaler:
    name = f"percentile rule, {1 / utilisation - 1:.0%} margin, tuned"
    return PercentileRule(margin=1 / utilisation - 1, window_s=120.0, name=name)


def _captain(target: float) -> Autoscaler:
    return Captain(target=target, name=f"captain at {target:.0%} throttled, tuned")


def _mpc(utilisation: float) -> Autoscaler:
    return Mpc(utilisation=utilisation, name=f"MPC at {utilisation:.0%}, tuned")
