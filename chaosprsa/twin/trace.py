"""What the fluid twin saw: a step, or a whole course."""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.queueing import Floats
from chaosprsa.twin.tails import Law, Waited


@dataclass(frozen=True, slots=True)
class Seen:
    """A step, shape (environments,): cumulants of answers' times at one service, failed share, fullest service.

    Where there are backlogs (`waited`) the mean has what they cost in it, the other cumulants don't.
    """

    mean_s: Floats
    variance_s2: Floats
    third_s3: Floats
    fourth_s4: Floats
    failed: Floats
    pressure: Floats
    waited: Waited | None

    def law(self) -> Law:
        """The law of answers' times."""
        return Law.of(self.mean_s, self.variance_s2, self.third_s3, self.fourth_s4, self.waited)


@dataclass(frozen=True, slots=True)
class Trace:
    """Shape (steps, environments): cumulants of the time of answers at one service, the share that fails, arrivals.

    pressure: offered load over capacity at the fullest service, or memory needed over its limit where that is above.
    utilisation: shape (environments, services), mean. waited: where there were backlogs, with the steps' numbers.
    """

    mean_s: Floats
    variance_s2: Floats
    third_s3: Floats
    fourth_s4: Floats
    failed: Floats
    arrivals: Floats
    pressure: Floats
    utilisation: Floats
    waited: tuple[tuple[int, Waited], ...] = ()

    def law(self, steps: np.ndarray | slice = slice(None)) -> Law:
        """The law of answers' times in these steps."""
        numbers = np.arange(len(self.mean_s))[steps].tolist()
        known = dict(self.waited)
        late = Waited.joined([(at, known[number]) for at, number in enumerate(numbers) if number in known], self.mean_s)
        mean, variance, third = self.mean_s[steps], self.variance_s2[steps], self.third_s3[steps]
        return Law.of(mean, variance, third, self.fourth_s4[steps], late)
