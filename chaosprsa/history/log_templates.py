"""Templates of one component's log lines: Drain (He, Zhu, Zheng, Lyu 2017), of the library drain3, made fast. Pure.

Numbers, addresses and ids are masked before, word by word from a bounded table, so most lines are equal to one seen
shortly before; only the others go down Drain's tree. Clusters are bounded: the least recently used one goes, and a
line of its kind makes it again, under the same id, since an id is a hash of the text.
"""

import hashlib
import re
from dataclasses import dataclass, field

from drain3.drain import Drain, LogCluster

WILDCARD = "<*>"
BAD_ANSWER = "[5xx]"
LONGEST = 600  # characters of a line that its template is told by; the rest hardly tells statements apart
MOST_CLUSTERS = 1_000
CACHED = 20_000  # masked lines a generation; two generations are kept
SIMILARITY = 0.5  # share of equal words; drain3's 0.4 joined unlike statements of loghub's OpenSSH
MOST_WORDS = 50_000
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_MASKED = re.compile(
    r"\b[0a-f]{8}-(?:[0a-f]{4}-){3}[0a-f]{12}\b"  # UUID
    r"|\b(?:0x[0a-fA-F]+|(?=[a-f]*0)[0a-f]{8,}|(?=[A-Z]*0)[A-Z0]{6,})\b"  # hexadecimal, product ids
    r"|(?:(?<![A-Za-z0])-)?0+(?:[.,:]0+)*"  # numbers, addresses, times
)
_SERVED_BADLY = re.compile(r"\" 5\d\d(?: |$)")
_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|CRIT(?:ICAL)?|ALERT|FATAL|EMERG(?:ENCY)?|PANIC)\b"
    r"|(?:level|severity|lvl)\"?[=:] ?\"?(\w+)|\[(debug|info|notice|warn|error|crit|alert|emerg)\]|^([IWEF]) +<\*> "
)
_THROWN = re.compile(r"Traceback \(most recent|^panic:|\b\w*(?:Exception|Error)\b(?=[:\s(]|$)")
LEVELS = {
    **dict.fromkeys(("error", "err", "severe", "crit", "critical", "alert", "fatal", "emerg", "emergency"), "error"),
    **dict.fromkeys(("panic", "e", "f"), "error"),
    **dict.fromkeys(("warn", "warning", "w"), "warning"),
    **dict.fromkeys(("debug", "trace"), "debug"),
}


class Words(dict[str, str]):
    """Words, their digits made 0, to words with numbers and ids masked; forgets all where they are too many."""

    def __missing__(self, word: str) -> str:
        if len(self) >= MOST_WORDS:
            self.clear()
        masked = self[word] = _MASKED.sub(WILDCARD, word)
        return masked


WORDS = Words()


def masked(text: str) -> str:
    """A line without its numbers, addresses and ids; a request that was answered with 5xx says so in front."""
    line = text[:LONGEST]
    digits = line.encode("utf-8", "replace").translate(_DIGITS).decode()  # three times as fast as str.translate
    words = " ".join(map(WORDS.__getitem__, digits.split(" ")))
    return f"{BAD_ANSWER} {words}" if '" 5' in line and _SERVED_BADLY.search(line) else words


@dataclass(slots=True)
class Clusters:
    """The statements of one component. `found` maps a cluster's number to its cluster and level."""

    found: dict[int, tuple[LogCluster, str]] = field(default_factory=dict)
    _drain: Drain = field(default_factory=lambda: Drain(sim_th=SIMILARITY, max_clusters=MOST_CLUSTERS))
    _recent: dict[str, tuple[int, bool]] = field(default_factory=dict)
    _before: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def of(self, text: str) -> tuple[int, bool, bool]:
        """The number of the cluster of a line (its stamp taken off), whether it is an error, whether it is new."""
        line = masked(text)
        known = self._recent.get(line)
        if known is not None:
            return *known, False
        return self._learned(line)

    def _learned(self, line: str) -> tuple[int, bool, bool]:
        known = self._before.get(line)
        new = False
        if known is None:
            level = level_of(line)
            cluster, change = self._drain.add_log_message(line)
            new = change == "cluster_created"
            if new:
                self.found[cluster.cluster_id] = cluster, level
            known = cluster.cluster_id, level == "error"
        if len(self._recent) >= CACHED:
            self._before, self._recent = self._recent, {}
        self._recent[line] = known
        return *known, new


def level_of(text: str) -> str:
    """error, warning, info or debug, as the line says; error where an exception is told."""
    if text.startswith(BAD_ANSWER):
        return "error"
    match = _LEVEL.search(text, 0, 160)
    if match:
        return LEVELS.get(next(each for each in match.groups() if each).lower(), "info")
    return "error" if _THROWN.search(text) else "info"


def template_id(text: str) -> str:
    """Eight hexadecimal digits of the text's hash."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
