"""What teams have: autoscalers written from their documents, one a file, and a stage to play them on the exact twin."""

from chaosprsa.autoscalers.behaviour import Behaviour, Rate, Rules
from chaosprsa.autoscalers.bound import Plan, clairvoyant
from chaosprsa.autoscalers.captain import Captain
from chaosprsa.autoscalers.contract import Autoscaler, Controller, Decision, Reading, System
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.autoscalers.mpc import Mpc
from chaosprsa.autoscalers.percentile import PercentileRule
from chaosprsa.autoscalers.play import Played, play, system_of
from chaosprsa.autoscalers.predictive import PredictiveHpa
from chaosprsa.autoscalers.static import StaticPeak
from chaosprsa.autoscalers.tuning import Scored, cheapest, fitting, tightest
from chaosprsa.autoscalers.vpa import Vpa

__all__ = [
    "Autoscaler",
    "Behaviour",
    "Captain",
    "Controller",
    "Decision",
    "Hpa",
    "Mpc",
    "PercentileRule",
    "Plan",
    "Played",
    "PredictiveHpa",
    "Rate",
    "Reading",
    "Rules",
    "Scored",
    "StaticPeak",
    "System",
    "Vpa",
    "cheapest",
    "clairvoyant",
    "fitting",
    "play",
    "system_of",
    "tightest",
]
