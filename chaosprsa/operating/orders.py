"""From what is needed to what is ordered: pods for the load to come, and their CPU limits in place for what is there.

New pods take their start delay; a running pod's CPU limit moves at once (the `resize` subresource of pods). So pods are
counted for the load until others would be there, at a usual size, and left alone as long as limits alone can follow;
limits follow the next step. Where no limit may move, pods of the deployed size are counted, each step anew.

A steep rise is over before pods that it asks for have started: what limits can do until then depends on how many pods
there are. A reserve keeps more and smaller ones, for the same cores.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Floats, System

USUAL_SIZE = 1.2  # of the deployed limit: what pods are counted by at most when their number changes
EMPTIEST = 0.7 / USUAL_SIZE  # of that size: fewer pods are counted below it
LEAST_RESERVE = 1.25  # what pods' largest limits carry, over what is needed soon: more pods are counted below it
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


def ordered(
    system: System, needs: Needs, headroom: Floats, pods: Floats, ready: Floats, reserve: float = LEAST_RESERVE
) -> Orders:
    """headroom: shape (environments,), what the needs are multiplied by. pods: ordered before. ready: now.

    reserve: what pods carry at their largest limits at least, over what is needed soon with headroom.
    """
    soon, following = (each * headroom[:, None] for each in (needs.soon, needs.next))
    if not system.in_place:
        counted = np.ceil(soon / system.cores - _ROUNDING)
        return Orders(np.clip(counted, 1, system.most_replicas), np.broadcast_to(system.cores, counted.shape))
    found = np.clip(_counted(system, soon, pods, reserve), 1, system.most_replicas)
    usable, (least, most) = np.maximum(np.minimum(ready, found), 1), system.resized
    return Orders(found, np.clip(following / usable, least * system.cores, most * system.cores))


def _counted(system: System, soon: Floats, pods: Floats, reserve: float) -> Floats:
    """As many as before, where limits can follow."""
    largest = system.resized[1] * system.cores
    size = np.minimum(USUAL_SIZE * system.cores, largest / reserve)
    fewest, usual = (np.ceil(soon / each - _ROUNDING) for each in (largest / reserve, size))
    most = np.maximum(np.floor(soon / (EMPTIEST * size)), fewest)
    return np.where((pods < fewest) | (pods > most), np.clip(usual, fewest, most), pods)
