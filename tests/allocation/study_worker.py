"""A worker on a shared study, as a program: python study_worker.py URL SEED TRIALS PAUSE_S. Says what it ends with."""

import json
import sys
import time

import numpy as np

from chaosprsa.allocation.scores import Scores
from chaosprsa.allocation.space import Space
from chaosprsa.allocation.study import Study
from chaosprsa.types import Prices

LOW, HIGH = np.array([[1, 100, 64]]), np.array([[8, 900, 64]])
PRESENT, STEP = np.array([[4, 500, 64]]), np.array([[1, 50, 32]])


def space():
    return Space(
        ("front",), PRESENT, LOW, HIGH, STEP, np.full((1, 2), 0.5), Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
    )


def objective(points):
    """Two cores are needed."""
    cost = (points[:, 0, 0] * points[:, 0, 1]).astype(float)
    missed = np.maximum(2000 - cost, 0.0) / 2000
    return Scores(cost, cost, missed, missed, missed)


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(url, seed, count, pause_s):
    def slowly(points):
        say("asked")
        time.sleep(pause_s)
        return objective(points)

    study = Study(space(), seed, HIGH, url, name="team")
    while study.done < count:
        study.round(slowly, 2)
    study.close()
    ended = {"done": study.done, "cost": study.best.cost_month, "notes": study.notes}
    say(json.dumps(ended))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
