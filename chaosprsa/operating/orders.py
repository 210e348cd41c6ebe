"""From what is needed to what is ordered: pods for the load to come, and their CPU limits in place for what is there.

New pods take their start delay; a running pod's CPU limit moves at once (the `resize` subresource of pods). So pods are
counted for the load until others would be there, at a usual size, and left alone as long as limits alone can follow;
limits follow the next step. Where no limit may move, pods of the deployed size are counted, each step anew.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Floats, System

USUAL_SIZE = 1.2  # of the deployed limit: what pods are counted by when their number changes
FULLEST, EMPTIEST = 0.8, 0.7  # of the largest limit, and of the deployed one: pods are counted anew beyond them
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Needs:
    """Cores, shape (environments, services): until pods that are ordered now are there, and in the next step."""

    soon: Floats
    next: Floats


@dataclass(frozen=True, slots=True)
class Orders:
    """Shape (environments, services): pods, those that start included, and each one's CPU limit."""

    pods: Floats
    cores: Floats


def ordered(system: System, needs: Needs, headroom: Floats, pods: Floats, ready: Floats) -> Orders:
    """headroom: shape (environments,), what the needs are multiplied by. pods: ordered before. ready: now."""
    soon, following = (each * headroom[:, None] for each in (needs.soon, needs.next))
    if not system.in_place:
        counted = np.ceil(soon / system.cores - _ROUNDING)
        return Orders(np.clip(counted, 1, system.most_replicas), np.broadcast_to(system.cores, counted.shape))
    found = np.clip(_counted(system, soon, pods), 1, system.most_replicas)
    usable, (least, most) = np.maximum(np.minimum(ready, found), 1), system.resized
    return Orders(found, np.clip(following / usable, least * system.cores, most * system.cores))


def _counted(system: System, soon: Floats, pods: Floats) -> Floats:
    """As many as before, where limits can follow."""
    fewest = np.ceil(soon / (FULLEST * system.resized[1] * system.cores) - _ROUNDING)
    most = np.maximum(np.floor(soon / (EMPTIEST * system.cores)), fewest)
    usual = np.ceil(soon / (USUAL_SIZE * system.cores) - _ROUNDING)
    return np.where((pods < fewest) | (pods > most), np.clip(usual, fewest, most), pods)
