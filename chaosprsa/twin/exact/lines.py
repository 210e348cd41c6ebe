"""Jobs that wait in line, first come first served: at a station, or for a connection.

A line is two cells, the first job's handle and the last one's; each job names the next one AHEAD.
"""

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.fields import AHEAD
from chaosprsa.twin.exact.memory import Ints


@compiled
def line_up(I: Ints, line: int, job: int) -> None:
    """A job becomes the last of a line."""
    I[job + AHEAD] = -1
    last = I[line + 1]
    if last >= 0:
        I[last + AHEAD] = job
    else:
        I[line] = job
    I[line + 1] = job


@compiled
def first_of(I: Ints, line: int) -> int:
    """Take the first of a line; -1 where nobody waits."""
    first = I[line]
    if first >= 0:
        I[line] = I[first + AHEAD]
        if I[line] < 0:
            I[line + 1] = -1
    return first
