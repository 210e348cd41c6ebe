"""What teams have: autoscalers written from their documents, one a file, and a stage to play them on the exact twin."""

from chaosprsa.autoscalers.contract import Autoscaler, Controller, Decision, Reading, System
from chaosprsa.autoscalers.play import Played, play, system_of
from chaosprsa.autoscalers.static import StaticPeak

__all__ = ["Autoscaler", "Controller", "Decision", "Played", "Reading", "StaticPeak", "System", "play", "system_of"]
