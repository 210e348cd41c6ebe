"""Every error this package raises on purpose.

    ChaosPrsaError                 whatever we refuse or could not do; the command line prints it, no traceback
    ├── BadInput                   exit 2: the user can mend it
    │   ├── InvalidSettings        chaosprsa.toml
    │   ├── InvalidHistory         metrics, incidents, topology
    │   │   └── NotEnoughHistory   well formed, too short to learn from
    │   ├── InvalidDocument        a file of ours: wrong schema, another version, half written
    │   ├── InvalidNoun            a value that no noun accepts (a negative rate, a probability of 2)
    │   └── Refused                a safety rule said no
    │       ├── NotAShadow         the namespace carries no chaosprsa.io/shadow-of label
    │       ├── NotApproved        production without an approval of this very plan
    │       ├── Stopped            the stop switch is on
    │       └── Busy               another run holds the lease
    └── Unavailable                exit 2: something outside is missing or broken, nothing can be said
        ├── SourceUnreachable      Prometheus, a file share
        │   └── QueryRefused       Prometheus answered, with a reason
        ├── ClusterUnreachable     no Kubernetes API
        │   └── ClusterRefused     the API answered, with a reason
        └── ToolMissing            prometheus, locust or chaos is not there

A message says what was wrong, where, and what to do. A class exists where somebody catches it.
"""


class ChaosPrsaError(Exception):
    """The root: catch it to catch them all. Every one ends a command with 2; 1 and 3 are verdicts."""

    exit_code = 2


class BadInput(ChaosPrsaError):
    """Something the user gave can't be used; the message says how to mend it."""


class InvalidSettings(BadInput):
    """chaosprsa.toml is missing, malformed, or says something that can't be."""


class InvalidHistory(BadInput):
    """Metrics, incidents or a topology that can't be read as history."""


class NotEnoughHistory(InvalidHistory):
    """The history is well formed and too short for what was asked of it."""


class InvalidDocument(BadInput):
    """A file that a command of ours wrote, or should have: wrong schema, another version, half written."""


class InvalidNoun(BadInput, ValueError):
    """A value that the noun refuses at birth."""


class Refused(BadInput):
    """A safety rule said no; nothing was touched."""


class NotAShadow(Refused):
    """The namespace isn't labelled as a shadow, so nothing in it is touched."""


class NotApproved(Refused):
    """A change to production without an approval of this very plan."""


class Stopped(Refused):
    """The stop switch is on."""


class Busy(Refused):
    """Another run holds the lease."""


class Unavailable(ChaosPrsaError):
    """Something outside is missing or broken, so nothing can be said: never a pass."""


class SourceUnreachable(Unavailable):
    """A metrics source did not answer in time."""


class QueryRefused(SourceUnreachable):
    """Prometheus answered with an error; the message carries its reason."""


class ClusterUnreachable(Unavailable):
    """No Kubernetes API answered."""


class ClusterRefused(ClusterUnreachable):
    """The Kubernetes API answered with an error; the message carries its reason.

    status: the HTTP status (404, 409, 422, ...), so that callers can tell "not there" from "not allowed".
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ToolMissing(Unavailable):
    """A program this command runs is not on the machine."""


def require(condition: bool, message: str) -> None:
    """Raise InvalidNoun with the message unless the condition holds: the nouns' invariants in one line each."""
    if not condition:
        raise InvalidNoun(message)
